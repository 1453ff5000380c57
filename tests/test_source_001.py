"""Source 001: its recipes, the readings of its mistake against one example after the other, its derivations, a quick reproduction."""

import json

import numpy as np
import pytest

from backends.numpy_backend import NumpyTwin
from comparisons.derivations.files import check_file
from comparisons.ladder import judge, relative_error
from comparisons.mistaken_steps import PerExampleMoments
from comparisons.recipe import load_recipe
from comparisons.sources import by_hand
from comparisons.sources.by_hand import KINDS, NETWORK, RESET, _wider, reproduce
from comparisons.sources.moment_readings import Moments, Reading, weighted_gradients
from comparisons.sources.reproduction import DERIVATIONS, Settings
from reports.reproduction import to_dict
from scratch.optimizers import SGD

MISTAKES = (
    ("d2 = d3 @ w3.T * (z2 > 0)", "d2 = d3 @ w3.T * (a1[:, :4] > 0.5)"),
    ("d1 = d2 @ w2.T * (z1 > 0)", "d1 = d2 @ w2.T"),
    ("dloss * (p - y) / len(x)", "dloss * (p - y)"),
    ('"b3": d3.sum(axis=0)', '"b3": d3.mean(axis=0)'),
)


@pytest.mark.parametrize(
    ("wide", "narrow", "seeds", "verdict"),
    [
        (2.0, 1.0, 10, "Yes"),  # log 2 is 2.08 standard errors of 1 / 3
        (1.9, 1.0, 10, "Not decided"),
        (1.0, 2.0, 10, "No"),
        (2.0, 1.0, 3, "Not decided"),
        (2.0, 1.0, 1, "Not decided"),
    ],
)
def test_what_two_deviations_decide(wide, narrow, seeds, verdict):
    assert _wider(wide, narrow, seeds) == verdict


def test_the_recipes_describe_the_source():
    for name in (NETWORK, RESET):
        recipe = load_recipe(name)
        model = recipe.model(784, 10)
        assert [layer.name for layer in model.layers] == ["dense", "relu", "dense", "relu", "dense"]
        assert model.widths == (784, 16, 16, 16, 16, 10)
        assert (model.loss.name, recipe.optimizer.name) == ("softmax_cross_entropy", "adam")
        assert (recipe.network.initializer, recipe.training.order, recipe.data.scaling) == ("he_normal", "shuffled", "/255")
    assert load_recipe(RESET).mistakes == KINDS["reset"]


def directions(dtype, rng, *, reset, corrected=True):
    """The step's direction after two batches: as weighted sums, and one example after the other."""
    model = load_recipe(NETWORK).model(12, 4)
    parameters = model.initialize(np.random.default_rng(0)).astype(dtype)
    images, labels = rng.random((14, 12)).astype(np.float32).astype(dtype), rng.integers(4, size=14)
    reading = Reading(0.01, 7, corrected, reset)
    moments = Moments(np.zeros_like(parameters), np.zeros_like(parameters))
    twin = NumpyTwin(model, parameters, SGD(1.0), dtype)
    one_by_one = PerExampleMoments(0.9, 0.999, 1e-8, reset, np.zeros_like(parameters), np.zeros_like(parameters))
    found, expected = [], []
    for batch in (slice(0, 7), slice(7, 14)):
        x, y = images[batch], labels[batch]
        found.append(moments.step(reading, weighted_gradients(list(model.views(parameters).values()), x, y), len(x)))
        before = twin.parameters()
        one_by_one.step(twin, x, y)
        expected.append(before - twin.parameters())
        twin.set_parameters(parameters)  # both take the second batch at the same point
    return np.concatenate(found), np.concatenate(expected)


@pytest.mark.parametrize("reset", [True, False])
def test_weighted_sums_are_the_recursion_over_examples(reset):
    errors = {
        dtype: relative_error(*directions(dtype, np.random.default_rng(3), reset=reset)) for dtype in ("float32", "float64")
    }
    assert judge(errors).verdict in ("rounding", "exact")


def test_another_reading_is_another_step():
    errors = {
        dtype: relative_error(*directions(dtype, np.random.default_rng(3), reset=True, corrected=False))
        for dtype in ("float32", "float64")
    }
    assert judge(errors).verdict == "wrong"


def test_the_derivations_are_right_and_the_mistake_is_named():
    assert check_file(DERIVATIONS / "001_softmax_network.py").verdict == "correct"
    found = check_file(DERIVATIONS / "001_reset_moments.py")
    source = (DERIVATIONS / "001_reset_moments.py").read_text(encoding="utf-8").splitlines()
    assert found.verdict == "wrong"
    assert "BETA * dw" in source[found.first_wrong_line - 1]


@pytest.mark.parametrize(("right", "wrong"), MISTAKES)
def test_a_planted_mistake_is_caught(right, wrong, tmp_path):
    source = (DERIVATIONS / "001_softmax_network.py").read_text(encoding="utf-8")
    assert source.count(right) == 1
    path = tmp_path / "planted.py"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    assert check_file(path).verdict == "wrong"


def test_a_quick_reproduction(mnist_5k, monkeypatch):
    monkeypatch.setattr(by_hand, "load_dataset", lambda name, folder: mnist_5k)
    monkeypatch.setattr(by_hand, "PER_EXAMPLE", 200)
    result = reproduce(Settings(backends=("numpy", "torch"), quick=True))
    assert not result.interrupted
    assert [claim.holds for claim in result.claims] == [True, True, None, None, None, None, None]
    assert len(result.answers) == 3
    assert [curve.title for curve in result.curves] == ["Accuracy on the test images", "Cost on the test images"]
    (table,) = result.tables.values()
    ours, torch = (row for _, row in table.iterrows())
    for kind in KINDS:
        # Two steps in float32 from the same bits, each of some hundred roundings of 2^-24, and 0.05 moves a logit by about one.
        assert torch[f"{kind}: loss"] == pytest.approx(ours[f"{kind}: loss"], rel=2.0**-14)
    json.dumps(to_dict(result, {}), allow_nan=False)


def test_what_is_done_is_kept_when_stopped(mnist_5k, monkeypatch):
    def stop(stage, done, total):
        if stage == "001: moments per example":
            raise KeyboardInterrupt

    monkeypatch.setattr(by_hand, "load_dataset", lambda name, folder: mnist_5k)
    result = reproduce(Settings(backends=("numpy",), quick=True, progress=stop))
    assert result.interrupted
    assert len(result.curves) == 2
    assert result.summary
