"""A finding as a program that imports nothing but NumPy and the framework, and shows what was found beside what is right."""

import re
import textwrap
from functools import cache
from typing import Any

import numpy as np

from comparisons.fuzzing.cases import Case, loss_of, network_of, optimizer_of
from comparisons.fuzzing.findings import Finding
from comparisons.fuzzing.rows import has_row, row_source
from comparisons.fuzzing.templates import HEADS, TEMPLATES
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array
from scratch.losses import Loss

PACKAGES = {"torch": "backends.on_torch", "keras": "backends.on_keras", "jax": "backends.on_jax"}
"""Where our own adapters have their rows, by backend."""
CONVENTIONS = {"torch": "torch", "keras": "keras", "jax": "optax"}


@cache  # a campaign asks for all of them after every round
def reproducer(finding: Finding) -> str:
    """The program. It defines `compute(dtype)`, which returns arrays by quantity, and prints the worst element of one."""
    case, backend = finding.case, finding.backend
    if backend not in PACKAGES:
        return _through_backproof(finding)
    parts = {"activation": _activation, "loss": _loss, "optimizer": _optimizer, "network": _network}[case.kind](case, backend)
    program = [_head(backend, "\n".join(parts)), *parts, _conclusion(finding)]
    return _spaced("\n\n".join([_docstring(finding), *(part.strip("\n") for part in program)])) + "\n"


def _head(backend: str, body: str) -> str:
    """The imports that the body needs."""
    lines = []
    for line in HEADS[backend].strip("\n").splitlines():
        imported = re.match(r"(?:import|from) .*?(\S+)$", line)
        if (
            imported is None
            or imported[1] == "os"
            or re.search(rf"\b{re.escape(imported[1])}\b", f"{body} np keras tf torch jax")
        ):
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _spaced(text: str) -> str:
    """With two empty lines before what stands at the left edge and has a body, as everybody writes it, and after it."""
    text = re.sub(r"\n+(?=(?:def|class|for) )", "\n\n\n", text)
    return re.sub(r"(\n [^\n]*)\n+(?=\S)", r"\1\n\n\n", text)


def _docstring(finding: Finding) -> str:
    said = finding.signature.replace("\\", "/").replace('"', "'")
    return f'"""{said}."""'


def _conclusion(finding: Finding) -> str:
    if finding.quantity == "run":
        return f'for dtype in ("float32", "float64"):\n    print(dtype, compute(dtype))  # {finding.symptom}'
    index = ", ".join(str(i) for i in finding.index)
    element = f"compute(dtype)[{finding.quantity!r}][{index}]"
    return (
        'for dtype in ("float32", "float64"):\n'
        f'    print(dtype, "{finding.quantity}[{index}] is", {element}, "and should be", {_written(finding.expected)})'
    )


def _activation(case: Case, backend: str) -> list[str]:
    settings = _arguments(ACTIVATIONS[case.name].settings)
    return [
        _constants(Z=case.arrays["z"], COTANGENT=case.arrays["cotangent"]),
        row_source(f"{PACKAGES[backend]}.activations", "ACTIVATIONS", case.name),
        TEMPLATES["activation", backend].replace("SETTINGS", settings).replace("(z, )", "(z)"),
    ]


def _network(case: Case, backend: str) -> list[str]:
    """With the framework's own dense layers; JAX has none."""
    convention = CONVENTIONS[backend]
    entry = ACTIVATIONS[case.name].in_convention(convention)
    model = network_of(case.name, case.widths)
    parameters = model.views(case.arrays["parameters"])
    kernels = [values for path, values in parameters.items() if path.endswith("kernel")]
    biases = [values for path, values in parameters.items() if path.endswith("bias")]
    listed = [f"KERNELS = [{', '.join(_written(kernel.tolist()) for kernel in kernels)}]"]
    listed.append(f"BIASES = [{', '.join(_written(bias.tolist()) for bias in biases)}]")
    template = TEMPLATES["network", backend].replace("SETTINGS", _arguments(entry.settings)).replace("(z, )", "(z)")
    return [
        "\n".join([*listed, _constants(X=case.arrays["x"], COTANGENT=case.arrays["cotangent"])]),
        row_source(f"{PACKAGES[backend]}.activations", "ACTIVATIONS", case.name),
        template,
    ]


