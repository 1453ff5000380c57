"""What a backend must do to be one, as a list of checks: ours pass them, and a stranger's proves itself with them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from backends import Backend, NotOffered
from backends.interface import Twin
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.ladder import Ladder
from comparisons.ledger import explanations
from comparisons.verification.cells import QUICK, RIGHT, Cell, Task, judge_results
from comparisons.verification.matrix import REGISTRIES, run
from comparisons.verification.networks import DTYPES
from scratch.activations import ACTIVATIONS
from scratch.arrays import CONVENTIONS, Array
from scratch.layers import BatchNormalization, Dense, Dropout, Layer, Regularizer
from scratch.losses import softmax_cross_entropy
from scratch.model import Model
from scratch.optimizers import SGD, Adam, Optimizer

MODEL = Model(5, (Dense(5, 4), ACTIVATIONS["tanh"], Dense(4, 3)), softmax_cross_entropy())


@dataclass(frozen=True)
class Check:
    """One thing that a backend must do. Call it; it raises AssertionError with one sentence, or NotOffered."""

    name: str
    function: Callable[[], None]
    task: Task | None = None
    """Which operation it is about; None where it is about how the backend behaves."""

    def __call__(self) -> None:
        self.function()

    def __str__(self) -> str:
        return self.name


def conformance(backend: Backend) -> list[Check]:
    """Every check for one backend; give them to `pytest.mark.parametrize` with `ids=str`.

    First how it behaves, then each operation of scratch on the ladder. An operation that the backend does not offer raises
    NotOffered, which a test may turn into a skip.
    """
    behaviour = [
        _is_described,
        _keeps_bits,
        _gives_copies,
        _changes_nothing,
        _has_modes,
        _trains,
        _gives_its_last_output,
        _changes_its_rate,
        _computes_in_training,
        _continues,
    ]
    checks = [Check(function.__name__.strip("_").replace("_", " "), _bound(function, backend)) for function in behaviour]
    for kind, registry in REGISTRIES.items():
        tasks = [Task(kind, name, backend.name) for name in registry]
        checks += [Check(f"{kind} {task.name}", _operation(backend, task), task) for task in tasks]
    return checks


def check_backend(backend: Backend) -> list[str]:
    """Run all checks; returns the names of operations that the backend does not offer. Raises at the first that fails."""
    missing = []
    for check in conformance(backend):
        try:
            check()
        except NotOffered:
            missing.append(check.name)
    return missing


def _bound(function: Callable[[Backend], None], backend: Backend) -> Callable[[], None]:
    return lambda: function(backend)


def _operation(backend: Backend, task: Task) -> Callable[[], None]:
    def check() -> None:
        record = run(task, backend, QUICK)
        if record["gap"]:
            raise NotOffered(record["gap"])
        cells = map(Cell.from_dict, record["cells"])
        wrong = [cell for cell in cells if cell.verdict not in RIGHT and not explanations(cell.place, cell.causes, cell.errors)]
        assert not wrong, "; ".join(
            f"{cell.place} {cell.case} is {cell.verdict}: {cell.reason} {dict(cell.errors)}" for cell in wrong
        )

    return check


def _twin(backend: Backend, model: Model, parameters: Array, dtype: str) -> Twin:
    """A twin with the most demanding of a few optimizers that the backend offers."""
    convention = backend.convention or "paper"
    for optimizer in (Adam(convention=convention), SGD(momentum=0.9, convention=convention)):
        try:
            return backend.mirror(model, parameters, optimizer, dtype)
        except NotOffered:
            continue
    return backend.mirror(model, parameters, SGD(convention=convention), dtype)


def _twins(backend: Backend, model: Model = MODEL) -> Iterator[tuple[str, Twin, Array]]:
    parameters = model.initialize(np.random.default_rng(0))
    for dtype in DTYPES:
        yield dtype, _twin(backend, model, parameters, dtype), parameters


def _batch(dtype: str) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((6, 5)).astype(np.float32).astype(dtype), rng.integers(0, 3, 6)


def _is_described(backend: Backend) -> None:
    for attribute in ("name", "title"):
        assert isinstance(getattr(backend, attribute), str), f"{attribute} should be a text."
    assert backend.convention in (None, *CONVENTIONS), f"convention should be one of {', '.join(CONVENTIONS)}, or None."
    assert backend.versions(), "versions() should name at least one package that decides the numbers."
    known = {f"{kind}/{name}" for kind, registry in REGISTRIES.items() for name in registry}
    unknown = set(backend.gaps) - known
    assert not unknown, f"gaps names operations that there are not: {', '.join(sorted(unknown))}."


def _keeps_bits(backend: Backend) -> None:
    for dtype, twin, parameters in _twins(backend):
        found = twin.parameters()
        assert found.dtype == dtype, f"parameters() gives {found.dtype} for a twin in {dtype}."
        assert np.array_equal(found, parameters), (
            "a twin should start from the bits that it is given, in the order of Model.shapes."
        )
        other = MODEL.initialize(np.random.default_rng(2))
        twin.set_parameters(other)
        assert np.array_equal(twin.parameters(), other), "set_parameters() should take over the bits that it is given."


def _gives_copies(backend: Backend) -> None:
    for dtype, twin, _ in _twins(backend):
        x, y = _batch(dtype)
        kept = twin.parameters()
        before = kept.copy()
        twin.train_step(x, y)
        assert np.array_equal(kept, before), "parameters() should return a copy: training has changed it."
        kept[...] = 0
        assert twin.parameters().any(), "parameters() should return a copy: writing to it has changed the twin."


def _changes_nothing(backend: Backend) -> None:
    for dtype, twin, parameters in _twins(backend):
        x, y = _batch(dtype)
        cotangent, gradients = np.ones((6, 3), dtype), np.ones(MODEL.size, dtype)
        given = [parameters, x, y, cotangent, gradients]
        copies = [array.copy() for array in given]
        twin.vjp(x, cotangent)
        twin.loss_and_gradients(x, y)
        twin.train_step(x, y)
        twin.apply_gradients(gradients)
        twin.predict(x)
        changed = [copy for array, copy in zip(given, copies, strict=True) if not np.array_equal(array, copy)]
        assert not changed, "a twin should not write into the arrays that it is given."


def _has_modes(backend: Backend) -> None:
    model = Model(5, (Dense(5, 8), Dropout(0.5)), softmax_cross_entropy())
    for dtype, twin, _ in _twins(backend, model):
        x, _ = _batch(dtype)
        masks = model.draw_masks(np.random.default_rng(3), len(x))
        twin.set_masks(masks)
        output = twin.vjp(x, np.ones((6, 8), dtype)).output
        dropped = masks["dropout_1"] == 0
        assert dropped.any(), "the mask of this check should drop something."
        assert not output[dropped].any(), "vjp() is training: what set_masks() drops should be zero."
        assert twin.predict(x)[dropped].all(), "predict() is inference: nothing should be dropped."


def _trains(backend: Backend) -> None:
    for dtype, twin, parameters in _twins(backend):
        x, y = _batch(dtype)
        other = _twin(backend, MODEL, parameters, dtype)
        loss, pullback = other.loss_and_gradients(x, y)
        other.apply_gradients(pullback.gradients)
        found = twin.train_step(x, y)
        # One pass may be compiled and the other not: each rounds every operation once, over some forty operations in a chain,
        # and Adam's first step is eta times the sign, so that its size does not depend on the gradient's.
        allowed = 64 * float(np.finfo(dtype).eps)
        assert abs(found - float(loss)) <= allowed * max(1.0, abs(found)), (
            "train_step() should return the loss before the step."
        )
        apart = float(np.abs(twin.parameters() - other.parameters()).max())
        assert apart <= allowed, "train_step() should be loss_and_gradients() and apply_gradients()."


def _gives_its_last_output(backend: Backend) -> None:
    model = Model(5, (Dense(5, 8), Dropout(0.5)), softmax_cross_entropy())
    for dtype, twin, _ in _twins(backend, model):
        x, y = _batch(dtype)
        twin.set_masks(model.draw_masks(np.random.default_rng(3), len(x)))
        expected = twin.vjp(x, np.ones((6, 8), dtype)).output
        twin.train_step(x, y)
        twin.predict(x)
        found = twin.last_output()
        assert found.shape == expected.shape, f"last_output() has the shape {found.shape}, not {expected.shape}."
        # As in `_trains`; here are fewer operations, and a step of training or a pass of inference changes far more.
        allowed = 64 * float(np.finfo(dtype).eps) * max(1.0, float(np.abs(expected).max()))
        assert float(np.abs(found - expected).max()) <= allowed, (
            "last_output() should be that of the last train_step(), in training and before the step, whatever came afterwards."
        )
        kept = found.copy()
        found[...] = 0
        assert np.array_equal(twin.last_output(), kept), "last_output() should return a copy: writing to it has changed it."


RATES = (0.3, 0.007, 0.1)
"""None is exact in float32, so that one which takes a detour through it is seen."""


def _changes_its_rate(backend: Backend) -> None:
    """Compiled steps with several rates, and steps with gradients that are given, against scratch in float128."""
    convention = backend.convention or "paper"
    missing = []
    optimizers: tuple[Optimizer, ...] = (
        Adam(0.01, convention=convention),
        SGD(0.01, momentum=0.9, convention=convention),
        SGD(0.01, convention=convention),
    )
    for optimizer in optimizers:
        try:
            ladder = _at_rates(backend, optimizer)
        except NotOffered as reason:
            missing.append(str(reason))
            continue
        assert ladder.verdict in RIGHT, (
            f"set_learning_rate() should change the rate of all later steps and nothing else, but training with {optimizer.name} is "
            f"{ladder.verdict}: {ladder.reason} {dict(ladder.errors)}"
        )
    if len(missing) == len(optimizers):
        raise NotOffered(missing[0])


def _at_rates(backend: Backend, optimizer: Optimizer) -> Ladder:
    """Parameters after three steps at each of several rates. The reference is a new twin with the old one's state per rate."""
    parameters, found = MODEL.initialize(np.random.default_rng(0)), {}
    gradients = np.random.default_rng(5).standard_normal(MODEL.size).astype(np.float32)

    def steps(twin: Twin, dtype: str) -> None:
        x, y = _batch("float32")
        twin.train_step(as_dtype(x, dtype), y)
        twin.apply_gradients(as_dtype(gradients, dtype))
        twin.train_step(as_dtype(x, dtype), y)

    for dtype in DTYPES:
        twin = backend.mirror(MODEL, parameters, optimizer, dtype)
        steps(twin, dtype)
        for rate in RATES:
            twin.set_learning_rate(rate)
            steps(twin, dtype)
        found[dtype] = twin.parameters()
        count = twin.optimizer_state()[1]
        assert count == 3 * (1 + len(RATES)), f"after set_learning_rate(), optimizer_state() counts {count} steps, not all."
    reference = NumpyTwin(MODEL, parameters, optimizer, "float128")
    steps(reference, "float128")
    for rate in RATES:
        before = reference
        reference = NumpyTwin(MODEL, before.parameters(), replace(optimizer, learning_rate=rate), "float128")
        reference.set_optimizer_state(*before.optimizer_state())
        steps(reference, "float128")
    return judge_results(found, reference.parameters())


