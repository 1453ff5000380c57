"""What the lecture notes of source 003 work out in figures, and what they teach, each measured with our own code."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from backends.numpy_backend import NumpyTwin
from comparisons.datasets import Dataset
from comparisons.randomness import Randomness
from comparisons.recipe import load_recipe
from comparisons.rule_of_30 import rule_of_30
from comparisons.sources.reproduction import Answer, Claim, Reproduction, Settings, trained
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array, Work
from scratch.model import Workspace
from scratch.optimizers import SGD

COMMAND = "backproof reproduce 003"
IMAGES = {"train": 10_000, "validation": 5_000}
"""On which the lessons are tried."""
SCORES = (3.0, 1.0, 0.2)
COLUMNS = ((1.0, 2.0, 3.0, 6.0), (2.0, 4.0, 5.0, 6.0), (3.0, 8.0, 7.0, 6.0))
PRINTED_SCORES = "[0.8360188, 0.11314284, 0.05083836]"
PRINTED_COLUMNS = (
    "[[.09003057, .00242826, .01587624, .33333333], [.24472847, .01794253, .11731043, .33333333], "
    "[.66524096, .97962921, .86681333, .33333333]]"
)


def softmax(rows: Array) -> Array:
    """Scratch's, of each row."""
    z = np.asarray(rows, dtype=np.float64)
    p = np.empty_like(z)
    ACTIVATIONS["softmax"].forward({}, z, p, Work.empty(z, *z.shape))
    return p


def worked_figures(result: Reproduction) -> None:
    """Every figure that the notes work out, by our own operations where there is one."""
    scores = softmax(np.array([SCORES]))[0]
    columns = softmax(np.array(COLUMNS).T).T
    hot, flat = softmax(10 * np.array([SCORES]))[0], softmax(np.array([SCORES]) / 10)[0]
    recipe = load_recipe("003-softmax-regression")
    shapes = recipe.model(784, 10).shapes
    sizes = [
        tuple(len(np.arange(rows)[batch]) for batch in Randomness(0).batches(rows, 128, "file")) for rows in (50_000, 1_000)
    ]
    four = np.dtype(np.float32).itemsize

    def claim(what: str, printed: str, found: str, holds: bool, criterion: str = "Every printed digit.") -> None:
        result.claims.append(Claim(what, printed, found, holds, criterion, COMMAND))

    claim("softmax of [3.0, 1.0, 0.2]", PRINTED_SCORES, _digits(scores), _same(scores, PRINTED_SCORES))
    claim("softmax down the columns of a 3 x 4 matrix", PRINTED_COLUMNS, _digits(columns), _same(columns, PRINTED_COLUMNS))
    told = "Larger logits make the largest probability larger, smaller ones smaller."
    claim("logits times 10", "sharpen", f"largest {hot.max():.8f}", bool(hot.max() > scores.max()), told)
    claim("logits divided by 10", "flatten", f"largest {flat.max():.8f}", bool(flat.max() < scores.max()), told)
    lost = _million_additions()
    claim("1e-6 added a million times to 1e9, less 1e9", "0.95367431640625", repr(lost), repr(lost) == "0.95367431640625")
    for rows, counts, printed in (
        (50_000, sizes[0], "391 batches, the last of 80"),
        (1_000, sizes[1], "7 batches of 128 and one of 104"),
    ):
        found = (
            f"{len(counts)} batches, the last of {counts[-1]}"
            if rows > 1_000
            else f"{counts.count(128)} batches of 128 and one of {counts[-1]}"
        )
        claim(f"{rows:,} rows in batches of 128", printed, found, found == printed)
    for what, told_bytes, count in (
        ("bytes of 55,000 x 784 features in float32", 172_480_000, 55_000 * 784),
        ("bytes of 55,000 x 10 labels", 2_200_000, 55_000 * 10),
        ("bytes of the weights", 31_360, int(np.prod(shapes["dense_1.kernel"]))),
        ("bytes of the bias", 40, int(np.prod(shapes["dense_1.bias"]))),
    ):
        claim(what, f"{told_bytes:,}", f"{count * four:,}", count * four == told_bytes)
    for points, trusted in ((0.01, True), (0.005, False)):
        moved = rule_of_30(0.9, 0.9 + points, 3_000)
        claim(
            f"rule of 30: {100 * points:g} % of 3,000 examples",
            "trusted" if trusted else "not trusted",
            f"{moved.moved} examples: {'trusted' if moved.trusted else 'not trusted'}",
            moved.trusted is trusted,
            "A change must move 30 examples.",
        )


def _digits(values: Array) -> str:
    return np.array2string(values, precision=8, separator=", ").replace("\n", "")