def _optimizer(case: Case, backend: str) -> list[str]:
    """With clipping and decay as the adapter arranges them around the row."""
    o = optimizer_of(case, CONVENTIONS[backend])
    source = row_source(f"{PACKAGES[backend]}.optimizers", "OPTIMIZERS", case.name, called="make", part=0)
    template = TEMPLATES["optimizer", backend]
    shared: dict[str, Any] = {}
    if backend == "torch" and o.clip_value is not None:
        template = template.replace("CLIP", f"torch.nn.utils.clip_grad_value_([p], {o.clip_value})")
    elif backend == "torch" and (limit := o.clip_norm or o.clip_global_norm) is not None:
        template = template.replace("CLIP", f"torch.nn.utils.clip_grad_norm_([p], {limit})")
    elif backend == "keras":
        # Some decay by default.
        shared = {"learning_rate": o.learning_rate, "weight_decay": o.weight_decay or None}
        names = {"clip_value": "clipvalue", "clip_norm": "clipnorm", "clip_global_norm": "global_clipnorm"}
        shared |= {theirs: getattr(o, ours) for ours, theirs in names.items() if getattr(o, ours) is not None}
    elif backend == "jax":
        chain = [f"optax.clip({o.clip_value})"] if o.clip_value is not None else []
        chain += [f"optax.clip_by_global_norm({limit})" for limit in (o.clip_norm, o.clip_global_norm) if limit is not None]
        chain += [f"optax.add_decayed_weights({o.weight_decay})"] if o.weight_decay and not o.decoupled else []
        template = template.replace("make(o)", f"optax.chain({', '.join([*chain, 'make(o)'])})" if chain else "make(o)")
    template = "\n".join(line for line in template.splitlines() if line.strip() != "CLIP").replace("SHARED", _arguments(shared))
    asked = dict.fromkeys(re.findall(r"\bo\.(\w+)", f"{source}\n{template}"))
    numbers = ", ".join(f"{name}={getattr(o, name)!r}" for name in asked)
    return [
        _constants(PARAMETERS=case.arrays["parameters"], GRADIENTS=case.arrays["gradients"]),
        f"o = SimpleNamespace({numbers})",
        source,
        template,
    ]


def _loss(case: Case, backend: str) -> list[str]:
    """With the framework's own reduction where it has it, or as the sum of its terms over a number."""
    form = loss_of(case)
    loss = form.loss.in_convention(CONVENTIONS[backend])
    z, y, weights = case.arrays["z"], case.arrays["y"], case.arrays.get("weights")
    module, table, settings = f"{PACKAGES[backend]}.losses", "LOSSES", dict(loss.settings)
    if backend == "torch" and loss.ignored_index is not None:
        settings["ignored_index"] = loss.ignored_index
    if backend == "keras" and y.ndim == 1:
        if has_row(module, "OF_INDICES", case.name):
            table, settings["ignored_index"] = "OF_INDICES", loss.ignored_index
        else:
            y = np.eye(z.shape[1], dtype=np.float32)[y]
    return [
        _constants(Z=z, Y=y, **({} if weights is None else {"WEIGHTS": weights})),
        row_source(module, table, case.name),
        _LOSS[backend](loss, case, settings),
    ]


def _torch_loss(loss: Loss, case: Case, settings: dict[str, Any]) -> str:
    own = loss.reduction in ("mean", "sum") and settings.get("class_weights") is None and "weights" not in case.arrays
    if own:
        value = f"row(z, y, {loss.reduction!r}, {_arguments(settings)})"
    else:
        value = f"row(z, y, 'none', {_arguments(settings)})"
        if "weights" in case.arrays:
            value = f"({value}.reshape(len(z), -1) * w[:, None])"
        value = f"{value}.sum() / {_divisor(loss, case)}"
    return _filled("loss", "torch", case, value)


