"""The training loop, and the verdict on a trajectory."""

import numpy as np
import pytest

from backends.numpy_backend import NumpyTwin
from comparisons.training import Run, batch_order, judge_trajectory, targets, train
from scratch.optimizers import Adam
from tests.networks import OPTIMIZER_MISTAKES, network


def test_batches_are_shuffled_anew_each_epoch_and_the_partial_one_is_kept():
    order = list(batch_order(10, 4, 2, seed=1))
    assert [(epoch, len(rows)) for epoch, rows in order] == [(0, 4), (0, 4), (0, 2), (1, 4), (1, 4), (1, 2)]
    epochs = [np.concatenate([rows for at, rows in order if at == epoch]) for epoch in (0, 1)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert not np.array_equal(*epochs)
    again = list(batch_order(10, 4, 2, seed=1))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(order, again, strict=True))


def test_targets():
    labels = np.array([1, 0])
    assert targets(labels, 3, False, "float32") is labels
    assert targets(labels, 3, True, "float32").tolist() == [[0, 1, 0], [1, 0, 0]]
    assert targets(labels, 3, True, "float32").dtype == np.float32


def run_pair(optimizer, reference, data, steps=40):
    """Trajectory differences of a twin with one optimizer from a scratch twin with another."""
    model = network((data.train_images.shape[1], 8, 10))
    parameters = model.initialize(np.random.default_rng(0))
    order = list(batch_order(len(data.train_labels), 50, 3, seed=0))[:steps]
    relative = {}
    for dtype in ("float32", "float64"):
        run = Run(dtype)
        twins = {"numpy": NumpyTwin(model, parameters, optimizer, dtype)}
        scratch = {"numpy": NumpyTwin(model, parameters, reference, dtype)}
        train(run, model, twins, scratch, {"numpy": []}, data, order, False, lambda step, rows: {}, lambda: None)
        assert run.steps == len(run.losses["numpy"]) == steps
        assert len(run.accuracies["numpy"]) == len({epoch for epoch, _ in order})
        relative[dtype] = run.relative["numpy"]
    return judge_trajectory(relative)


def test_equal_formulas_train_alike(digits):
    assert run_pair(Adam(), Adam(), digits)[0].verdict == "exact"
    ladder, judged = run_pair(Adam(convention="torch"), Adam(), digits)
    assert ladder.verdict == "rounding"
    assert judged == 40


@pytest.mark.parametrize("mistake", OPTIMIZER_MISTAKES)
def test_planted_mistakes_in_training(mistake, digits):
    wrong, right = OPTIMIZER_MISTAKES[mistake]
    assert run_pair(wrong, right, digits)[0].verdict == "wrong"


def test_chaos_is_not_called_wrong_and_ends_the_judgement():
    steps = np.arange(200)
    float32 = np.minimum(1e-7 * 1.5**steps, 1.0)
    float64 = np.minimum(1e-16 * 1.5**steps, 1.0)
    ladder, judged = judge_trajectory({"float32": float32.tolist(), "float64": float64.tolist()})
    assert ladder.verdict == "rounding"
    assert judged == 1 + int(np.argmax(float32 > 2.0**-8))


def test_a_mistake_in_the_middle_is_seen_at_its_step():
    float32, float64 = np.full(100, 1e-7), np.full(100, 1e-16)
    float32[60:] += 1e-4
    float64[60:] += 1e-4
    ladder, _ = judge_trajectory({"float32": float32.tolist(), "float64": float64.tolist()})
    assert ladder.verdict == "wrong"
    assert ladder.errors["float64"] == pytest.approx(1e-4)


def test_divergence_and_interruption_are_inconclusive():
    nan = float("nan")
    assert judge_trajectory({"float32": [nan], "float64": [nan]})[0].verdict == "inconclusive"
    assert judge_trajectory({"float32": [], "float64": [1e-16]})[0].verdict == "inconclusive"
    ladder, judged = judge_trajectory({"float32": [1e-7, nan], "float64": [1e-16, nan]})
    assert (ladder.verdict, judged) == ("rounding", 1)


def test_a_twin_that_breaks_down_alone_is_not_hidden():
    inf = float("inf")
    assert judge_trajectory({"float32": [1e-7, inf], "float64": [1e-16, inf]})[0].verdict == "wrong"
