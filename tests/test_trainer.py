"""Training a recipe: phases, selection, schedules, planted mistakes, and going on after a stop."""

from dataclasses import replace

import numpy as np
import pytest

from backends.numpy_backend import NumpyTwin
from comparisons.datasets import load_dataset
from comparisons.ladder import judge, relative_error
from comparisons.mistaken_steps import PerExampleMoments, stale_updates
from comparisons.recipe import Recipe, RecipeError, load_recipe
from comparisons.trained import ModelFileError
from comparisons.trainer import Trainer
from comparisons.training import top_accuracy
from scratch.optimizers import SGD

SMALL = {"data": {"name": "digits", "train": 300, "validation": 50, "test": 100}, "network": {"hidden": [12]}}
EVERYTHING = {
    **SMALL,
    "network": {"hidden": [12], "batch_normalization": True},
    "phases": [
        {"epochs": 1, "output": "sigmoid", "loss": {"name": "mean_squared_error"}, "dropout": 0.3},
        {"epochs": 2, "batch_size": 0.1, "updates_per_batch": 2, "train_above": 0.05, "optimizer": {"learning_rate": 0.003}},
        {"epochs": 2, "dropout": 0.2, "schedule": {"name": "exponential", "per": "step"}, "keep_optimizer_state": False},
    ],
}


def recipe(tables=SMALL, **more) -> Recipe:
    return load_recipe(Recipe.model_validate(tables), more)


@pytest.mark.parametrize("backend", ["numpy", "torch", "keras", "jax"])
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(backend, tmp_path):
    whole = Trainer(recipe(EVERYTHING), backend=backend).run()
    assert [record["phase"] for record in whole.history] == [0, 1, 1, 2, 2]
    part = Trainer(recipe(EVERYTHING), backend=backend)
    for stop in range(1, 5):
        part.run_epoch()
        part.save(tmp_path / "part.safetensors")
        part = Trainer.resume(tmp_path / "part.safetensors")
        assert (part.backend.name, part.epoch) == (backend, stop)
    part.run()
    assert np.array_equal(part.twin.parameters(), whole.twin.parameters())
    assert np.array_equal(part.twin.state(), whole.twin.state())
    without_time = [[{**record, "seconds": 0} for record in each.history] for each in (part, whole)]
    assert without_time[0] == without_time[1]


def test_only_what_was_trained_with_the_same_recipe_and_images_goes_on(tmp_path):
    path = tmp_path / "model.safetensors"
    trainer = Trainer(recipe())
    trainer.run_epoch()
    trainer.save(path)
    assert Trainer.resume(path, overrides={"training": {"epochs": 5}}).epochs == 5
    with pytest.raises(ModelFileError, match=r"another recipe \(optimizer.name was adam and is sgd\)"):
        Trainer.resume(path, overrides={"optimizer": {"name": "sgd"}})
    digits = load_dataset("digits")
    other = replace(digits, train_labels=digits.train_labels[::-1])
    with pytest.raises(ModelFileError, match="with other images"):
        Trainer.resume(path, data=other)
    trainer.trained().save(path)
    with pytest.raises(ModelFileError, match="nothing in it says how its training goes on"):
        Trainer.resume(path)


def test_another_model_to_start_from_must_have_the_same_shapes():
    first = Trainer(recipe())
    first.run_epoch()
    second = Trainer(recipe(training={"seed": 7}))
    second.start_from(first.trained())
    assert np.array_equal(second.twin.parameters(), first.twin.parameters())
    with pytest.raises(ModelFileError, match=r"that model is 64-12-10 .*, this recipe's 64-5-10"):
        Trainer(recipe(network={"hidden": [5]})).start_from(first.trained())


def test_batches_below_the_threshold_are_left_out():
    untouched = Trainer(recipe(training={"train_above": 1e9}))
    before = untouched.twin.parameters()
    record = untouched.run_epoch()
    assert (record["trained_batches"], record["loss"]) == (0, None)
    assert np.array_equal(untouched.twin.parameters(), before)
    assert Trainer(recipe(training={"train_above": -1.0})).run_epoch()["trained_batches"] == record["batches"] == 10


def test_repeated_updates_count_as_steps_and_shares_as_batches():
    trainer = Trainer(recipe(training={"updates_per_batch": 3, "batch_size": 0.1}))
    record = trainer.run_epoch()
    assert (record["batches"], record["trained_batches"], record["updates"], trainer.step) == (10, 10, 30, 30)
    assert Trainer(recipe(training={"batch_size": "all"})).run_epoch()["batches"] == 1


