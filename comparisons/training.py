"""Training side by side: one loop, one batch order and the same initial bits for every backend."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backends.interface import Twin
from comparisons.datasets import Dataset
from comparisons.ladder import Ladder, judge, magnitude, relative_error, worst
from comparisons.randomness import Randomness
from scratch.activations import Activation
from scratch.arrays import Array, Scalar, Work
from scratch.model import Model

LINEAR = 2.0**-8
"""Up to this relative difference in the coarser precision, two trajectories count as neighbours: the effect of rounding is
still proportional to it. Beyond, training is chaotic and the size of a difference says nothing about its origin."""

WRONG_SLOPE = 0.25
"""For trajectories; see `judge_trajectory`."""


def batch_order(rows: int, batch_size: int, epochs: int, seed: int, order: str = "shuffled") -> Iterator[tuple[int, Array]]:
    """(epoch, row indices) of every batch: shuffled anew each epoch or as in the file, the last partial batch kept."""
    randomness, indices = Randomness(seed), np.arange(rows)
    for epoch in range(epochs):
        for batch in randomness.batches(rows, batch_size, order):
            yield epoch, indices[batch]


def targets(labels: Array, units: int, one_hot: bool, dtype: str) -> Array:
    """Class indices as they are, or rows of 0 and 1 for that many output units; one unit tells class 1 from class 0."""
    if units == 1:
        return labels[:, None].astype(dtype)
    return np.eye(units, dtype=dtype)[labels] if one_hot else labels


def classify(model: Model, output: Array) -> Array:
    """The class that each row of outputs means, (batch,): the largest, or for one unit on which side of the middle it is."""
    if output.shape[1] > 1:
        return np.asarray(output.argmax(axis=1))
    middle = 0.0 if takes_logits(model) else 0.5
    return np.asarray(output[:, 0] > middle).astype(np.int64)


def takes_logits(model: Model) -> bool:
    """Whether each output is the logit of a probability: a linear unit, and a loss that has the sigmoid in it."""
    last = model.layers[-1]
    linear = not isinstance(last, Activation) or last.name == "linear"
    return linear and model.loss.targets == "binary" and model.loss.outputs == "real"


def accuracy(model: Model, output: Array, labels: Array) -> float:
    """The share of rows whose output means their label; NaN where an output is not finite."""
    return float((classify(model, output) == labels).mean()) if np.isfinite(output).all() else float("nan")


def loss_and_cotangent(model: Model, output: Array, y: Array) -> tuple[float, Array]:
    """The loss of outputs by scratch's formula, without penalties, and its gradient with respect to them, (batch, units)."""
    cotangent = np.empty_like(output)
    loss: Scalar = model.loss.value_and_gradient(output, y, cotangent, Work.empty(output, *output.shape))
    return float(loss), cotangent


def top_accuracy(output: Array, labels: Array, k: int) -> float:
    """The share of rows whose label is among the k largest outputs, all of one unit's two classes; NaN where one is not finite."""
    if not np.isfinite(output).all():
        return float("nan")
    largest = np.argsort(-output, axis=1)[:, :k] if output.shape[1] > 1 else np.array([[0, 1]])
    return float((largest == labels[:, None]).any(axis=1).mean())