def _same(values: Array, printed: str) -> bool:
    """Whether every number rounds to the digits that were printed."""
    numbers = printed.replace("[", " ").replace("]", " ").replace(",", " ").split()
    return all(
        abs(value - float(text)) <= 0.5 * 10.0 ** -len(text.split(".")[1])
        for value, text in zip(values.ravel(), numbers, strict=True)
    )


def _million_additions() -> float:
    total = 1e9
    for _ in range(1_000_000):
        total += 1e-6
    return total - 1e9


def facts(result: Reproduction, settings: Settings, data: Dataset) -> None:
    """What the notes teach, each tried on 10,000 images for a few epochs, or timed."""
    ten: dict[str, Any] = {
        "data": IMAGES,
        "training": {"epochs": 2 if settings.quick else 10, "order": "shuffled"},
    }
    small = {"initializer": {"name": "normal", "standard_deviation": 0.01}}

    def table(cases: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
        rows = []
        for name, overrides in cases.items():
            merged = {"network": small, **ten, **overrides}
            merged |= {key: {**ten[key], **overrides[key]} for key in ten if key in overrides}
            kept = f"003 {name}".replace("/", "over").replace("*", "x")
            last = trained(settings, "003-softmax-regression", kept, overrides=merged, data=data).history[-1]
            keys = ("loss", "validation_loss", "validation_accuracy", "test_accuracy")
            rows.append({"": name} | {key.replace("_", " "): last[key] for key in keys})
        return pd.DataFrame(rows)

    def answer(question: str, text: Callable[[pd.DataFrame], str], found: pd.DataFrame) -> None:
        result.answers.append(Answer(question, text(found), found, COMMAND))

    def rate(value: float, **more: Any) -> dict[str, Any]:
        return {"optimizer": {"learning_rate": value, **more}}

    centered = {"data": {"scaling": "(x-128)/128"}}
    plain, shifted = (
        float(np.square(data.select(train=IMAGES["train"], scaling=name).train_images).sum(axis=1).mean())
        for name in ("/255", "(x-128)/128")
    )
    answer(
        "Do centered inputs help?",
        lambda found: (
            f"At rate 0.01 the validation loss is {_of(found, 'centered, 0.01')} with (x - 128) / 128 and {_of(found, 'over 255, 0.01')} with x / 255; at rate 0.5 it is "
            f"{_of(found, 'centered, 0.5')} and {_of(found, 'over 255, 0.5')}. (x - 128) / 128 does not give zero mean, since digits are mostly black: most pixels become -1, and the "
            f"mean squared length of an image grows from {plain:.0f} to {shifted:.0f}. A step goes further by that factor, {shifted / plain:.1f}, which helps a low rate and spoils a high one."
        ),
        table(
            {
                "over 255, 0.01": rate(0.01),
                "centered, 0.01": centered | rate(0.01),
                "over 255, 0.5": rate(0.5),
                "centered, 0.5": centered | rate(0.5),
            }
        ),
    )
    starts = {
        f"N(0, {size:g}^2)": {"network": {"initializer": {"name": "normal", "standard_deviation": size}}}
        for size in (0.01, 0.1, 1.0)
    }
    answer(
        "Do small-sigma weights help?",
        lambda found: (
            f"Yes: after the same epochs the validation loss is {_of(found, 'N(0, 0.01^2)')} from a deviation of 0.01 and {_of(found, 'N(0, 1^2)')} from 1. "
            "Large weights start sure of wrong answers, and what no image's gradient touches stays as it was drawn."
        ),
        table({name: start | rate(0.1) for name, start in starts.items()}),
    )
    answer(
        "What does the momentum M = 0.9 M + g do?",
        lambda found: (
            f"It is scratch's momentum in PyTorch's convention ({_momentum()}). A steady gradient is multiplied by 1 / (1 - 0.9) = 10 in the end, and so it is here: "
            f"the validation loss is {_of(found, 'momentum 0.9, rate 0.01')} with it, {_of(found, 'rate 0.01')} without, and {_of(found, 'rate 0.1')} without at ten times the rate."
        ),
        table(
            {
                "rate 0.01": rate(0.01),
                "momentum 0.9, rate 0.01": rate(0.01, name="momentum", momentum=0.9, convention="torch"),
                "rate 0.1": rate(0.1),
            }
        ),
    )
    falling = {
        "constant": {},
        "exponential, half per 3 epochs": {"schedule": {"name": "exponential", "steps": 3, "factor": 0.5}},
        "on a plateau": {"schedule": {"name": "reduce_on_plateau", "factor": 0.5, "patience": 1}},
    }
    answer(
        "Do falling rates help?",
        lambda found: (
            "From a rate of 1, which is too high to settle at, the validation loss ends at "
            + ", ".join(f"{row['validation loss']:.3f} ({row['']})" for _, row in found.iterrows())
            + "."
        ),
        table({name: schedule | rate(1.0) for name, schedule in falling.items()}),
    )
    adagrad = {
        f"{name}, rate {value:g}": rate(value, name=name) for name in ("sgd", "adagrad") for value in (0.001, 0.01, 0.1, 1.0)
    }
    answer(
        "Does AdaGrad ask for less tuning?",
        lambda found: (
            f"Over rates from 0.001 to 1 the validation accuracy is between {_range(found, 'sgd')} with gradient descent and between {_range(found, 'adagrad')} with AdaGrad."
        ),
        table(adagrad),
    )
    times = pd.DataFrame([_times(hidden) for hidden in ((), (100,), (400, 400))])
    answer(
        "Does a gradient cost about three times a loss?",
        lambda found: (
            "Where the gradient of the input is taken too, a backward pass has two matrix products for each one of the forward pass: measured, loss and gradient take "
            f"{_ratios(found, 'with the input gradient / loss')} times the loss. Training does not need the first layer's input gradient, and the first layer is the largest: so it is "
            f"{_ratios(found, 'both / loss')}. Batches of 128 in float32, the shortest of 100."
        ),
        times,
    )
    _validation(result, adagrad, table)


def _of(found: pd.DataFrame, name: str) -> str:
    return f"{found.loc[found[''] == name, 'validation loss'].iloc[0]:.3f}"


def _ratios(found: pd.DataFrame, column: str) -> str:
    """The numbers of a column in a row."""
    return ", ".join(f"{value:.1f}" for value in found[column])


def _range(found: pd.DataFrame, name: str) -> str:
    values = found.loc[found[""].str.startswith(name), "validation accuracy"]
    return f"{values.min():.3f} and {values.max():.3f}"


def _momentum() -> str:
    """Whether scratch's steps are those of M = 0.9 M + g, p = p - rate M, bit for bit."""
    rng = np.random.default_rng(0)
    p, g = rng.normal(size=50), np.zeros(50)
    mine, moving = p.copy(), np.zeros(50)
    optimizer = SGD(0.1, momentum=0.9, convention="torch")
    state = optimizer.init(p, g, [(50,)])
    same = True
    for _ in range(20):
        g[...] = rng.normal(size=50)
        moving = 0.9 * moving + g
        mine = mine - 0.1 * moving
        optimizer.update(state)
        same &= bool(np.array_equal(p, mine))
    return "bit for bit over 20 steps" if same else "not bit for bit"


def _times(hidden: Sequence[int]) -> dict[str, Any]:
    """Seconds of a loss, and of a loss with its gradient, of a network 784-hidden-10 on 128 rows."""
    # From N(0, 1) the outputs would be sure of themselves and the gradients subnormal numbers, which processors are slow at.
    network = {"hidden": list(hidden), "initializer": "he_normal"}
    recipe = load_recipe("003-softmax-regression", {"network": network})
    model = recipe.model(784, 10)
    rng = np.random.default_rng(0)
    twin = NumpyTwin(model, model.initialize(rng), recipe.build_optimizer("paper"), "float32")
    x, y = rng.random((128, 784), dtype=np.float32), rng.integers(10, size=128)
    workspace: Workspace = twin.forward(x)

    def loss() -> None:
        workspace.forward()
        workspace.loss(y)

    def both() -> None:
        loss()
        workspace.backward()

    def whole() -> None:
        loss()
        workspace.backward(input_gradient=True)

    works: dict[str, Callable[[], None]] = {"loss": loss, "both": both, "whole": whole}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(100):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    # The shortest is what the work takes; whatever else the machine does can only add to it.
    alone, together, all_of_it = (min(values) for values in seconds.values())
    return {
        "network": "-".join(map(str, (784, *hidden, 10))),
        "loss, µs": round(1e6 * alone),
        "loss and gradient, µs": round(1e6 * together),
        "both / loss": together / alone,
        "with the input gradient / loss": all_of_it / alone,
    }


def _validation(
    result: Reproduction, cases: Mapping[str, dict[str, Any]], table: Callable[[Mapping[str, dict[str, Any]]], pd.DataFrame]
) -> None:
    """What is chosen on the validation images looks better there than on images that nothing was chosen by."""
    found = table(cases)  # kept from the question before, where runs are kept
    best = found.loc[found["validation accuracy"].idxmax()]
    moved = rule_of_30(float(best["test accuracy"]), float(best["validation accuracy"]), 5_000)
    result.answers.append(
        Answer(
            question="Validation or test images?",
            answer=f"Of these {len(found)} settings the validation images choose {best['']}, with {best['validation accuracy']:.4f} there and {best['test accuracy']:.4f} on the test "
            f"images, which chose nothing. That is {abs(moved.moved)} of 5,000 examples, {'enough' if moved.trusted else 'too few'} by the rule of 30 to say that the two sets differ.",
            table=found.sort_values("validation accuracy", ascending=False)[["", "validation accuracy", "test accuracy"]],
            command=COMMAND,
        )
    )