def test_schedules_count_epochs_or_steps_and_may_watch_the_loss():
    by_epoch = Trainer(recipe(schedule={"name": "step", "period": 1, "factor": 0.5}, training={"epochs": 3})).run()
    assert [record["learning_rate"] for record in by_epoch.history] == [0.001, 0.0005, 0.00025]
    by_step = Trainer(recipe(schedule={"name": "inverse_time", "per": "step"}, training={"epochs": 1})).run()
    assert by_step.history[0]["learning_rate"] == by_step._schedule(10).rate(9)
    watching = {"name": "reduce_on_plateau", "patience": 1, "threshold": 1e9}
    rates = [r["learning_rate"] for r in Trainer(recipe(schedule=watching, training={"epochs": 4})).run().history]
    assert rates == [0.001, 0.001, 0.0005, 0.00025]


def test_the_running_accuracy_is_that_of_the_outputs_before_each_step():
    one_batch = {"batch_size": "all", "metrics": ["running_accuracy", "layers"], "order": "file", "epochs": 1}
    trainer = Trainer(recipe(training=one_batch))
    before = trainer.trained().classify(trainer.data.train_images)
    assert trainer.run_epoch()["train_accuracy"] == (before == trainer.data.train_labels).mean()


def test_the_legacy_stream_draws_parameters_and_then_masks():
    table = {
        "data": {**SMALL["data"], "validation": 0},
        "network": {
            "hidden": [6],
            "bias": False,
            "dropout": 0.5,
            "initializer": {"name": "uniform", "low": -0.1, "high": 0.1},
        },
        "training": {"generator": "legacy", "seed": 1, "starts_exact_in": "float64", "dtype": "float64"},
    }
    trainer = Trainer(recipe(table))
    stream = np.random.RandomState(1)
    drawn = [0.2 * stream.random_sample(shape) - 0.1 for shape in ((64, 6), (6, 10))]
    assert np.array_equal(trainer.twin.parameters(), np.concatenate([each.ravel() for each in drawn]))
    masks = trainer.randomness.masks(trainer.model, 4, step=0)
    assert np.array_equal(masks["dropout_1"], stream.randint(2, size=(4, 6)))


def test_stale_updates_are_the_same_on_every_backend():
    """The adapters' way, by vector-Jacobian products, against scratch, which keeps its activations."""
    table = {**SMALL, "mistakes": ["missing_relu_mask", "stale_deltas"], "optimizer": {"name": "sgd", "learning_rate": 0.01}}
    table |= {"network": {"hidden": [6], "bias": False}, "loss": {"name": "mean_squared_error", "reduction": "half_batchmean"}}
    errors = {}
    for dtype in ("float32", "float64"):
        pair = [
            Trainer(recipe(table, training={"updates_per_batch": 5, "epochs": 1}), dtype=dtype, backend=b)
            for b in ("numpy", "torch")
        ]
        ours, theirs = (trainer.run().twin.parameters() for trainer in pair)
        errors[dtype] = relative_error(theirs, ours)
    assert judge(errors).verdict == "rounding"
    honest = Trainer(
        recipe(table, mistakes=["missing_relu_mask"], training={"updates_per_batch": 5, "epochs": 1}), dtype="float64"
    )
    assert relative_error(honest.run().twin.parameters(), ours) > 1e-3


def test_one_stale_update_is_a_step_along_the_gradient():
    model = recipe({**SMALL, "mistakes": ["missing_relu_mask"]}).model(5, 3)
    rng = np.random.default_rng(0)
    start, x, y = model.initialize(rng), rng.normal(size=(4, 5)), rng.integers(3, size=4)
    once, honest = (NumpyTwin(model, start, SGD(0.1), "float64") for _ in range(2))
    loss, _ = stale_updates(once, model, x, y, 1)
    assert loss == honest.train_step(x, y)
    assert np.array_equal(once.parameters(), honest.parameters())


