"""Running a user's plain NumPy unchanged at every precision, and the same way every time.

At float32 and float64 the code runs as it is. At float128, and on a framework's tensors, its names `np`, `math` and `float`
are served by stand-ins while it runs, so that `np.zeros(...)`, `math.exp(x)` and `float(x)` follow its arguments.
Random generators and the module's own data are put back before every forward pass.
"""

import builtins
import contextlib
import copy
import inspect
import io
import math
import random
import sysconfig
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from backends import float128
from backends.numpy_backend import as_dtype
from comparisons.derivations.contract import Derivation, Inputs, differentiable
from comparisons.derivations.trees import Path, is_floating, replace
from scratch.arrays import Array

_LIBRARIES = tuple(
    {str(FilePath(path).resolve()) for name, path in sysconfig.get_paths().items() if name.endswith("lib")} | {"<frozen"}
)
_HOUSE = tuple(
    str(FilePath(__file__).resolve().parents[2] / room) for room in ("scratch", "backends", "comparisons", "reports")
)
_GUESTS = str(FilePath(__file__).resolve().parents[1] / "sources" / "derivations")
"""Derivations that came from elsewhere and are checked like any user's."""


def is_users(function: Any) -> bool:
    """Whether a function is the user's own: neither from a library nor from ours."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    name: str = code.co_filename
    if name.startswith(_GUESTS):
        return True
    return not name.startswith((*_LIBRARIES, *_HOUSE)) and "site-packages" not in name


def users_functions(start: tuple[Any, ...]) -> list[types.FunctionType]:
    """The functions, and every function of the user's that they can reach through their modules' names and their closures."""
    found: dict[int, types.FunctionType] = {}
    waiting = [_function(value) for value in start]
    while waiting:
        function = waiting.pop()
        if function is None or id(function) in found:
            continue
        found[id(function)] = function
        cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        for value in [*function.__globals__.values(), *cells]:
            candidates = vars(value).values() if isinstance(value, type) else (value,)
            members = [_function(candidate) for candidate in candidates]
            waiting += [member for member in members if member is not None and is_users(member)]
    return list(found.values())


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _function(value: Any) -> types.FunctionType | None:
    if isinstance(value, np.vectorize):
        value = value.pyfunc
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if inspect.ismethod(value):
        value = value.__func__
    value = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value
    return value if isinstance(value, types.FunctionType) else None


class _StandIn(types.ModuleType):
    """A module with some of its names replaced."""

    def __init__(self, original: types.ModuleType, replaced: Mapping[str, Any]) -> None:
        super().__init__(original.__name__)
        self.__dict__.update(replaced)
        self.__dict__["_original"] = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_original"], name)


def _stand_ins(module: types.ModuleType, replaced: Mapping[str, Any]) -> dict[int, Any]:
    """What stands in for the module, its submodules and their members, each by the identity of what it replaces.

    `replaced` is by dotted name: "zeros", "random.permutation". By identity, `from numpy import zeros` is served as well.
    """
    own = {name: value for name, value in replaced.items() if "." not in name}
    found = {id(getattr(module, name)): value for name, value in own.items() if hasattr(module, name)}
    for submodule in dict.fromkeys(name.partition(".")[0] for name in replaced if "." in name):
        original = getattr(module, submodule)
        start = submodule + "."
        found |= _stand_ins(original, {n.removeprefix(start): value for n, value in replaced.items() if n.startswith(start)})
        own[submodule] = found[id(original)]
    return found | {id(module): _StandIn(module, own)}


class _FloatType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, builtins.float)


class _Float(builtins.float, metaclass=_FloatType):
    """`float` that leaves numbers of more digits, and tensors, as they are."""

    def __new__(cls, value: Any = 0.0) -> Any:
        if hasattr(value, "__array_ufunc__") and not isinstance(value, np.generic) and np.size(value) == 1:
            return value.reshape(()) if getattr(value, "ndim", 0) else value
        return value if is_float128(value) else builtins.float(value)


def _mathematics() -> dict[str, Any]:
    """`math`'s functions, which take numbers only, by NumPy's, which keep the digits."""
    renamed = {"fabs": "abs", "pow": "power", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2"}
    names = [
        "exp",
        "expm1",
        "log",
        "log1p",
        "log2",
        "log10",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "fabs",
        "pow",
        "asin",
        "acos",
        "atan",
        "hypot",
        "cbrt",
        "exp2",
    ]
    replaced: dict[str, Any] = {}

    def follow(plain: Callable[..., Any], ufunc: Callable[..., Any]) -> Callable[..., Any]:
        def function(*args: Any) -> Any:
            ordinary = all(isinstance(arg, builtins.float | int | np.generic) for arg in args)
            return plain(*args) if ordinary else ufunc(*args)

        return function

    for name in names:
        if hasattr(math, name):
            replaced[name] = follow(getattr(math, name), getattr(np, renamed.get(name, name)))
    replaced["erf"] = follow(math.erf, _erf)
    return replaced


def _erf(x: Any) -> Any:
    from scipy import special  # type: ignore[import-untyped]  # loads only where it is asked for

    return special.erf(x)


def is_float128(value: Any) -> bool:
    """Whether a number or an array is in float128."""
    return isinstance(value, float128.Float128Array | float128.Float128)


class Stage:
    """Where one derivation runs: its modules' names, its randomness and its data, under control."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.ignore_casts = False
        """Whether casts to float32 are left out in float128: where the forward itself computes in float32 on purpose."""
        self.functions = users_functions(derivation.functions)
        spaces = {id(function.__globals__): function.__globals__ for function in self.functions if is_users(function)}
        self._namespaces = list(spaces.values())
        words = {name for function in self.functions for name in function.__code__.co_names}
        self._draws = bool(
            words & {"random", "rand", "randn", "choice", "shuffle", "permutation", "randint", "normal", "uniform"}
        )
        self._numpy_state = np.random.get_state()  # noqa: NPY002
        self._python_state = random.getstate()
        self._generators = [
            (value, copy.deepcopy(value.bit_generator.state))
            for space in self._namespaces
            for value in space.values()
            if isinstance(value, np.random.Generator)
        ]
        self._data: list[tuple[dict[str, Any], str, Any]] = []
        for space in self._namespaces:
            for name, value in space.items():
                if isinstance(value, np.ndarray | dict | list) and not name.startswith("__"):
                    with contextlib.suppress(Exception):  # what holds a module or a lock has no copy, and is left as it is
                        self._data.append((space, name, copy.deepcopy(value)))

    @contextlib.contextmanager
    def at(self, creation: Mapping[str, Callable[..., Any]] | None = None) -> Iterator[None]:
        """Quietly, and with stand-ins that create arrays of another kind if there are any."""
        saved: list[tuple[dict[str, Any], str, Any, bool]] = []
        try:
            if creation:
                for space in self._namespaces:
                    for name, value in self._replacements(space, creation).items():
                        saved.append((space, name, space.get(name), name in space))
                        space[name] = value
            ignoring = float128.casts_ignored() if creation and self.ignore_casts else contextlib.nullcontext()
            with ignoring, np.errstate(all="ignore"), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
        finally:
            for space, name, value, was_there in reversed(saved):
                if was_there:
                    space[name] = value
                else:
                    del space[name]

    def _replacements(self, space: Mapping[str, Any], creation: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
        stand_ins = _stand_ins(np, creation) | _stand_ins(math, _mathematics())
        return {"float": _Float} | {name: stand_ins[id(value)] for name, value in space.items() if id(value) in stand_ins}

    def numbers(self) -> dict[str, Any]:
        """The numbers that the user's modules have names for: `KEEP = 0.8`."""
        return {
            name: value
            for space in self._namespaces
            for name, value in space.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and not name.startswith("_")
        }

    def reset(self) -> None:
        """Put the random generators and the module's own data back to how they were."""
        if self._draws:
            np.random.set_state(self._numpy_state)  # noqa: NPY002
            random.setstate(self._python_state)
        for generator, state in self._generators:
            generator.bit_generator.state = state
        for space, name, value in self._data:
            space[name] = copy.deepcopy(value)


def cast(inputs: Inputs, dtype: str) -> Inputs:
    """The inputs with every floating-point array in that precision, and the numbers too where they are differentiated."""
    numbers = set(differentiable(inputs).values())

    def change(path: Path, leaf: Any) -> Any:
        if is_floating(leaf):
            return as_dtype(leaf, dtype)
        if path in numbers:
            return float128.array(leaf)[()] if dtype == "float128" else np.dtype(dtype).type(leaf)
        return copy.copy(leaf) if isinstance(leaf, np.ndarray) else leaf

    return dict(replace(inputs, change))


def cast_cotangents(cotangents: tuple[Array, ...], dtype: str) -> tuple[Any, ...]:
    """The cotangents in that precision, numbers as numbers."""
    made = []
    for cotangent in cotangents:
        value = as_dtype(cotangent, dtype)
        made.append(value if value.ndim else value[()])
    return tuple(made)


def as_float(value: Any) -> Array:
    """Any number or array as an array of float64."""
    return np.array(float(value)) if isinstance(value, float128.Float128) else np.asarray(value, dtype=float)


def weighted_sum(outputs: Sequence[Any], cotangents: Sequence[Any]) -> Any:
    """L = sum(cotangent * output) over all outputs, whatever their kind."""
    return sum(np.sum(np.multiply(output, cotangent)) for output, cotangent in zip(outputs, cotangents, strict=True))
