"""The check itself: every gradient at every precision against the differences, and how the code behaves beside that."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from backends import float128
from backends.float128_functions import STAND_INS
from comparisons.derivations.contract import ContractError, Derivation, Elementwise, Inputs, differentiable
from comparisons.derivations.results import Verdict
from comparisons.derivations.running import Stage, as_float, cast, cast_cotangents, is_float128, is_users, weighted_sum
from comparisons.derivations.trees import Path, is_floating, leaves, replace
from comparisons.derivations.truth import Truth, differentiate
from comparisons.ladder import FINEST_ONLY, UNIT_ROUNDOFF, judge
from scratch.arrays import Array

RUNGS = ("float32", "float64", "float128")
DRAWS = 2
"""Sets of inputs: a mistake that one set hides, another shows."""
SECONDS = 3.0
"""About how long the differences of one set of inputs may take; beyond it a sample of the elements stands for all."""
FEWEST, MOST = 64, 4000
"""Elements differentiated at least, and at most. The first holds all points of an elementwise pair, whatever else the machine does: a random
direction would cross the kink that one of them sits on."""
VANISHING = UNIT_ROUNDOFF["float32"]
"""A gradient smaller than this share of the largest one is measured against that: it is what remains of a cancellation."""
FLOAT64_PLATEAU = 8 * UNIT_ROUNDOFF["float64"]
"""A backward that is right to the last bits of float64, and no better in float128, holds constants or arrays in float64."""
AT_REFERENCE = 8
"""A backward within this multiple of the differences' own error is as right as they can tell, ..."""
REFERENCE_USELESS = 1e-5
"""... unless they can tell no more than this."""
VANISHES = "the gradient is so small beside the loss that the differences cannot tell it from zero"
BADLY = 1e-8
"""A float64 error from which on the reader is told that digits were lost."""
SATURATED = 0.05
"""A relative error above this says nothing of rounding any more: it cannot grow with the condition number."""


class Failure(Exception):
    """The user's code raised: the sentence and the line."""

    def __init__(self, sentence: str, line: int | None, error: BaseException | None = None) -> None:
        super().__init__(sentence)
        self.line = line
        self.error = error


@dataclass
class Point:
    """One set of inputs with what was found there."""

    inputs: Inputs
    wrt: dict[str, Path]
    cotangents: tuple[Array, ...]
    returned: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Gradients by precision and input, as they came back."""
    truths: dict[str, Truth] = field(default_factory=dict)
    scales: dict[str, Any] = field(default_factory=dict)
    precision: str = "float128"
    """In which the differences were taken."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """The module's own numbers, which a factor may be made of."""

    @property
    def quantities(self) -> dict[str, Any]:
        """What a factor may be made of: the module's numbers, the inputs and their sizes."""
        return {**self.constants, **self.inputs}

    def leaf(self, name: str) -> Any:
        """The input of that name."""
        return next(leaf for path, leaf in leaves(self.inputs) if path == self.wrt[name])


class BackwardFailure(Failure):
    """It was the backward that raised."""


def line_in_users_code(error: BaseException) -> int | None:
    """The line of the user's own code that raised."""
    return next((line for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))) if is_users_frame(frame)), None)


def is_users_frame(frame: Any) -> bool:
    """Whether a frame runs code of the user's."""
    return is_users(type("code", (), {"__code__": frame.f_code}))


def describe(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text[:300]}"