def _keras_loss(loss: Loss, case: Case, settings: dict[str, Any]) -> str:
    means = {"count": "sum_over_batch_size", "weights": "mean_with_sample_weight"}
    reduction = means[loss.weight_divisor] if loss.reduction == "mean" else "sum"
    weights = ", w" if "weights" in case.arrays else ""
    value = f"row({_arguments({'reduction': reduction} | settings)}, dtype=dtype)(y, z{weights})"
    if not loss.per_row and loss.reduction != "mean":
        # Keras has averaged over the units by then.
        value += f" * {case.arrays['z'].shape[1]} / {_divisor(loss, case)}"
    return _filled("loss", "keras", case, value)


def _jax_loss(loss: Loss, case: Case, settings: dict[str, Any]) -> str:
    terms = f"row(z, y, {_arguments(settings)})"
    if "weights" in case.arrays:
        terms += " * w" if loss.per_row else " * w[:, None]"
    return _filled("loss", "jax", case, f"jnp.sum({terms}) / {_divisor(loss, case)}")


_LOSS = {"torch": _torch_loss, "keras": _keras_loss, "jax": _jax_loss}


def _filled(kind: str, backend: str, case: Case, value: str) -> str:
    """The template with the loss's value, and without weights where there are none."""
    one_hot = backend == "keras" and not has_row(f"{PACKAGES[backend]}.losses", "OF_INDICES", case.name)
    whole, real = {"torch": ("torch.int64", "z.dtype"), "keras": ('"int64"', "dtype"), "jax": ("int", "dtype")}[backend]
    targets = whole if case.arrays["y"].ndim == 1 and not one_hot else real
    template = TEMPLATES[kind, backend].replace("VALUE", value.replace(", )", ")")).replace("TARGETS", targets)
    return "\n".join(line for line in template.splitlines() if "WEIGHTS" not in line or "weights" in case.arrays)


def _divisor(loss: Loss, case: Case) -> str:
    """What the sum over all terms is divided by, as a number."""
    z, y = case.arrays["z"].astype(np.float64), case.arrays["y"]
    kept = None if loss.ignored_index is None or y.ndim > 1 else y != loss.ignored_index
    shares = case.arrays.get("weights", np.ones(len(z))).astype(np.float64)[:, None]
    plain = kept is None and "weights" not in case.arrays and loss.settings.get("class_weights") is None
    rows = len(z) if plain else loss._rows(y, shares if kept is None else shares * kept[:, None], kept)
    return repr(float(loss.divisor(float(rows), z.shape[1])))


def _through_backproof(finding: Finding) -> str:
    """For a backend of somebody else's: the same through backproof."""
    return (
        textwrap.dedent(
            f"""\
        {_docstring(finding)}

        from backends import load_backend
        from comparisons.fuzzing.cases import Case
        from comparisons.fuzzing.judging import convention_of
        from comparisons.fuzzing.running import results

        CASE = Case.from_dict({finding.case.to_dict()!r})


        def compute(dtype):
            backend = load_backend({finding.backend!r})
            return results(CASE, backend, dtype, convention_of(backend))

        """
        )
        + _conclusion(finding)
        + "\n"
    )


def _constants(**arrays: Array) -> str:
    return "\n".join(f"{name} = {_written(array.tolist())}" for name, array in arrays.items())


def _arguments(settings: Any) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())


def _written(value: Any) -> str:
    """A number, or a nested list of them, as Python with NumPy reads it."""
    if isinstance(value, list):
        return "[" + ", ".join(_written(entry) for entry in value) + "]"
    return repr(value) if np.isfinite(value) else f"np.{value}".replace("np.-", "-np.")
