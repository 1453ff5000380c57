"""Source 000: its recipes, the ways of printing a negative loss, easy batches, drifting sums, its derivations, a quick reproduction."""

import json

import numpy as np
import pytest

from comparisons.derivations.files import check_file
from comparisons.ladder import judge
from comparisons.recipe import load_recipe
from comparisons.sources import staged
from comparisons.sources.drifting_sums import drift, flat_part
from comparisons.sources.easy_batches import Snapshot, cut, gradients, scatter
from comparisons.sources.negative_losses import LINEAR, RIGHT, SECOND_SIGN, WRITINGS, by_hand, printed_values
from comparisons.sources.reproduction import DERIVATIONS, Settings
from comparisons.sources.staged import reproduce
from comparisons.sources.staged_answers import _longer
from comparisons.sources.staged_runs import SECOND, STAGED
from reports.reproduction import to_dict
from scratch.activations import ACTIVATIONS
from scratch.initializers import glorot_normal
from scratch.layers import BatchNormalization, Dense
from scratch.losses import LOSSES
from scratch.model import Model

MISTAKES = {
    "000_staged_network": (
        ("(dzhat - dzhat.mean(axis=0) - zhat * (dzhat * zhat).mean(axis=0)) / sigma", "dzhat / sigma"),
        ("dloss * 2 * (a2 - y) / a2.size * a2 * (1 - a2)", "dloss * 2 * (a2 - y) / a2.size"),
        ("dgamma = (d1 * zhat).sum(axis=0)", "dgamma = d1.sum(axis=0)"),
    ),
    "000_logistic_loss": (
        ("    loss = -(y * np.log(a) + (1 - y)", "    loss = -(y * np.log(a) - (1 - y)"),
        ("    loss = -(y * np.log(a)).sum()", "    loss = -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum()"),
    ),
}


def network(epsilon=1e-5):
    """12-6-3 as the source's: dense, batch normalization, sigmoid, dense, with the logistic loss on its logits."""
    start = glorot_normal()
    layers = (Dense(12, 6, start), BatchNormalization(6, epsilon=epsilon), ACTIVATIONS["sigmoid"], Dense(6, 3, start))
    return Model(12, layers, LOSSES["binary_cross_entropy"]("batchmean"))


def snapshot(dtype="float32", epsilon=1e-5):
    model = network(epsilon)
    parameters = model.initialize(np.random.default_rng(0)).astype(dtype)
    return Snapshot(model, parameters, model.initial_state().astype(dtype))


def digits(rows=400, dtype="float32"):
    """Images and targets that can be learned."""
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=rows)
    images = (rng.random((rows, 12)) + np.eye(3, 12)[labels]).astype(np.float32)
    return images.astype(dtype), np.eye(3, dtype=dtype)[labels]


@pytest.mark.parametrize("name", [STAGED, SECOND])
def test_the_recipes_describe_the_source(name):
    recipe = load_recipe(name)
    first, *others = recipe.stages
    assert [layer.name for layer in first.model(784, 10).layers] == [
        *("dense", "batch_normalization", "sigmoid", "dropout", "dense", "sigmoid")
    ]
    assert first.model(784, 10).widths[1] == 784 // 5
    assert first.loss.name == "mean_squared_error"
    assert {stage.optimizer.name for stage in recipe.stages} == {"adam"}
    for stage in others:
        assert stage.network.dropout == 0
        assert stage.optimizer.learning_rate < first.optimizer.learning_rate
    losses = [stage.loss.name for stage in others]
    if name == STAGED:
        assert set(losses) == {"binary_cross_entropy"}
        hard = [stage.training for stage in others if stage.training.train_above is not None]
        assert [settings.train_above for settings in hard] == [0.105, 0.105]
        assert hard[0].batch_size == 0.02
        assert hard[1].batch_size > hard[0].batch_size
        assert hard[1].updates_per_batch < hard[0].updates_per_batch
    else:
        assert losses[-3:] == ["binary_cross_entropy", "softmax_cross_entropy", "binary_cross_entropy"]
        assert (others[-3].training.batch_size, others[-3].training.updates_per_batch) == (0.02, 21)
        assert all(stage.training.train_above is None for stage in others)


def test_the_right_loss_is_never_negative_and_wrong_ones_are():
    rng = np.random.default_rng(0)
    z = np.concatenate([scale * rng.normal(size=(500, 10)) for scale in (0.1, 1, 10, 100)])
    found = printed_values(z, rng.integers(10, size=len(z)))
    assert len(found) == len(WRITINGS)
    assert found[RIGHT].min() >= 0
    assert found[SECOND_SIGN].min() < 0
    assert found[LINEAR].min() < 0
    assert all(np.isfinite(values).all() for values in found.values())


@pytest.mark.parametrize("writing", [w for w in WRITINGS if w.name == RIGHT or not (w.trains_alike or w.name == LINEAR)])
def test_the_deltas_are_those_of_their_loss(writing):
    rng = np.random.default_rng(2)
    z, y = rng.normal(size=(4, 10)), np.eye(10)[rng.integers(10, size=4)]
    error = {}
    for step in (1e-2, 1e-3):
        shift = step * np.eye(10)
        difference = [(writing.printed(z + one, y) - writing.printed(z - one, y)) / (2 * step) for one in shift]
        error[step] = np.abs(np.transpose(difference) - writing.delta(z, y)).max()
    # A central difference is off by step^2 times a sixth of the third derivative: a hundredth for a tenth of the step.
    assert error[1e-3] == pytest.approx(error[1e-2] / 100, rel=0.02)


