"""The questions that source 000's author left open, answered by measurement."""

from typing import Any

import numpy as np
import pandas as pd

from comparisons.sources.drifting_sums import drift, smaller_gradients
from comparisons.sources.easy_batches import batch_losses, cut, gradients, progress, scatter
from comparisons.sources.negative_losses import LINEAR, RIGHT, SECOND_SIGN, WRITINGS, Delta, Values, printed_values
from comparisons.sources.reproduction import Answer
from comparisons.sources.staged_runs import COMMAND, SECOND, STAGED, Moment, Study
from scratch.arrays import Array
from scratch.optimizers import Adam

THRESHOLD = 0.105
SOFTMAX_FROM = 0.941
"""The accuracy at which the source went over to the softmax."""
RATES = (1e-3, 1e-4, 1e-5, 1e-6)
LOOKED_AT = 10_000
"""Training images on which a loss is measured before and after an epoch."""
UPDATES = 50
WHICH = "Measured with seed 0 in NumPy."
SELECTED = 0.05
"""A threshold is one while at least this share of the batches is on either side."""


def easy_batches(study: Study) -> list[Answer]:
    """Whether leaving easy batches out does to the gradient what its author thinks."""
    if STAGED not in study.moments:
        return []
    images, targets, size = study.images, study.targets, study.size
    batches = cut(images, targets, size, 0)
    tables, chance = [], []
    for phase, name in ((1, "after the logistic stage"), (2, "after the hard batches")):
        snapshot = study.moment(STAGED, phase).snapshot
        losses = batch_losses(snapshot.twin(), batches)
        # Where the told threshold leaves out all batches or none, the median stands in for it.
        threshold = THRESHOLD if losses.min() <= THRESHOLD < losses.max() else float(np.median(losses))
        tables.append(gradients(snapshot, batches, threshold).assign(when=name))
        chance.append((name, *scatter(snapshot, batches)))
    table = pd.concat(tables)[["when", "batches", "number", "mean loss", "gradient", "cosine"]]
    hard, blind = (tables[0].iloc[row] for row in (1, -1))
    gains = progress(
        study.moment(STAGED, 1).snapshot,
        images,
        targets,
        size=size,
        rate=1e-3,
        updates=10 if study.settings.quick else UPDATES,
        seeds=(0,) if study.settings.quick else (0, 1),
    )
    spread = "; ".join(f"{name} it is {measured:.4f}, and chance alone gives {alone:.4f}" for name, measured, alone in chance)
    # The deviation of n losses has a standard error of 1 / sqrt(2 (n - 1)) of itself.
    random = all(measured <= alone * (1 + 2 / (2 * (len(batches) - 1)) ** 0.5) for _, measured, alone in chance)
    everything, harder, easier = (gains.iloc[row] for row in range(3))
    return [
        Answer(
            question="Does leaving easy batches out change the gradient of the mean loss as the author thinks?",
            answer=f"{_longer(hard['gradient'], blind['gradient'], blind['longest'])}. The gradient over the harder batches has {hard['gradient'] / blind['gradient']:.2f} of the length that as many "
            f"batches drawn without looking have, and the cosine of its angle to the gradient over all batches is {hard['cosine']:.3f}, "
            f"against {blind['cosine']:.3f}. The batches are shuffled anew every epoch. The deviation of their losses is "
            f"{'what chance gives, to within two standard errors, so that being hard is chance' if random else 'more than chance gives'} "
            f"({spread}). {WHICH}",
            table=_rounded(table),
            command=COMMAND,
        ),
        Answer(
            question="Does leaving easy batches out bring more per update, or per second?",
            answer=f"Per update {harder['gain per update'] / everything['gain per update']:.2f} of what all batches bring (the easier half: "
            f"{easier['gain per update'] / everything['gain per update']:.2f}), per second of the processor "
            f"{harder['gain per second'] / everything['gain per second']:.2f}, since the loss of a batch has to be computed before it can "
            f"be left out. {WHICH}",
            table=_rounded(gains),
            command=COMMAND,
        ),
    ]