class Check:
    """One derivation under examination."""

    def __init__(self, derivation: Derivation, seed: int = 0) -> None:
        self.derivation = derivation
        self.stage = Stage(derivation)
        self.rungs: tuple[str, ...] = getattr(derivation, "rungs", RUNGS)
        self.seed = seed
        self.notes: list[str] = []
        self.points: list[Point] = []
        self.repeatable = False
        """Whether the backward may be called again on the same cache: known to change nothing."""

    # Running -----------------------------------------------------------------------------------------------------------

    def creation(self, dtype: str) -> Mapping[str, Callable[..., Any]] | None:
        """What makes arrays in the user's code at that precision."""
        return STAND_INS if dtype == "float128" else None

    def run(self, point: Point, dtype: str) -> dict[str, Any]:
        """Forward and backward at that precision: the gradients as returned, copied."""
        self.stage.reset()
        with self.stage.at(self.creation(dtype)):
            inputs = cast(point.inputs, dtype)
            _, cache = self.derivation.forward(inputs)
            gradients = self.derivation.backward(cast_cotangents(point.cotangents, dtype), inputs, cache)
            return {name: copied(value) for name, value in gradients.items()}

    def loss(self, point: Point, name: str, dtype: str) -> Callable[[Array], Any]:
        """L = sum(cotangent * output) as a function of one input."""
        base = cast(point.inputs, dtype)
        cotangents = cast_cotangents(point.cotangents, dtype)
        path = point.wrt[name]

        def value(moved: Array) -> Any:
            leaf = moved if np.ndim(moved) else moved[()]

            def put(at: Path, old: Any) -> Any:
                if at == path:
                    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf
                return old.copy() if isinstance(old, np.ndarray) else old

            self.stage.reset()
            outputs, _ = self.derivation.forward(dict(replace(base, put)))
            return weighted_sum(outputs, cotangents)

        return value

    # One set of inputs -------------------------------------------------------------------------------------------------

    def draw(self, number: int) -> Point:
        """Inputs, rounded to float32 where that changes nothing, and random cotangents of the outputs' shapes."""
        rng = np.random.default_rng([self.seed, number])
        self.stage.reset()
        try:
            with self.stage.at():
                exact = self.derivation.draw(rng)
        except ContractError:
            raise
        except Exception as error:
            raise Failure(f"inputs(rng) raised {describe(error)}", line_in_users_code(error), error) from error
        if isinstance(self.derivation, Elementwise):
            exact = {"x": self._within_domain(exact["x"])}
        if not differentiable(exact):
            raise ContractError(
                f"{self.derivation.name}: inputs(rng) returns no floating-point array, so there is nothing to differentiate."
            )
        # Of one set of inputs every rung starts from the same point; of the other float64 has digits that a cast would lose.
        for inputs in (_as_float32_values(exact), exact) if number == 0 else (exact,):
            outputs = self._outputs(inputs)
            if all(np.isfinite(as_float(output)).all() for output in outputs):
                break
        if all(getattr(output, "dtype", None) == np.float32 for output in outputs) and "float128" in self.rungs:
            self.stage.ignore_casts = True
            self.note("the forward computes in float32: judged in float32, and in float128 with its casts left out")
        # An elementwise function's slopes need no weights.
        made = np.ones if isinstance(self.derivation, Elementwise) else partial(_cotangent, rng=rng, coarse=number == 0)
        cotangents = tuple(made(np.shape(output)) for output in outputs)
        point = Point(inputs, differentiable(inputs), cotangents, constants=self.stage.numbers())
        if not self._takes_cotangent(point):
            point.cotangents = (np.array(1.0),)
        return point

    def _outputs(self, inputs: Inputs) -> tuple[Any, ...]:
        self.stage.reset()
        try:
            with self.stage.at():
                outputs, _ = self.derivation.forward(cast(inputs, "float64"))
        except ContractError:
            raise
        except Exception as error:
            raise Failure(f"the forward raised {describe(error)}", line_in_users_code(error), error) from error
        for output in outputs:
            if not np.issubdtype(np.asarray(output).dtype, np.number) or np.iscomplexobj(output):
                raise ContractError(
                    f"{self.derivation.name}: the forward returns {type(output).__name__}, not real numbers. "
                    "Let it return a number or an array, or (array, cache)."
                )
        return outputs

    def _takes_cotangent(self, point: Point) -> bool:
        takes_cotangent = getattr(self.derivation, "takes_cotangent", None)
        if takes_cotangent is None:
            return True
        with self.stage.at():
            upstream = takes_cotangent(cast(point.inputs, "float64"))
        if not upstream and point.cotangents[0].size != 1:
            raise ContractError(
                f"{self.derivation.name}: the forward returns an array, and the backward takes no cotangent. "
                "Let its first parameter be the gradient of the loss with respect to the forward's output."
            )
        return bool(upstream)

    def _within_domain(self, x: Array) -> Array:
        """The points at which the function is finite, beside them too, in float64 and in float128."""
        kept = np.ones(len(x), dtype=bool)
        with self.stage.at():
            for dtype in ("float64", "float128"):
                with self.stage.at(self.creation(dtype)):
                    for step in (0.0, 1e-2, -1e-2):
                        moved = x + step * np.maximum(np.abs(x), 1e-3)
                        try:
                            (values,), _ = self.derivation.forward({"x": cast({"x": moved}, dtype)["x"]})
                            kept &= np.abs(np.broadcast_to(as_float(values), x.shape)) < 1e290
                        except Exception:
                            if dtype == "float64":
                                raise
        return x[kept]

    def examine(self, point: Point) -> None:
        """Gradients at every precision, and their truth."""
        for dtype in self.rungs:
            try:
                point.returned[dtype] = self.run(point, dtype)
            except ContractError:
                raise
            except Exception as error:
                line = line_in_users_code(error)
                if dtype == "float64":
                    raise BackwardFailure(f"the backward raised {describe(error)}", line, error) from error
                self.note(f"not run in {dtype}: {describe(error)}" + (f" (line {line})" if line else ""))
        budget = self._budget(point)
        rng = np.random.default_rng([self.seed, 77])
        for name in point.wrt:
            if name in point.returned["float64"]:
                start = self._leaf(point, name)
                with self.stage.at(self.creation(point.precision)):
                    point.truths[name] = differentiate(
                        self.loss(point, name, point.precision), start, budget, rng, point.precision
                    )
        self._measure(point)

    def _leaf(self, point: Point, name: str) -> Array:
        leaf = point.leaf(name)
        return float128.array(leaf) if point.precision == "float128" else np.array(leaf, dtype=float)

    def _budget(self, point: Point) -> int:
        """Elements per input, after the time that one forward pass takes; decides in which precision differences are taken."""
        name = next(iter(point.wrt))
        for precision in reversed(self.rungs[1:]):
            point.precision = precision
            try:
                with self.stage.at(self.creation(precision)):
                    loss, start = self.loss(point, name, precision), self._leaf(point, name)
                    loss(start)
                    began = time.perf_counter()
                    value = loss(start)
                    seconds = time.perf_counter() - began
                if precision == "float128" and not is_float128(value):
                    raise TypeError("its result is float64, so a conversion in it loses digits")
                break
            except Exception as error:
                if precision == "float64":
                    raise Failure(f"the forward raised {describe(error)}", line_in_users_code(error), error) from error
                line = line_in_users_code(error)
                where = f" (line {line})" if line else ""
                self.note(f"the forward cannot run in float128: {describe(error)}{where}; differences are taken in float64")
        return int(np.clip(SECONDS / (6 * seconds * max(len(point.wrt), 1)), FEWEST, MOST))

    # Errors and verdicts -----------------------------------------------------------------------------------------------

    def _measure(self, point: Point) -> None:
        """What errors of each input are relative to."""
        largest = {name: truth.magnitude() for name, truth in point.truths.items()}
        whole = max(largest.values(), default=0.0)
        for name, own in largest.items():
            point.scales[name] = (whole if own < VANISHING * whole else own) or 1.0
            if isinstance(self.derivation, Elementwise):
                sizes = np.abs(as_float(point.truths[name].gradient))
                moderate = np.abs(point.inputs["x"]) <= 10
                usual = float(np.max(sizes[moderate], initial=0.0)) or 1.0
                point.scales[name] = np.maximum(sizes, usual)

    def errors(self, point: Point, name: str) -> tuple[dict[str, float], float]:
        """Relative errors by precision, and the reference's own."""
        truth, scale = point.truths[name], point.scales[name]
        found: dict[str, float] = {}
        for dtype, returned in point.returned.items():
            if dtype == "float64" and self.stage.ignore_casts:
                continue  # it is float32 there as well
            value = shaped(returned.get(name), truth.gradient.shape)
            if value is None:
                found[dtype] = float("inf")
                continue
            found[dtype] = relative_error(value, truth, scale)
        return found, truth.error / float(np.min(scale))

    def note(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def signed_errors(flat: Array, truth: Truth, scale: Any) -> Array:
    """(value - truth) / scale of the differentiated elements; at a kink the distance from the one-sided slopes."""
    chosen = truth.indices
    values, true = flat[chosen], truth.gradient.reshape(-1)[chosen]
    if truth.low or truth.jumps:
        true = true.copy()
        for position, index in enumerate(chosen):
            if index in truth.low:
                low, high, value = truth.low[index], truth.high[index], values[position]
                if not np.isfinite(float(value)):
                    continue
                true[position] = low if value < low else high if value > high else value
            elif index in truth.jumps:
                true[position] = values[position]
    sizes = scale.reshape(-1)[chosen] if np.ndim(scale) else scale
    with np.errstate(all="ignore"):
        apart = as_float(values - true) / sizes
    apart[~np.isfinite(as_float(values))] = np.inf
    apart[~np.isfinite(as_float(true))] = np.nan
    return np.asarray(apart)


def elementwise_errors(flat: Array, truth: Truth, scale: Any) -> Array:
    """Their absolute values."""
    return np.abs(signed_errors(flat, truth, scale))


def relative_error(value: Array, truth: Truth, scale: Any) -> float:
    """The largest error over elements and directions."""
    flat = float128.array(value).reshape(-1)
    apart = elementwise_errors(flat, truth, scale)
    worst = float(np.max(apart, initial=0.0))
    if truth.directions and np.isfinite(worst):
        size = float(np.max(scale)) * np.sqrt(flat.size)
        for direction, slope in truth.directions:
            along = np.add.reduce(np.multiply(flat, direction.reshape(-1)), axis=None)
            worst = max(worst, abs(float(along - slope)) / size)
    return worst


def judge_input(errors: Mapping[str, float], reference_error: float) -> tuple[Verdict, float | None, str, str]:
    """Verdict, slope, reason and a note, from the errors of one input's gradient.

    The ladder decides, after what its slope alone does not: a rung at which the result overflowed or every digit was lost
    says nothing about the others, and a backward that holds float64 numbers cannot do better than float64.
    """
    if np.isinf(errors.get("float64", 0.0)):
        return "wrong", None, "not finite in float64, where the true gradient is", ""
    usable = dict(errors)
    note = ""
    fine, finest = usable.get("float64", 0.0), usable.get("float128", float("inf"))
    lost = usable.get("float32", 0.0)
    if (np.isinf(lost) or lost > SATURATED) and {"float64", "float128"} <= set(usable):
        del usable["float32"]
        if np.isinf(lost):
            note = "overflows in float32, where float64 is right"
    if np.isinf(usable.get("float128", 0.0)):
        del usable["float128"]
    ladder = judge(usable, reference_error=reference_error)
    within = AT_REFERENCE * reference_error
    if max(fine, finest) <= within <= REFERENCE_USELESS:
        coarse = reference_error > FLOAT64_PLATEAU
        return "correct", ladder.slope, "", f"as near as the differences can tell, to {reference_error:.0e}" if coarse else note
    if finest <= within <= REFERENCE_USELESS or (
        fine > SATURATED and finest <= FLOAT64_PLATEAU and within <= REFERENCE_USELESS
    ):
        losing = "right in float128; float64 loses digits of it to cancellation"
        return "correct", ladder.slope, "", losing if fine > BADLY else note
    if reference_error > REFERENCE_USELESS and min(fine, finest) <= within:
        return "inconclusive", None, VANISHES, ""
    if _is_flat(errors, reference_error):
        return "wrong", 0.0, "the error does not fall with the precision: it is the same in float64 and in float128", note
    if ladder.verdict in ("exact", "rounding"):
        return "correct", ladder.slope, "", note
    if finest <= FLOAT64_PLATEAU and fine <= SATURATED:
        return "correct", ladder.slope, "", note or "the backward holds float64 numbers, which keep it from float128"
    if ladder.reason == FINEST_ONLY:
        return "correct", ladder.slope, "", "badly conditioned: float32 loses most of its digits"
    return ("wrong" if ladder.verdict == "wrong" else "inconclusive"), ladder.slope, ladder.reason, note


def _is_flat(errors: Mapping[str, float], reference_error: float) -> bool:
    """Whether float64 and float128 err by the same amount, far above what either, and the reference, could err by rounding.

    The slope between two rungs says so too, unless the reference's own error has merged these two into one.
    """
    fine, finest = errors.get("float64", 0.0), errors.get("float128", 0.0)
    if not (np.isfinite(fine) and np.isfinite(finest)) or finest == 0:
        return False
    if min(fine, finest) > SATURATED and finest > 1e3 * reference_error:
        return True  # every digit lost, in float128 too, where the differences have kept some
    return abs(fine - finest) <= 0.01 * finest and finest > 1e3 * max(reference_error, 64 * UNIT_ROUNDOFF["float64"])


def copied(value: Any) -> Any:
    """A copy of an array; numbers need none."""
    return value.copy() if isinstance(value, np.ndarray) else value


def shaped(value: Any, shape: tuple[int, ...]) -> Array | None:
    """The gradient in its input's shape: a single number stands for all elements; None where it has another shape."""
    if value is None:
        return None
    if np.ndim(value) == 0:
        number = float128.array(value) if is_float128(value) else as_float(value)
        return np.broadcast_to(number, shape).copy() if shape else number
    array = np.asarray(value) if not isinstance(value, np.ndarray) else value
    return array if array.shape == shape else None


def _cotangent(shape: tuple[int, ...], rng: np.random.Generator, coarse: bool) -> Array:
    """Random, and nowhere so small that it hides an element; exact in float32 if `coarse`."""
    drawn = np.asarray(np.sign(rng.standard_normal(shape)) * rng.uniform(0.5, 1.5, shape))
    return drawn.astype(np.float32).astype(float) if coarse else drawn


def _as_float32_values(inputs: Inputs) -> Inputs:
    """The inputs rounded to float32, so that every rung starts from the same point; not where rounding would matter.

    It would where different numbers become equal, a number becomes whole (1 - 1e-12), zero or infinite.
    """

    def change(_: Path, leaf: Any) -> Any:
        if not is_floating(leaf):
            return leaf
        exact = as_float(leaf)
        with np.errstate(all="ignore"):
            rounded = exact.astype(np.float32).astype(float)
        merged = len(np.unique(rounded)) < len(np.unique(exact))
        whole = (rounded == np.rint(rounded)) & (rounded != exact) & (np.abs(exact) < 2.0**20)
        return exact if merged or whole.any() or not np.isfinite(rounded).all() else rounded

    return dict(replace(inputs, change))