def test_the_delta_by_hand_is_not_that_of_the_wrong_sign():
    z, y = np.zeros((1, 2)), np.array([[1.0, 0.0]])
    wrong = next(writing for writing in WRITINGS if writing.name == SECOND_SIGN)
    shift = np.array([[0, 1e-3]])
    slope = (wrong.printed(z + shift, y) - wrong.printed(z - shift, y)) / 2e-3
    assert slope < 0 < by_hand(z, y)[0, 1]


def test_batches_by_chance_scatter_as_chance_has_it_and_sorted_ones_do_not():
    at, (images, targets) = snapshot(), digits(2000)
    measured, alone = scatter(at, cut(images, targets, 50, 0))
    # 40 batches: the deviation of their losses is known to 1 / sqrt(2 * 39), a ninth; three of these.
    assert measured == pytest.approx(alone, rel=3 / np.sqrt(78))
    z = at.twin().predict(images)
    hardest = np.argsort((np.logaddexp(0, z) - z * targets).sum(axis=1))
    measured, alone = scatter(at, [(images[rows], targets[rows]) for rows in hardest.reshape(40, 50)])
    assert measured > 3 * alone


def test_gradients_of_parts_make_up_the_whole():
    at, (images, targets) = snapshot(), digits()
    batches = cut(images, targets, 20, 0)
    threshold = float(gradients(at, batches, 0.0)["mean loss"].iloc[0])
    whole, hard, easy, blind = (row for _, row in gradients(at, batches, threshold).iterrows())
    assert (whole["number"], hard["number"] + easy["number"]) == (20, 20)
    assert whole["cosine"] == pytest.approx(1)
    assert easy["mean loss"] < whole["mean loss"] < hard["mean loss"]
    # g = (n_h g_h + n_e g_e) / n, so that the lengths along g add up.
    along = (hard["number"] * hard["gradient"] * hard["cosine"] + easy["number"] * easy["gradient"] * easy["cosine"]) / 20
    assert along == pytest.approx(whole["gradient"])
    assert blind["number"] == hard["number"]


def test_a_flat_direction_changes_the_loss_by_rounding_and_another_does_not():
    errors = {"flat": {}, "other": {}}
    for dtype in ("float32", "float64"):
        at = snapshot(dtype, epsilon=1e-30)
        images, targets = digits(dtype=dtype)
        rng = np.random.default_rng(5)
        moved = 0.05 * rng.normal(size=at.parameters.size)
        free = flat_part(at.model, at.parameters, moved)
        # With no epsilon to speak of, stretching a unit's weights changes nothing at all, and not to first order only.
        for kind, step in (("flat", free), ("other", moved - free)):
            losses = []
            for parameters in (at.parameters, (at.parameters + step).astype(dtype)):
                twin = Snapshot(at.model, parameters, at.state).twin()
                losses.append(float(twin.loss_and_gradients(images, targets)[0]))
            errors[kind][dtype] = abs(losses[1] - losses[0]) / losses[0]
    assert judge(errors["flat"]).verdict in ("rounding", "exact")
    assert judge(errors["other"]).verdict == "wrong"


def test_adam_moves_by_its_rate_whatever_is_left_of_the_loss():
    images, targets = digits()
    table = drift(snapshot(), images, targets, size=20, rates=(1e-3, 1e-5), looked_at=100)
    steps = table["step / rate"]
    assert steps.iloc[1] == pytest.approx(steps.iloc[0], rel=0.5)
    assert steps.min() > 0.05
    assert steps.max() <= 1.1
    assert (table["free share"] < 1).all()


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


def test_the_sign_that_prints_a_negative_loss_is_named():
    found = check_file(DERIVATIONS / "000_logistic_loss_sign.py", name="printed")
    assert found.verdict == "wrong"
    assert "(1 - y) / (1 - a)" in next(one.text for one in found.diagnosis if one.code == "sign")


def test_a_quick_reproduction(mnist_5k, monkeypatch):
    monkeypatch.setattr(staged, "load_dataset", lambda name, folder: mnist_5k)
    monkeypatch.setattr(staged, "QUICK_IMAGES", (1000, 500))
    result = reproduce(Settings(backends=("numpy", "torch"), quick=True))
    assert not result.interrupted
    assert [claim.holds for claim in result.claims] == [True, True, True, None, None]
    assert list(result.tables) == ["The stages: means over the seeds", "The second attempt, seed 0 in NumPy"]
    assert len(result.answers) == 6
    assert set(result.curves[0].lines) == {"NumPy", "PyTorch", "told"}
    losses = next(answer.table for answer in result.answers if "negative" in answer.question).set_index("mistake")
    assert losses.loc[RIGHT, "first batch below zero"] == "never"
    json.dumps(to_dict(result, {}), allow_nan=False)


def test_what_is_done_is_kept_when_stopped(mnist_5k, monkeypatch):
    def stop(stage, done, total):
        if stage == "000: derivations":
            raise KeyboardInterrupt

    monkeypatch.setattr(staged, "load_dataset", lambda name, folder: mnist_5k)
    result = reproduce(Settings(backends=("numpy",), quick=True, progress=stop))
    assert result.interrupted
    assert not result.claims
    assert result.summary


def test_what_the_gradients_lengths_decide():
    assert [_longer(hard, 1.0, 1.2) for hard in (0.9, 1.1, 1.3)] == ["No", "Not decided", "Yes"]