def drifting_sums(study: Study) -> list[Answer]:
    """Why the sum of weights and biases kept changing while the rate fell."""
    if STAGED not in study.moments:
        return []
    snapshot = study.moment(STAGED, 1).snapshot
    rates = RATES[:2] if study.settings.quick else RATES
    table = drift(snapshot, study.images, study.targets, size=study.size, rates=rates, looked_at=LOOKED_AT)
    smaller = smaller_gradients(snapshot, study.images, study.targets, size=study.size, rate=RATES[0], updates=UPDATES)
    steps, first, second = table["step / rate"], table.iloc[0], table.iloc[1]
    kept = {name: rows["moved"].iloc[-1] / rows["moved"].iloc[0] for name, rows in smaller.groupby("optimizer")}
    return [
        Answer(
            question="Why did the sum of weights and biases keep changing while the rate fell?",
            answer=f"Because Adam's steps have the size of the rate: the mean step of a parameter is {_span(steps.min(), steps.max(), '.2f')} "
            "of the rate at every rate, so the sums change in proportion to it and stop at no rate above zero. The loss does not show it: at "
            f"a rate of {second['rate']:g} the sum of weights changes by {second['changed by']:.2f} in an epoch and the loss by "
            f"{second['loss after'] - second['loss before']:+.5f}. Some of the way costs nothing at all: batch normalization undoes any change "
            "of the bias before it and any stretching of a unit's weights. Along these lies "
            f"{100 * first['free share']:.0f} % of the way at a rate of {first['rate']:g}, and taking it back leaves the loss at "
            f"{first['with the free part taken back']:.6f} in place of {first['loss after']:.6f}. {WHICH}",
            table=table,
            command=COMMAND,
        ),
        Answer(
            question="Would the sums have come to rest with smaller gradients?",
            answer="Not with Adam, which divides by the gradient's own size: with gradients a hundred times smaller the parameters still go "
            f"{100 * kept['adam']:.0f} % of the way. Under plain gradient descent they go {100 * kept['gradient descent']:.1f} %. {WHICH}",
            table=_rounded(smaller),
            command=COMMAND,
        ),
    ]


