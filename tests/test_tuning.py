"""Sweeps: stacked networks are the single ones to rounding, sets are those of the table, and what is done is never done again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from backends.numpy_backend import NumpyTwin
from backproof.cli import app
from comparisons.ladder import judge
from comparisons.recipe import Recipe, RecipeError, load_recipe
from comparisons.training import batch_order, judge_trajectory, targets
from comparisons.tuning import stacked, tasks
from comparisons.tuning.sets import hyperparameter_sets
from comparisons.tuning.stacked import BY_ELEMENT, StackedNetworks, why_not_stacked
from comparisons.tuning.store import Store, TuneError
from comparisons.tuning.sweep import _identity, tune
from comparisons.tuning.table import TuneTable
from scratch.activations import ACTIVATIONS
from scratch.losses import LOSSES
from scratch.optimizers import OPTIMIZERS, Adam

RATES = (0.001, 0.003, 0.003)
# A recipe leaves a linear one out, so that two dense layers follow one another.
STACKABLE = [
    name for name, entry in ACTIVATIONS.items() if name != "linear" and not entry.halves and name not in stacked._OF_WHOLE_ROWS
]
CLASSIFYING = [name for name in LOSSES if LOSSES[name]().classifies]


def recipe(**tables):
    tables.setdefault("data", {"name": "digits"})
    return Recipe.model_validate(tables)


def differences(chosen, data, steps=12, make=lambda optimizers: optimizers):
    """Relative parameter differences of three stacked networks from the same ones by themselves, step by step and precision."""
    found = {}
    for dtype in ("float32", "float64"):
        model, optimizer = tasks.built(chosen, data)
        assert why_not_stacked(model, optimizer) == ""
        numbers = chosen.optimizer.model_dump(exclude={"name", "convention", "learning_rate"}, exclude_none=True)
        optimizers = [
            OPTIMIZERS[chosen.optimizer.name](learning_rate=rate, convention=optimizer.convention, **numbers) for rate in RATES
        ]
        starts = np.stack([model.initialize(np.random.default_rng(seed)) for seed in range(len(RATES))])
        images = data.train_images.astype(dtype)
        y = targets(data.train_labels, model.widths[-1], chosen.one_hot(model), dtype)
        shared = targets(data.train_labels, model.widths[-1], model.loss.targets != "index", dtype)
        stack = StackedNetworks(model, starts, make(optimizers), images, shared, dtype)
        twins = [NumpyTwin(model, start, each, dtype) for start, each in zip(starts, optimizers, strict=True)]
        relative = []
        batches = [rows for _, rows in batch_order(len(images), 48, 1, seed=0)]
        for rows in [*batches[: steps - 1], batches[-1]]:  # the last one is partial
            stack.step(rows)
            for twin in twins:
                twin.train_step(images[rows], y[rows])
            pairs = [(stack.parameters(k), twin.parameters()) for k, twin in enumerate(twins)]
            relative.append(max(float(np.abs(ours - theirs).max() / np.abs(theirs).max()) for ours, theirs in pairs))
        found[dtype] = relative
    return found


def verdict(*arguments, **named):
    return judge_trajectory(differences(*arguments, **named))[0].verdict


RIGHT = ("exact", "rounding")


@pytest.mark.parametrize("activation", STACKABLE)
def test_every_activation_of_single_units_can_be_stacked(activation, digits):
    chosen = recipe(network={"hidden": [8, 6], "activation": activation}, optimizer={"name": "sgd"})
    assert verdict(chosen, digits) in RIGHT


@pytest.mark.parametrize("loss", CLASSIFYING)
def test_every_loss_can_be_stacked(loss, digits):
    assert (
        verdict(recipe(network={"hidden": [8]}, loss={"name": loss, "reduction": "mean"}, optimizer={"name": "sgd"}), digits)
        in RIGHT
    )


@pytest.mark.parametrize("convention", ["paper", "torch", "keras"])
@pytest.mark.parametrize("optimizer", BY_ELEMENT)
def test_every_optimizer_by_element_can_be_stacked(optimizer, convention, digits):
    chosen = recipe(network={"hidden": [8], "activation": "tanh"}, optimizer={"name": optimizer, "convention": convention})
    assert verdict(chosen, digits) in RIGHT


@pytest.mark.parametrize("limit", [0, 10**9])
@pytest.mark.parametrize(
    "network",
    [
        {"hidden": [16, 16]},
        {"hidden": [7, 5, 6]},
        {"hidden": [8], "bias": False},
        {"hidden": []},
        {"hidden": [], "bias": False},
        {"hidden": [8], "output": "sigmoid"},
        {"hidden": [8], "output": "softmax"},
    ],
)
def test_every_shape_can_be_stacked_with_a_product_for_all_and_with_one_for_each(network, limit, digits, monkeypatch):
    monkeypatch.setattr(stacked, "SMALL_PRODUCT", limit)
    name = "mean_squared_error" if "output" in network else "softmax_cross_entropy"
    assert verdict(recipe(network={"activation": "tanh", **network}, loss={"name": name}), digits) in RIGHT


def test_two_classes_with_one_unit(digits):
    data = digits.select(classes=(3, 8))
    chosen = recipe(
        network={"hidden": [8], "outputs": 1}, loss={"name": "binary_cross_entropy"}, data={"name": "digits", "classes": [3, 8]}
    )
    assert verdict(chosen, data) in RIGHT


def _neighbours_rates(optimizers):
    return optimizers[::-1]


def _without_bias_correction(optimizers):
    return [Adam(each.learning_rate, epsilon=1e-7) for each in optimizers]


@pytest.mark.parametrize("mistake", [_neighbours_rates, _without_bias_correction])
def test_planted_mistakes_in_a_stack_are_wrong(mistake, digits):
    assert verdict(recipe(), digits, make=mistake) == "wrong"


def test_a_mistake_in_the_scaled_adam_is_wrong(digits, monkeypatch):
    right = stacked._scaled_adam

    def late(optimizer, state):
        right(optimizer, state)
        state.step -= state.step == 2

    monkeypatch.setattr(stacked, "_scaled_adam", late)
    assert verdict(recipe(), digits) == "wrong"


def test_the_optimizers_by_element_are_those_that_leave_a_weight_without_gradient_alone_and_see_no_other():
    """Tried with each: two vectors together and apart, with elements whose gradient is zero."""
    found = []
    for name, make in OPTIMIZERS.items():
        rng = np.random.default_rng(0)
        start, gradients = rng.normal(size=12), rng.normal(size=(5, 12))
        gradients[:, [2, 9]] = 0
        ends = {}
        for part in (slice(0, 12), slice(0, 6), slice(6, 12)):
            p, g = start[part].copy(), np.empty_like(start[part])
            state = make().init(p, g, [(2, p.size // 2)])
            for gradient in gradients[:, part]:
                g[...] = gradient
                make().update(state)
            ends[part.start, part.stop] = p
        apart = np.concatenate([ends[0, 6], ends[6, 12]])
        if np.array_equal(ends[0, 12], apart) and np.array_equal(apart[[2, 9]], start[[2, 9]]):
            found.append(name)
    assert set(BY_ELEMENT) <= set(found)


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"optimizer": {"name": "lamb"}}, "lamb does more"),
        ({"optimizer": {"name": "adam", "epsilon": 0.0}}, "0 / 0"),
        ({"network": {"dropout": 0.5}}, "dropout stands where"),
        ({"network": {"batch_normalization": True}}, "batch_normalization stands where"),
        ({"network": {"activation": "softmax"}}, "softmax is not a function of single units"),
        ({"network": {"activation": "glu"}}, "glu is not a function of single units"),
    ],
)
def test_what_cannot_be_stacked_says_why(tables, reason, digits):
    model, optimizer = tasks.built(recipe(**tables), digits)
    assert reason in why_not_stacked(model, optimizer)
    assert tasks.shared(recipe(**tables), digits) == ""
    with pytest.raises(ValueError, match="cannot be stacked"):
        StackedNetworks(model, np.zeros((1, model.size)), [optimizer], digits.train_images, digits.train_labels, "float32")


def test_pixels_without_light_keep_their_weights(digits):
    model, optimizer = tasks.built(recipe(), digits)
    dark = ~digits.train_images.any(axis=0)
    assert dark.any()
    start = model.initialize(np.random.default_rng(0)).astype("float32")
    stack = StackedNetworks(model, start[None], [optimizer], digits.train_images, np.eye(10)[digits.train_labels], "float32")
    assert np.array_equal(stack.parameters(0), start)
    stack.step(np.arange(32))
    kernel, before = (model.views(vector)["dense_1.kernel"] for vector in (stack.parameters(0), start))
    assert np.array_equal(kernel[dark], before[dark])
    assert not np.array_equal(kernel[~dark], before[~dark])


def test_a_grid_is_the_product_of_its_lists():
    table = TuneTable(space={"optimizer": {"learning_rate": [0.1, 0.2]}, "training.batch_size": [8, 16, 32]})
    sets = hyperparameter_sets(table)
    assert [point.number for point in sets] == [1, 2, 3, 4, 5, 6]
    assert [tuple(point.values.values()) for point in sets] == [(0.1, 8), (0.1, 16), (0.1, 32), (0.2, 8), (0.2, 16), (0.2, 32)]
    assert sets[3].recipe(Recipe()).optimizer.learning_rate == 0.2
    assert sets[3].recipe(Recipe()).training.batch_size == 8
    assert len(hyperparameter_sets(TuneTable())) == 1


def test_a_random_search_draws_what_its_seed_says():
    space = {
        "optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "optimizer.beta_1": {"low": 0.5, "high": 0.9},
        "training.batch_size": {"low": 2, "high": 4, "integer": True},
        "network.activation": ["relu", "tanh"],
    }
    sets = hyperparameter_sets(TuneTable(search="random", sets=400, space=space))
    assert sets == hyperparameter_sets(TuneTable(search="random", sets=400, space=space))
    assert sets != hyperparameter_sets(TuneTable(search="random", sets=400, seed=1, space=space))
    rates, betas, sizes, names = zip(*(point.values.values() for point in sets), strict=True)
    assert 1e-4 <= min(rates) < max(rates) <= 1e-1
    assert 0.5 <= min(betas) < max(betas) <= 0.9
    # A third of 400 draws lies in each decade, give or take four standard deviations of 9.4; so does each whole number.
    assert all(96 <= sum(low <= rate < 10 * low for rate in rates) <= 171 for low in (1e-4, 1e-3, 1e-2))
    assert all(96 <= sizes.count(size) <= 171 for size in (2, 3, 4))
    assert set(names) == {"relu", "tanh"}


@pytest.mark.parametrize(
    ("tune_table", "message"),
    [
        ({"space": {"optimizer.rate": [1]}}, "tune.space: optimizer.rate: there is no such entry"),
        ({"space": {"optimizer.lerning": [3]}}, 'optimizer.lerning: there is no such entry; did you mean "learning_rate"?'),
        ({"space": {"optimizer.learning_rate": [-1]}}, "tune.space: optimizer.learning_rate"),
        ({"space": {"data.name": ["digits"]}}, '"data.name" cannot be searched'),
        ({"space": {"training.seed": [1]}}, '"training.seed" cannot be searched'),
        ({"space": {"optimizer.learning_rate": 0.1}}, "is one value. Give a list"),
        ({"space": {"optimizer.learning_rate": []}}, "List one value or more"),
        ({"space": {"optimizer.learning_rate": [0.1, 0.1]}}, "each of them once"),
        ({"space": {"optimizer.learning_rate": {"low": 0.1, "high": 0.2}}}, "is a range, and a grid needs lists"),
        ({"search": "random", "space": {"optimizer.learning_rate": {"low": 0.1, "hihg": 0.2}}}, "a range has the numbers"),
        ({"search": "random", "space": {"optimizer.learning_rate": {"low": 0.2, "high": 0.1}}}, "is not below high"),
        ({"search": "random", "space": {"optimizer.learning_rate": {"low": 0, "high": 0.1, "log": True}}}, "has no logarithm"),
    ],
)
def test_a_mistake_in_the_table_is_named(tune_table, message, tmp_path):
    with pytest.raises(RecipeError) as error:
        tune(load_recipe("default", {"data": {"name": "digits"}, "tune": tune_table}), folder=tmp_path / "sweep", workers=1)
    assert message in str(error.value)
    assert not (tmp_path / "sweep").exists()


def test_the_table_survives_being_written():
    chosen = load_recipe("001-tuner")
    assert len(hyperparameter_sets(chosen.tune)) == 150
    assert chosen.tune.seeds == 10
    assert load_recipe("001-tuner").model_dump() == Recipe.model_validate(_toml(chosen.to_toml())).model_dump()


def _toml(text):
    import tomllib

    return tomllib.loads(text)


SMALL = {
    "data": {"name": "digits"},
    "network": {"hidden": [8]},
    "training": {"epochs": 2},
    "tune": {"seeds": 3, "space": {"optimizer": {"learning_rate": [0.001, 0.01, 0.1]}, "training": {"batch_size": [32, 64]}}},
}


def small(**tables):
    return load_recipe(Recipe.model_validate(SMALL), tables)


def test_a_sweep_and_its_tables(tmp_path):
    sweep = tune(small(), folder=tmp_path, workers=1)
    assert (len(sweep.rows), sweep.planned, sweep.stacked, sweep.found) == (18, 18, 18, 0)
    runs, table = sweep.runs(), sweep.table()
    assert list(runs[["set", "seed"]].itertuples(index=False, name=None)) == [(s, k) for s in range(1, 7) for k in range(3)]
    for row in table.to_dict("records"):
        own = runs[runs["set"] == row["set"]]
        best = own.loc[own["cost"].idxmin()]
        assert (row["best_cost"], row["best_seed"], row["best_accuracy"]) == (best["cost"], best["seed"], best["accuracy"])
        assert row["mean_cost"] == own["cost"].mean()
        assert row["spread_cost"] == own["cost"].std()
    assert table["best_cost"].is_monotonic_increasing
    sweep.write(tmp_path)
    for name, frame in (("runs", runs), ("sets", table)):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / f"{name}.csv"), frame, check_dtype=False)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), frame)


def test_stacked_runs_are_the_trainers_to_rounding(tmp_path, monkeypatch):
    """The same sweep, each run by itself through the Trainer: costs differ by no more than rounding, amplified by two epochs."""
    errors = {}
    for dtype in ("float32", "float64"):
        chosen = small(training={"dtype": dtype}, tune={"seeds": 1})
        together = tune(chosen, folder=tmp_path / f"together-{dtype}", workers=1)
        with monkeypatch.context() as patched:
            patched.setattr(tasks, "shared", lambda *_: "")
            alone = tune(chosen, folder=tmp_path / f"alone-{dtype}", workers=1)
        assert (together.stacked, alone.stacked) == (6, 0)
        pairs = zip(together.runs()["cost"], alone.runs()["cost"], strict=True)
        errors[dtype] = max(abs(ours - theirs) / theirs for ours, theirs in pairs)
    assert judge(errors).verdict in RIGHT


def test_a_sweep_of_what_cannot_be_stacked(tmp_path):
    chosen = small(network={"hidden": [8], "dropout": 0.5}, tune={"seeds": 2, "space": {"optimizer.name": ["sgd", "lamb"]}})
    sweep = tune(chosen, folder=tmp_path, workers=1)
    assert (len(sweep.rows), sweep.stacked) == (4, 0)
    assert sweep.runs()["cost"].notna().all()


def test_mixed_sets_are_stacked_where_they_can_be(tmp_path):
    chosen = small(tune={"seeds": 1, "space": {"optimizer.name": ["adam", "sgd", "lamb"]}})
    sweep = tune(chosen, folder=tmp_path, workers=1)
    assert sweep.stacked == 2
    assert sweep.runs()["stacked_with"].tolist() == [1, 1, 0]


def test_runs_that_diverge_are_counted(tmp_path):
    chosen = small(tune={"seeds": 2, "space": {"optimizer.name": ["sgd"], "optimizer.learning_rate": [0.1, 1e30]}})
    table = tune(chosen, folder=tmp_path, workers=1).table()
    assert table["diverged"].tolist() == [0, 2]
    assert np.isnan(table["best_cost"].iloc[1])


def test_validation_decides_where_the_recipe_keeps_images_for_it(tmp_path):
    sweep = tune(small(data={"name": "digits", "validation": 200}), folder=tmp_path, workers=1)
    assert sweep.judge == "validation_cost"
    runs, best = sweep.runs(), sweep.table().iloc[0]
    winner = runs.loc[runs["validation_cost"].idxmin()]
    assert (best["best_validation_cost"], best["best_cost"]) == (winner["validation_cost"], winner["cost"])


def test_local_processes_give_the_same_numbers(tmp_path):
    here = tune(small(), folder=tmp_path / "here", workers=1)
    there = tune(small(), folder=tmp_path / "there", workers=2)
    columns = ["set", "seed", "cost", "accuracy"]
    pd.testing.assert_frame_equal(here.runs()[columns], there.runs()[columns])


def test_the_store_ignores_a_torn_line_and_refuses_another_sweep(tmp_path):
    identity = {"sweep": 1}
    store = Store(tmp_path, identity)
    store.save(4, [{"set": 1}])
    store.save(5, [{"set": 2}])
    store.close()
    path = tmp_path / "runs.jsonl"
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        torn = Store(tmp_path, identity)
        assert torn.done == {4: [{"set": 1}]}
        torn.save(5, [{"set": 2}])
        torn.close()
        assert path.read_bytes() == whole
    path.write_bytes(whole.splitlines()[0][:5])  # killed while the first line was written
    fresh = Store(tmp_path, identity)
    assert fresh.done == {}
    fresh.close()
    path.write_bytes(whole)
    with pytest.raises(TuneError, match=r"holds another sweep \(its sweep differs\)"):
        Store(tmp_path, {"sweep": 2})
    path.write_bytes(b"a diary\n")
    with pytest.raises(TuneError, match="holds another sweep"):
        Store(tmp_path, identity)
    assert path.read_bytes() == b"a diary\n"


@pytest.mark.parametrize(
    "damaged", [b"\0" * 40, b"\0", b'{"task": 5, "ru\0\0\0\0', b"\xff\xfe", b"5", b"[]", b'{"task": 5}', b""]
)
def test_the_store_ends_at_the_first_damaged_line(damaged, tmp_path):
    store = Store(tmp_path, {})
    store.save(4, [{"set": 1}])
    store.close()
    path = tmp_path / "runs.jsonl"
    good = path.read_bytes()
    path.write_bytes(good + damaged + b"\n" + good.splitlines(keepends=True)[1])
    again = Store(tmp_path, {})
    assert again.done == {4: [{"set": 1}]}
    assert path.read_bytes() == good
    again.save(5, [{"set": 2}])
    again.close()
    assert path.read_bytes() == good + b'{"task": 5, "runs": [{"set": 2}]}\n'


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
def test_two_sweeps_cannot_write_to_one_folder(tmp_path):
    first = Store(tmp_path, {})
    first.save(0, [])
    for identity in ({}, {"sweep": 2}):
        with pytest.raises(TuneError, match="another sweep is writing to it right now"):
            Store(tmp_path, identity)
    first.save(1, [])
    first.close()
    second = Store(tmp_path, {})
    second.save(2, [])
    second.close()
    third = Store(tmp_path, {})
    third.close()
    assert third.done == {0: [], 1: [], 2: []}


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_a_sweep_on_other_digits_is_another_one(part, digits):
    changed = getattr(digits, part).copy()
    changed[1:3] = changed[2:0:-1]
    assert not np.array_equal(changed, getattr(digits, part))
    identity = _identity(recipe(), 1, digits)
    assert _identity(recipe(), 1, replace(digits, **{part: changed})) != identity
    assert _identity(recipe(), 1, replace(digits)) == identity


def test_other_stacks_are_another_sweep(digits, monkeypatch):
    identity = _identity(recipe(), 1, digits)
    monkeypatch.setattr("comparisons.tuning.sweep.STACKED", 10)
    assert _identity(recipe(), 1, digits) != identity


SWEEP = """
data = { name = "digits" }
network = { hidden = [8] }
training = { epochs = 20, batch_size = 8 }
tune = { seeds = 20, space = { optimizer.learning_rate = [0.001, 0.002, 0.003, 0.004, 0.005, 0.006] } }
"""


def test_kill_and_go_on(tmp_path):
    """kill -9 in the middle of a real sweep: what was done is not done again, and the table is that of an undisturbed one."""
    file, folder = tmp_path / "sweep.toml", tmp_path / "out"
    file.write_text(SWEEP)
    command = [sys.executable, "-m", "backproof", "tune", str(file), "--workers", "1", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    runs = folder / "runs.jsonl"
    deadline = time.monotonic() + 120
    while not (runs.exists() and runs.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = runs.read_bytes()
    finished = before[: before.rfind(b"\n") + 1]
    done = finished.count(b"\n") - 1
    assert 2 <= done < 6, "the kill came too late"

    asked = []
    sweep = tune(load_recipe(file), folder=folder, workers=1, progress=lambda *state: asked.append(state))
    assert asked[0] == (20 * done, 120, 20 * done)
    assert sweep.found == 20 * done
    assert runs.read_bytes().startswith(finished)
    assert len(runs.read_bytes().splitlines()) == 1 + 6
    undisturbed = tune(load_recipe(file), folder=tmp_path / "undisturbed", workers=1)
    columns = ["set", "seed", "cost", "accuracy"]
    pd.testing.assert_frame_equal(sweep.runs()[columns], undisturbed.runs()[columns])
    asked.clear()
    again = tune(load_recipe(file), folder=folder, workers=1, progress=lambda *state: asked.append(state))
    assert asked == [(120, 120, 120)]
    pd.testing.assert_frame_equal(again.table(), sweep.table())


def test_the_command(tmp_path):
    file, folder = tmp_path / "sweep.toml", tmp_path / "out"
    file.write_text(small().to_toml())
    runner = CliRunner()
    done = runner.invoke(app, ["tune", str(file), "--seeds", "2", "--workers", "1", "--out", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    results = json.loads(done.stdout)
    assert len(results["sets"]) == 6
    assert len(results["runs"]) == 12
    assert json.loads((folder / "results.json").read_text()) == results
    assert results["command"] == f"backproof tune {file} --seeds 2 --out {folder}"
    page = (folder / "index.html").read_text()
    assert "Effect of learning_rate" in page
    assert "Effect of batch_size" in page
    assert {path.name for path in folder.iterdir()} >= {"sets.csv", "sets.parquet", "runs.csv", "runs.parquet", "plotly.min.js"}
    again = runner.invoke(app, ["tune", str(file), "--seeds", "2", "--workers", "1", "--out", str(folder)])
    assert again.exit_code == 0
    assert "12 of 12 runs are done already" in again.stderr
    assert "lowest cost" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune", "no-such-recipe"], "there is no recipe"),
        (["tune", "default", "--data", "digits", "--seeds", "3"], "holds another sweep"),
        (
            ["tune", "default", "--data", "digits", "--seeds", "2", "--cluster", "tcp://127.0.0.1:9"],
            "no Dask scheduler answers",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments, message, tmp_path, monkeypatch):
    from comparisons.tuning import workers

    monkeypatch.setattr(workers, "PATIENCE", 1)
    runner = CliRunner()
    if "another" in message:
        assert (
            runner.invoke(
                app, ["tune", "default", "--data", "digits", "--seeds", "2", "--workers", "1", "--out", str(tmp_path)]
            ).exit_code
            == 0
        )
    failed = runner.invoke(app, [*arguments, "--out", str(tmp_path)])
    assert failed.exit_code == 2
    assert message in failed.stderr.replace("\n", " ")
    assert "Traceback" not in failed.stderr