def _computes_in_training(backend: Backend) -> None:
    """Masks, batch statistics, penalties and sample weights, in the loss, its gradients and a step of training."""
    kinds: dict[str, tuple[Layer, ...]] = {
        "dropout": (Dense(5, 6), Dropout(0.5), Dense(6, 3)),
        "batch normalization": (Dense(5, 6), BatchNormalization(6), Dense(6, 3)),
        "a penalty": (Dense(5, 6, kernel_regularizer=Regularizer(l1=0.01, l2=0.02)), Dense(6, 3)),
        "sample weights": (Dense(5, 3),),
    }
    missing = []
    for kind, layers in kinds.items():
        try:
            found = _in_training(backend, Model(5, layers, softmax_cross_entropy()), weighted=kind == "sample weights")
        except NotOffered as reason:
            missing.append(str(reason))
            continue
        for quantity, ladder in found.items():
            said = f"{quantity} of a network with {kind} is {ladder.verdict} in training: {ladder.reason} {dict(ladder.errors)}"
            assert ladder.verdict in RIGHT, said
    if len(missing) == len(kinds):
        raise NotOffered(missing[0])


def _in_training(backend: Backend, model: Model, *, weighted: bool) -> dict[str, Ladder]:
    """Loss, gradients and the parameters after a step of gradient descent, against scratch in float128."""
    convention = backend.convention or "paper"
    own, optimizer = model.in_convention(convention), SGD(0.5, convention=convention)
    rng = np.random.default_rng(4)
    parameters = model.initialize(rng)
    x, y = _batch("float32")
    masks = model.draw_masks(rng, len(x))
    weights = np.array([0.5, 1, 2, 0, 1.5, 1], np.float32) if weighted else None
    found: dict[str, dict[str, Array]] = {"the loss": {}, "the gradient": {}, "a step": {}}
    for dtype in (*DTYPES, "float128"):
        twin: Twin = (
            NumpyTwin(own, parameters, optimizer, dtype)
            if dtype == "float128"
            else backend.mirror(own, parameters, optimizer, dtype)
        )
        if masks:
            twin.set_masks(masks)
        loss, pullback = twin.loss_and_gradients(as_dtype(x, dtype), y, None if weights is None else as_dtype(weights, dtype))
        twin.train_step(as_dtype(x, dtype), y)
        found["the loss"][dtype] = as_dtype(np.reshape(loss, 1), dtype)
        found["the gradient"][dtype] = pullback.gradients
        found["a step"][dtype] = twin.parameters()
    return {
        quantity: judge_results({dtype: values[dtype] for dtype in DTYPES}, values["float128"])
        for quantity, values in found.items()
    }


def _continues(backend: Backend) -> None:
    for dtype, twin, _ in _twins(backend):
        x, y = _batch(dtype)
        for _ in range(3):
            twin.train_step(x, y)
        saved, step = twin.optimizer_state()
        assert step == 3, f"optimizer_state() counts {step} steps after three."
        fresh = _twin(backend, MODEL, twin.parameters(), dtype)
        fresh.set_optimizer_state(saved, step)
        twin.train_step(x, y)
        fresh.train_step(x, y)
        assert np.array_equal(twin.parameters(), fresh.parameters()), (
            "a twin that takes over the state should go on with the same bits."
        )