def negative_loss(study: Study) -> list[Answer]:
    """How a logistic loss can print below zero, and on which scale 0.105 is a threshold."""
    if not {STAGED, SECOND} <= set(study.moments):
        return []
    labels, size, images = study.data.train_labels, study.size, study.images
    order = np.random.default_rng(0).permutation(len(images))[: len(images) // size * size].reshape(-1, size)
    stages = study.recipe(SECOND).stages
    softmax = next(phase for phase, stage in enumerate(stages) if stage.loss.name == "softmax_cross_entropy")

    def batches(moment: Moment) -> dict[str, Array]:
        """What each writing prints of every batch, the softmax's own writing from its stage on."""
        found = printed_values(moment.snapshot.twin().predict(images), labels)
        before = moment.record["phase"] < softmax
        names = {writing.name: RIGHT if writing.from_softmax and before else writing.name for writing in WRITINGS}
        return {name: found[used][order].mean(axis=1) for name, used in names.items()}

    along = [(moment, batches(moment)) for moment in study.moments[SECOND]]
    ends = {moment.record["phase"]: found for moment, found in along}
    near, at_told = min(along, key=lambda pair: abs(pair[0].record["test_accuracy"] - SOFTMAX_FROM))
    staged = batches(study.moments[STAGED][-1])
    told = f"at {near.record['test_accuracy']:.1%}"
    rows = []
    for writing in WRITINGS:
        name = writing.name
        below = next((moment for moment, found in along if found[name].min() < 0), None)
        rows.append(
            {
                "mistake": name,
                "after squared error": ends[0][name].mean(),
                told: at_told[name].mean(),
                "after softmax": ends[softmax][name].mean(),
                "logistic again": along[-1][1][name].mean(),
                "first batch below zero": _when(below),
                "batches below zero at the end": _share(along[-1][1][name]),
                "after 000-staged": _share(staged[name]),
                "training": "as with the right one"
                if writing.trains_alike
                else _trains(study, study.moment(SECOND, softmax), writing.delta),
            }
        )
    table = pd.DataFrame(rows)
    by_name = table.set_index("mistake")
    sign, kept = by_name.loc[SECOND_SIGN], by_name.loc[LINEAR]
    return [
        Answer(
            question="How can a logistic loss print negative?",
            answer="Not if it is right: none of its terms is below zero. Most likely its second term has the wrong sign, -y log a + (1 - y) "
            f"log(1 - a), summed over the classes. It is above zero for long ({sign['after squared error']:.2f} after the squared error), is "
            f"{sign[told]:.3f} {told}, where the told threshold of {THRESHOLD} lies, comes down to {sign['logistic again']:.4f} once the network is "
            f"good, and is then below zero for {sign['batches below zero at the end']} of the batches of {size:,} images (first in "
            f"{sign['first batch below zero']}). Training does not notice, since the delta a - y was derived by hand and does not look at "
            "what is printed. `backproof check` names that sign. The other candidates are below zero long before, far from the threshold, "
            "or never below zero. One more fits the order of events: if the output stays linear after the softmax stage, the loss of numbers "
            f"that are no probabilities is {kept['after softmax']:.1f} at once, and training goes on as a regression ({kept['training']}); "
            f"but that leaves the threshold unexplained. {WHICH}",
            table=_rounded(table),
            command=COMMAND,
        ),
        _scales(study, images, labels, order),
    ]


def _longer(hard: float, blind: float, longest: float) -> str:
    """Whether the harder batches' gradient is longer than that of as many batches drawn without looking, in the mean and at most."""
    return "No" if hard <= blind else "Yes" if hard > longest else "Not decided"


def _span(low: float, high: float, form: str) -> str:
    """Both ends, or one number where they read alike."""
    ends = format(low, form), format(high, form)
    return " to ".join(dict.fromkeys(ends))


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """With three digits of every number that is no whole one."""
    return table.map(lambda value: f"{value:#.3g}".rstrip(".") if isinstance(value, float) else value)


def _share(batches: Array) -> str:
    return f"{100 * (batches < 0).mean():.0f} %"


def _when(moment: Moment | None) -> str:
    if moment is None:
        return "never"
    return f"epoch {moment.record['epoch']}, stage {moment.record['phase'] + 1}, {moment.record['test_accuracy']:.1%}"


def _trains(study: Study, moment: Moment, delta: Delta) -> str:
    """The test accuracy before and after an epoch with that delta."""
    twin = moment.snapshot.twin(Adam(5e-4))
    test, labels = study.data.test_images.astype(np.float32), study.data.test_labels
    for x, y in cut(study.images, study.targets, study.size, 0):
        logits = twin.forward(x).output.astype(np.float64)
        twin.apply_gradients(twin.vjp(x, delta(logits, y) / len(x)).gradients)
    after = float((twin.predict(test).argmax(axis=1) == labels).mean())
    return f"{moment.record['test_accuracy']:.1%} before, {after:.1%} after an epoch"


READINGS: dict[str, Values] = {
    "logistic, mean over images and classes": lambda z, y: _logistic(z, y).mean(axis=1),
    "logistic, summed over the classes": lambda z, y: _logistic(z, y).sum(axis=1),
    "softmax cross-entropy": lambda z, y: np.logaddexp.reduce(z, axis=1) - (z * y).sum(axis=1),
    "squared error of the sigmoids, mean": lambda z, y: _squares(z, y).mean(axis=1),
    "squared error of the sigmoids, summed": lambda z, y: _squares(z, y).sum(axis=1),
    "logistic, second term's sign wrong, summed": lambda z, y: (y * np.logaddexp(0, -z) - (1 - y) * np.logaddexp(0, z)).sum(
        axis=1
    ),
    "logistic, second term's sign wrong, mean": lambda z, y: (y * np.logaddexp(0, -z) - (1 - y) * np.logaddexp(0, z)).mean(
        axis=1
    ),
}
"""On which scale a batch's loss may have been compared with 0.105, from logits and one-hot targets."""


def _logistic(z: Array, y: Array) -> Array:
    return np.asarray(np.logaddexp(0, z) - z * y)


def _squares(z: Array, y: Array) -> Array:
    return np.asarray(np.square(np.exp(-np.logaddexp(0, -z)) - y))


def _scales(study: Study, images: Array, labels: Array, order: Array) -> Answer:
    """On which scale the threshold of 0.105 parts batches where the source used it."""
    y = np.eye(study.data.classes)[labels]
    moments = [
        moment
        for name in (SECOND, STAGED)
        for moment in study.moments[name]
        if study.recipe(name).stages[moment.record["phase"]].loss.name == "binary_cross_entropy"
    ]
    logits = [moment.snapshot.twin().predict(images).astype(np.float64) for moment in moments]
    accuracies = np.array([moment.record["test_accuracy"] for moment in moments])
    rows, parted = [], {}
    for name, reading in READINGS.items():
        batches = np.array([reading(z, y)[order].mean(axis=1) for z in logits])
        row: dict[str, Any] = {"scale": name}
        for told in (0.90, 0.94, 0.95, 0.97):
            nearest = int(np.abs(accuracies - told).argmin())
            found = batches[nearest]
            row[f"at {accuracies[nearest]:.1%}"] = f"{found.mean():.3f}, {100 * (found > THRESHOLD).mean():.0f} % above"
        parts = [
            accuracy
            for accuracy, found in zip(accuracies, batches, strict=True)
            if SELECTED <= (found > THRESHOLD).mean() <= 1 - SELECTED
        ]
        parted[name] = f"at {_span(min(parts), max(parts), '.1%')}" if parts else "at no moment"
        row["parts the batches"] = parted[name]
        rows.append(row)
    mean, summed, *_, sign, _ = parted.values()
    return Answer(
        question=f"On which scale is {THRESHOLD} a threshold?",
        answer=f"It parts the batches, {100 * SELECTED:.0f} % or more of them on either side, only while their mean loss is about {THRESHOLD}. "
        f"The right logistic loss does so {mean} test accuracy where it is averaged over the ten classes, and {summed} where it is summed over "
        f"them, which is how 000-staged uses it. The source tells of the threshold at about 94 %: the logistic loss with the wrong sign "
        f"before its second term, summed over the classes, parts them {sign}. {WHICH}",
        table=pd.DataFrame(rows),
        command=COMMAND,
    )