@pytest.mark.parametrize("reset", [True, False])
def test_moments_per_example_follow_their_formula(reset):
    model = recipe().model(5, 3)
    rng = np.random.default_rng(0)
    start = model.initialize(rng)
    twin = NumpyTwin(model, start, SGD(0.1), "float64")
    moments = PerExampleMoments.of(recipe().build_optimizer("paper"), model.size, "float64", reset=reset)
    m = v = np.zeros(model.size)
    count, parameters = 0, start
    for _ in range(3):
        x, y = rng.normal(size=(4, 5)), rng.integers(3, size=4)
        if reset:
            m, v, count = np.zeros(model.size), np.zeros(model.size), 0
        for row in range(4):
            g = (
                NumpyTwin(model, parameters, SGD(0.1), "float64")
                .loss_and_gradients(x[row : row + 1], y[row : row + 1])[1]
                .gradients
            )
            m, v, count = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g, count + 1
        parameters = parameters - 0.1 * (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)
        moments.step(twin, x, y)
    # Some twenty roundings per number; where v is tiny, its root halves a relative error.
    assert relative_error(twin.parameters(), parameters) < 100 * 2.0**-53


def test_a_planted_mistake_changes_the_run_and_an_empty_list_mends_it():
    planted = recipe(mistakes=["missing_relu_mask"])
    runs = [Trainer(each).run().twin.parameters() for each in (planted, load_recipe(planted, {"mistakes": []}), recipe())]
    assert np.array_equal(runs[1], runs[2])
    assert not np.array_equal(runs[0], runs[2])


def test_another_length_of_an_earlier_phase_is_another_recipe(tmp_path):
    """Phases that leave out `epochs` have those of the recipe: another number moves the bounds of all."""
    two = {**SMALL, "training": {"epochs": 2}, "phases": [{}, {"dropout": 0.2}]}
    trainer = Trainer(recipe(two))
    for _ in range(3):
        trainer.run_epoch()
    trainer.save(tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError, match=r"another recipe \(phases.0.training.epochs was 2 and is 4\)"):
        Trainer.resume(tmp_path / "model.safetensors", overrides={"training": {"epochs": 4}})


def test_a_network_that_diverges_is_seen_even_where_batches_are_selected():
    away = recipe(optimizer={"name": "sgd", "learning_rate": 1e38}, training={"train_above": 0.1, "epochs": 2})
    with np.errstate(all="ignore"):
        records = Trainer(away).run().history
    assert not any(record["finite"] for record in records)
    assert records[1]["trained_batches"] == records[1]["batches"]
    assert Trainer(recipe()).run_epoch()["finite"]


def test_an_optimizer_with_other_slots_starts_afresh():
    phases = [{"epochs": 1}, {"epochs": 1, "optimizer": {"momentum": 0.9}}]
    table = {**SMALL, "optimizer": {"name": "sgd", "learning_rate": 0.1}, "phases": phases}
    errors = {}
    for dtype in ("float32", "float64"):
        ours, theirs = (
            Trainer(recipe(table), backend=name, dtype=dtype).run().twin.parameters() for name in ("numpy", "torch")
        )
        errors[dtype] = relative_error(theirs, ours)
    assert judge(errors).verdict in ("exact", "rounding")


def test_moments_per_example_go_on_or_not_as_the_phase_says():
    for keep, count in ((True, 80), (False, 40)):
        phases = [{"epochs": 1}, {"epochs": 1, "keep_optimizer_state": keep, "optimizer": {"beta_1": 0.5}}]
        table = {**SMALL, "data": {"name": "digits", "train": 40}, "mistakes": ["moments_per_example"], "phases": phases}
        trainer = Trainer(recipe(table)).run()
        assert (trainer._moments.count, trainer._moments.beta_1) == (count, 0.5)


def test_stale_updates_count_as_updates():
    table = {**SMALL, "mistakes": ["missing_relu_mask", "stale_deltas"], "training": {"updates_per_batch": 5, "epochs": 1}}
    trainer = Trainer(recipe(table))
    assert trainer.run_epoch()["updates"] == trainer.step == 50


def test_metrics_decide_what_a_record_holds():
    few = Trainer(recipe(training={"metrics": ["top_2_accuracy", "top_3_accuracy"], "epochs": 1})).run_epoch()
    assert "gradient_norms" not in few
    assert few["test_accuracy"] <= few["test_top_2_accuracy"] <= few["test_top_3_accuracy"] <= 1
    assert top_accuracy(np.array([[3.0, 2.0, 1.0], [1.0, 3.0, 2.0]]), np.array([1, 0]), 2) == 0.5
    assert top_accuracy(np.array([[0.3]]), np.array([1]), 2) == 1.0
    with pytest.raises(RecipeError, match=r'training.metrics.0: "acuracy" is not known'):
        recipe(training={"metrics": ["acuracy"]})