@dataclass
class Run:
    """What training at one precision recorded, step by step and epoch by epoch, for every backend."""

    dtype: str
    losses: dict[str, list[float]] = field(default_factory=dict)
    differences: dict[str, list[float]] = field(default_factory=dict)
    """Largest absolute parameter difference from scratch in the backend's convention, after every step."""
    relative: dict[str, list[float]] = field(default_factory=dict)
    """The same, relative to the largest parameter."""
    errors: dict[str, list[float]] = field(default_factory=dict)
    """Relative parameter error against the float128 run, for its first steps."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    accuracies: dict[str, list[float]] = field(default_factory=dict)
    """Share of right answers on the test images, after every epoch; NaN where an output is not finite."""

    @property
    def steps(self) -> int:
        """Steps that every backend has completed."""
        return min((len(losses) for losses in self.losses.values()), default=0)


def train(
    run: Run,
    model: Model,
    twins: Mapping[str, Twin],
    scratch: Mapping[str, Twin],
    truth: Mapping[str, Sequence[Array]],
    data: Dataset,
    order: Sequence[tuple[int, Array]],
    one_hot: bool,
    masks: Callable[[int, int], Mapping[str, Array]],
    advance: Callable[[], None],
) -> None:
    """Feed every twin the same batches and record into `run` what happens; an interruption leaves it usable.

    `scratch` and `truth` hold for every backend its reference: a scratch twin of the same precision, and the float128
    parameters after each of the first steps. `masks(step, rows)` are the dropout masks of a step. The order of the backends rotates from step to step, so that timings are
    interleaved; only the training step is timed, and every one is recorded, those of the warm-up too.
    """
    dtype = run.dtype
    images = data.train_images.astype(dtype)
    labels = targets(data.train_labels, model.widths[-1], one_hot, dtype)
    test_images = data.test_images.astype(dtype)
    names = list(twins)
    for records in (run.losses, run.differences, run.relative, run.errors, run.seconds, run.accuracies):
        records.update({name: [] for name in names})
    references = {id(twin): twin for twin in scratch.values()}

    for step, (epoch, rows) in enumerate(order):
        x, y = images[rows], labels[rows]
        if kept := masks(step, len(x)):
            for twin in (*twins.values(), *references.values()):
                twin.set_masks(kept)
        losses, seconds = {}, {}
        for name in names[step % len(names) :] + names[: step % len(names)]:
            start = time.perf_counter()
            losses[name] = twins[name].train_step(x, y)
            seconds[name] = time.perf_counter() - start
        for twin in references.values():
            twin.train_step(x, y)
        expected = {key: twin.parameters() for key, twin in references.items()}
        for name in names:
            parameters, reference = twins[name].parameters(), expected[id(scratch[name])]
            run.losses[name].append(losses[name])
            run.seconds[name].append(seconds[name])
            run.differences[name].append(_distance(parameters, reference))
            run.relative[name].append(run.differences[name][-1] / (magnitude(reference) or 1.0))
            if step < len(truth[name]):
                run.errors[name].append(relative_error(parameters, truth[name][step]))
        last_of_epoch = step + 1 == len(order) or order[step + 1][0] != epoch
        if last_of_epoch:
            for name in names:
                run.accuracies[name].append(accuracy(model, twins[name].predict(test_images), data.test_labels))
        advance()


def _distance(values: Array, reference: Array) -> float:
    """Largest absolute difference; NaN where neither side is finite, infinite where only one is."""
    finite = np.isfinite(values).all(), np.isfinite(reference).all()
    if all(finite):
        return magnitude(values - reference)
    return float("inf") if any(finite) else float("nan")


def judge_trajectory(errors: Mapping[str, Sequence[float]]) -> tuple[Ladder, int]:
    """The verdict on relative differences per step at two or more precisions, and on how many steps it rests.

    Training amplifies single roundings, Adam those of a gradient near zero by up to eta / epsilon, 1e5 = 2^17 by default; so a
    step counts as `wrong` only below a slope of 1/4, which leaves 2^22 to that, and as `inconclusive` up to 3/4.
    Judged is every step up to and with the first at which the coarsest precision leaves the linear regime. The most severe
    verdict counts, at the first step that has it; where all is well the last step stands for all, since errors grow.
    A difference is NaN where the reference itself is not finite: training has diverged, and nothing more is judged.
    """
    judged: list[Ladder] = []
    for values in zip(*errors.values(), strict=False):
        at = dict(zip(errors, values, strict=True))
        if any(np.isnan(value) for value in values):
            break
        ladder = judge(at)
        if ladder.verdict == "wrong" and ladder.slope is not None and ladder.slope > WRONG_SLOPE:
            reason = f"slope {ladder.slope:.2f} is neither rounding, even amplified, nor a mistake"
            ladder = replace(ladder, verdict="inconclusive", reason=reason)
        judged.append(ladder)
        # Rounding errors are largest on the coarsest rung; a mistake may be as large on any.
        if max(values) > LINEAR:
            break
    if not judged:
        reason = "no step was completed from which a verdict could follow"
        return Ladder(dict.fromkeys(errors, float("nan")), "inconclusive", reason=reason), 0
    most_severe = worst([ladder.verdict for ladder in judged])
    having_it = [ladder for ladder in judged if ladder.verdict == most_severe]
    return having_it[-1 if most_severe in ("exact", "rounding") else 0], len(judged)
