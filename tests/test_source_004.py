"""Source 004: what its printed column is, its derivations with mistakes planted, its plane with a wrong bias, a quick reproduction."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from comparisons.datasets import DATA_DIR_VARIABLE
from comparisons.derivations.files import check_file
from comparisons.recipe import load_recipe
from comparisons.sources import three_or_eight
from comparisons.sources.plane_bias import wrong_biases
from comparisons.sources.printed_columns import as_running_mean, as_shares, running_mean, unrolled
from comparisons.sources.reproduction import DERIVATIONS, Reproduction, Settings, printed
from comparisons.sources.three_or_eight import reproduce
from comparisons.sources.three_or_eight_runs import IMAGES, LOGISTIC, NETWORK, PROGRAMS, Study
from comparisons.trained import TrainedModel
from reports.reproduction import to_dict
from reports.reproduction_pictures import with_pictures

TEST, TRAINING = IMAGES["test"], IMAGES["training"]
MISTAKES = {
    "004_layers": (
        ("grad * (self.x > 0)", "grad * (self.x < 0)"),
        ("grad * self.y * (1 - self.y)", "grad * self.y"),
        ("np.sum(grad, axis=0)", "np.mean(grad, axis=0)"),
        ("/ len(actual)", ""),
    ),
    "004_network": (
        ("dz2 = dh2 * (z2 > 0)", "dz2 = dh2 * (z1[:, :6] > 0)"),
        ("dh2 = dplane @ w3.T", "dh2 = 2 * dplane @ w3.T"),
        ('"b2": dz2.sum(axis=0)', '"b2": dh2.sum(axis=0)'),
    ),
}


def column(recipe, name):
    rows = printed("004")
    return rows[rows["program"] == PROGRAMS[recipe]][name].astype(float).to_numpy()


@pytest.mark.parametrize(("name", "widths"), [(NETWORK, (784, 100, 100, 2, 1)), (LOGISTIC, (784, 1))])
def test_the_recipes_describe_the_source(name, widths):
    recipe = load_recipe(name)
    model = recipe.model(784, 2)
    assert (*(shape[0] for path, shape in model.shapes.items() if "kernel" in path), 1) == widths
    assert [layer.name for layer in model.layers].count("relu") == max(0, len(widths) - 3), "the plane is linear"
    assert (recipe.epochs, recipe.training.batch_size, recipe.optimizer.learning_rate) == (200, 50, 0.001)
    assert recipe.data.classes == (8, 3), "a 3 is the 1"


@pytest.mark.parametrize("name", [NETWORK, LOGISTIC])
def test_the_validation_column_is_a_running_mean_and_no_share(name):
    validation = column(name, "validation_acc")
    running = as_running_mean(validation, TEST)
    assert running.holds
    assert running.tested == 50
    assert running.log10_all < -20
    assert not as_shares(validation, TEST).holds
    assert as_shares(column(name, "training_acc"), TRAINING).holds


def test_another_column_is_not_taken_for_a_running_mean():
    rng = np.random.default_rng(0)
    shares = rng.integers(1500, 1984, size=200) / TEST
    means = running_mean(shares)
    assert as_running_mean(means.round(5), TEST).holds
    assert as_shares(shares.round(5), TEST).holds
    assert not as_shares(means.round(5), TEST).holds
    assert not as_running_mean(means.round(5), TEST - 1).holds
    assert not as_running_mean((means + 3e-5).round(5), TEST).holds
    decaying = shares.copy()
    for n in range(1, len(decaying)):
        decaying[n] = 0.9 * decaying[n - 1] + 0.1 * shares[n]
    assert not as_running_mean(decaying.round(5), TEST).holds


def test_a_running_mean_unrolls_to_within_its_rounding():
    shares = np.random.default_rng(1).integers(1500, 1984, size=200) / TEST
    found, bounds = unrolled(running_mean(shares).round(5))
    assert (np.abs(found - shares) <= bounds + 200 * np.finfo(float).eps).all()


def test_the_columns_are_told_as_they_are_found(monkeypatch):
    """With a validation column that no reading fits, neither chance nor a conclusion is told."""
    table = printed("004")
    odd = table.assign(validation_acc=(table["validation_acc"].astype(float) + 3e-5).map("{:.5f}".format))
    for rows, conclusion in ((table, True), (odd, False)):
        result = Reproduction("004", "", "", ())
        study = Study(Settings(quick=True), SimpleNamespace(train_labels=[0], test_labels=[0]), rows)
        three_or_eight._add_columns(study, result)
        assert [("by chance once in" in claim.found, claim.holds) for claim in result.claims[1:]] == [
            (conclusion, conclusion)
        ] * 2


@pytest.mark.parametrize("name", MISTAKES)
def test_the_derivations_are_right(name):
    assert check_file(DERIVATIONS / f"{name}.py").verdict == "correct"


@pytest.mark.parametrize(("name", "right", "wrong"), [(name, *pair) for name, pairs in MISTAKES.items() for pair in pairs])
def test_a_planted_mistake_is_caught(name, right, wrong, tmp_path):
    source = (DERIVATIONS / f"{name}.py").read_text(encoding="utf-8")
    assert source.count(right) == 1
    path = tmp_path / "planted.py"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    assert check_file(path).verdict == "wrong"


@pytest.fixture
def untrained(rng):
    """The network with biases that differ from layer to layer."""
    recipe = load_recipe(NETWORK)
    model = recipe.model(784, 2)
    return TrainedModel(recipe, model, rng.normal(size=model.size).astype(np.float32) / 20, np.zeros(0, np.float32), (8, 3))


def test_a_wrong_bias_in_the_plane_itself_moves_all_points_by_the_difference(untrained, rng):
    images, labels = rng.random((30, 784)), rng.integers(0, 2, size=30)
    table = wrong_biases(untrained, images, labels)
    assert list(zip(table["layer"], table["bias of"], strict=True)) == [(1, 2), (1, 4), (2, 1), (2, 4), (3, 4)]
    views = untrained.model.views(untrained.parameters)
    expected = np.linalg.norm(views["dense_4.bias"] - views["dense_3.bias"])
    # Points of a size near 1 are told apart to 2^-23 of it.
    assert table["points move by"].iloc[-1] == pytest.approx(expected, abs=2.0**-20)
    assert (table["points move by"] > 0).all()


def test_equal_biases_make_no_difference(untrained, rng):
    parameters = untrained.parameters.copy()
    for path, view in untrained.model.views(parameters).items():
        if path.endswith(".bias"):
            view[...] = 0.25
    table = wrong_biases(replace(untrained, parameters=parameters), rng.random((30, 784)), rng.integers(0, 2, size=30))
    assert (table["points move by"] == 0).all()
    assert (table["other answers"] == 0).all()


def check_quick(result):
    assert not result.interrupted
    assert all(claim.command for claim in result.claims)
    assert [picture.title for picture in with_pictures(result).pictures] == [
        "Accuracy of the network",
        "Loss of the network",
        "Loss of every batch of the network",
        "The plane of the last hidden layer",
        "The probability over the plane",
        "The probability as height",
        "The network and the logistic regression",
    ]
    plain = json.loads(json.dumps(to_dict(with_pictures(result), {}), allow_nan=False))
    assert len(plain["pictures"]) == 7
    assert "material" not in plain
    assert all(audit.verdict == "correct" for audit in result.audits)


def test_a_quick_reproduction_with_few_images(mnist_5k, monkeypatch):
    monkeypatch.setattr(three_or_eight, "load_dataset", lambda name, folder: mnist_5k)
    result = reproduce(Settings(backends=("numpy", "torch"), quick=True))
    check_quick(result)
    assert result.claims[0].holds is False, "these are not the images of the source"
    assert [claim.holds for claim in result.claims[1:3]] == [True, True]
    *told, torch = result.claims[3:]
    assert {claim.holds for claim in told} == {None}, "two epochs decide nothing"
    assert torch.holds
    row = result.tables["The network in every framework, seed 0"].set_index("backend").loc["PyTorch"]
    # Two epochs of 16 steps in float32 from the same bits: each adds a few roundings of 2^-24.
    assert row["furthest from NumPy's, relative"] < 2 * 16 * 2.0**-22


def test_what_is_done_is_kept_when_stopped(mnist_5k, monkeypatch):
    def stop(stage, done, total):
        if stage == "004: the plane":
            raise KeyboardInterrupt

    monkeypatch.setattr(three_or_eight, "load_dataset", lambda name, folder: mnist_5k)
    result = reproduce(Settings(backends=("numpy",), quick=True, progress=stop))
    assert result.interrupted
    assert len(result.answers) == 1
    assert result.summary


@pytest.mark.skipif(DATA_DIR_VARIABLE not in os.environ, reason="needs the full MNIST")
def test_a_quick_reproduction_with_its_own_images():
    result = reproduce(Settings(backends=("numpy",), quick=True))
    check_quick(result)
    assert result.claims[0].holds
