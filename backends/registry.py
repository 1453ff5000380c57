"""Which backends there are: those that an installed distribution announces under `backproof.backends`."""

from importlib.metadata import EntryPoint, entry_points

from backends.interface import Backend, BackendUnavailable

GROUP = "backproof.backends"


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def backend_names() -> list[str]:
    """All announced backends, scratch first; none is loaded."""
    return sorted(_points(), key=lambda name: (name != "numpy", name))


def load_backend(name: str) -> Backend:
    """Load one backend; raises BackendUnavailable with a sentence on what to do."""
    points = _points()
    if name not in points:
        raise BackendUnavailable(
            f'there is no backend "{name}". Installed are {", ".join(backend_names()) or "none"}; '
            f"a package adds one through the entry-point group {GROUP}."
        )
    backend: Backend = points[name].load()()
    return backend
