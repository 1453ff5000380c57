"""Looking at a trained network: the rule of 30, saturated and dead units, mistakes, the plane, the page, the command."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from backproof.cli import app
from comparisons.activity import Activity, activities, forward, gradient_norms, measure_layers, parameter_sums, slopes
from comparisons.datasets import DataError
from comparisons.looking import look, look_at_file, plane, row_losses
from comparisons.recipe import load_recipe
from comparisons.rule_of_30 import rule_of_30
from comparisons.trained import shares
from comparisons.trainer import Trainer
from comparisons.training import classify, targets
from reports import looking_plots as plots
from reports.looking import class_rows, command_line, no_plane, show_look, to_dict
from reports.looking_page import picture, png, to_html, write_page
from reports.plots import figure_json
from scratch.activations import ACTIVATIONS
from scratch.arrays import Work
from scratch.layers import Dense, PReLU
from scratch.losses import LOSSES
from scratch.model import Model
from tests.test_page import browser, needs_chromium  # noqa: F401

RUNNER = CliRunner()
NASTY = "</script><script>document.title='broken'</script> <b>& \"quotes\""
TEN = {"data": {"name": "digits"}, "training": {"epochs": 3, "batch_size": 50}}
TWO = {
    "title": NASTY,
    "data": {"name": "digits", "classes": [8, 3]},
    "network": {"hidden": [16, 2], "activation": ["relu", "linear"], "outputs": 1},
    "loss": {"name": "binary_cross_entropy"},
    "training": {"epochs": 6, "batch_size": 20, "metrics": ["running_accuracy", "layers"]},
}


@pytest.fixture(scope="module")
def ten():
    return Trainer(load_recipe("default", TEN)).run()


@pytest.fixture(scope="module")
def two():
    title = TWO["title"]
    recipe = load_recipe("default", {key: value for key, value in TWO.items() if key != "title"})
    return Trainer(recipe.model_copy(update={"title": title})).run()


def looked_at(trainer, **kwargs):
    return look(trainer.trained(), trainer.data.test_images, trainer.data.test_labels, "digits", **kwargs)


# The rule of 30.


@pytest.mark.parametrize(
    ("first", "second", "examples", "moved", "trusted"),
    [
        (0.80, 0.81, 3000, 30, True),  # 003: at 3,000 examples 1 % is trusted,
        (0.81, 0.80, 3000, -30, True),
        (0.28, 0.29, 3000, 30, True),  # whatever 0.29 - 0.28 is in binary,
        (0.800, 0.805, 3000, 15, False),  # and half a per cent is not
        (0.9481, 0.9511, 10000, 30, True),
        (0.9482, 0.9511, 10000, 29, False),
        (0.5, 1.0, 20, 10, False),
        (0.9, 0.9, 100, 0, False),
        (0, 1, 30, 30, True),
    ],
)
def test_the_rule_of_30(first, second, examples, moved, trusted):
    found = rule_of_30(first, second, examples)
    assert (found.moved, found.trusted) == (moved, trusted)
    sentence = found.sentence("A", "B")
    assert ("can be trusted" in sentence and "no difference can" not in sentence) == trusted
    assert f"{abs(moved)} example" in sentence or moved == 0


@pytest.mark.parametrize(
    ("first", "second", "examples"), [(0.5, 95.1, 100), (-0.1, 0.5, 100), (math.nan, 0.5, 100), (0.5, 0.5, 0)]
)
def test_what_is_no_accuracy_is_refused(first, second, examples):
    with pytest.raises(ValueError, match=r"Give the"):
        rule_of_30(first, second, examples)


# Units.


def one_layer(name, bias):
    """A model whose activation gets its input plus a bias, and its parameters."""
    model = Model(len(bias), (Dense(len(bias), len(bias)), ACTIVATIONS[name]), LOSSES["mean_squared_error"]())
    return model, np.concatenate([np.eye(len(bias)).ravel(), bias])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_the_largest_entry_of_each_row_of_the_jacobian(name, rng):
    """Whichever way they are computed: one pass for elementwise activations, one per unit for the others."""
    model, parameters = one_layer(name, np.zeros(6))
    x = rng.normal(size=(7, 6)) * 3
    *_, step = forward(model, parameters, np.zeros(0), x)
    expected = np.empty_like(step.y)
    for unit in range(step.y.shape[1]):
        da, dz = np.zeros_like(step.y), np.empty_like(step.x)
        da[:, unit] = 1
        step.layer.backward({}, step.x, step.y, da, {}, dz, step.work)
        expected[:, unit] = np.abs(dz).max(axis=1)
    np.testing.assert_array_equal(slopes(step), expected)


@pytest.mark.parametrize(
    ("name", "z", "saturated", "dead"),
    [
        # Columns are units, rows images. sigmoid' = s(1 - s) is 0.0099 at 4.61 and 0.0101 at 4.58.
        ("sigmoid", [[0, 4.61], [0, 4.58]], 1 / 4, 0),
        ("tanh", [[3.0, -3.0], [2.98, 0]], 2 / 4, 0),
        ("relu", [[1, -1], [1, -2]], 2 / 4, 1 / 2),
        ("relu", [[1, -1], [1, 2]], 1 / 4, 0),  # a single image keeps a unit alive
        ("leaky_relu", [[-1, -1], [-1, -1]], 0, 0),
        ("sigmoid", [[800, 0], [-800, 0]], 2 / 4, 1 / 2),  # no derivative is left in float64
    ],
)
def test_saturated_and_dead(name, z, saturated, dead):
    model, parameters = one_layer(name, np.zeros(2))
    found = activities(model, parameters, np.zeros(0), np.array(z, dtype=float))
    assert found == {f"{name}_1": Activity(2, saturated, dead)}
    assert measure_layers(model, parameters, np.zeros(0), np.array(z, dtype=float)) == {
        "saturated": {f"{name}_1": saturated},
        "dead": {f"{name}_1": dead},
    }


def test_a_softmax_is_measured_by_its_jacobian(rng):
    model, parameters = one_layer("softmax", np.zeros(3))
    z = rng.normal(size=(5, 3))
    *_, step = forward(model, parameters, np.zeros(0), z)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    jacobian = p[:, :, None] * (np.eye(3) - p[:, None, :])
    # One softmax and three multiplications of numbers below 1: a few units of roundoff.
    np.testing.assert_allclose(slopes(step), np.abs(jacobian).max(axis=2), rtol=0, atol=2**-49)


def test_linear_layers_are_left_out_and_learned_slopes_are_not():
    model = Model(2, (Dense(2, 2), PReLU(2), ACTIVATIONS["linear"]), LOSSES["mean_squared_error"]())
    parameters = np.concatenate([np.eye(2).ravel(), np.zeros(2), [0.0, 0.25]])
    found = activities(model, parameters, np.zeros(0), np.array([[-1.0, -1.0]]))
    assert found == {"prelu_1": Activity(2, 0.5, 0.5)}


def test_what_is_not_finite_is_not_called_alive():
    model, parameters = one_layer("sigmoid", np.array([np.nan, 0]))
    found = activities(model, parameters, np.zeros(0), np.ones((3, 2)))["sigmoid_1"]
    assert math.isnan(found.dead)
    assert math.isnan(found.saturated)


def test_norms_and_sums():
    model = Model(1, (Dense(1, 2), ACTIVATIONS["relu"], Dense(2, 1, bias=False)), LOSSES["mean_squared_error"]())
    vector = np.array([3, 0, 0, 4, 5, -2], dtype=np.float32)
    assert gradient_norms(model, vector) == {"dense_1": 5, "dense_2": pytest.approx(math.sqrt(29), rel=2**-52)}
    assert parameter_sums(model, vector) == (6, 4)
    assert math.isfinite(gradient_norms(model, 1e30 * vector)["dense_1"])  # its squares are beyond float32


# The whole look.


def test_the_record_of_an_epoch_is_what_the_look_measures(ten):
    trained = ten.trained()
    found = activities(trained.model, trained.parameters, trained.state, ten.data.train_images[:1000])
    record = ten.history[-1]
    assert record["saturated"] == {name: activity.saturated for name, activity in found.items()}
    assert record["dead"] == {name: activity.dead for name, activity in found.items()}
    assert (record["sum_of_weights"], record["sum_of_biases"]) == pytest.approx(
        parameter_sums(trained.model, trained.parameters)
    )
    assert set(record["gradient_norms"]) == {"dense_1", "dense_2", "dense_3"}


def test_counts_and_mistakes(ten):
    found = looked_at(ten, most=10**6)
    labels, answers = ten.data.test_labels, ten.trained().classify(ten.data.test_images)
    assert found.right == (labels == answers).sum()
    assert found.accuracy == ten.history[-1]["test_accuracy"]
    assert found.images == len(labels)
    assert found.loss == pytest.approx(ten.history[-1]["test_loss"], rel=len(labels) * 2**-24)  # a mean in float32
    assert found.confusion[4, 1] == ((labels == 4) & (answers == 1)).sum()
    assert {mistake.index for mistake in found.mistakes} == set(np.flatnonzero(labels != answers))
    losses = [mistake.loss for mistake in found.mistakes]
    assert losses == sorted(losses, reverse=True)
    for mistake in found.mistakes:
        assert (mistake.label, mistake.answer) == (labels[mistake.index], answers[mistake.index])
        assert mistake.probability >= mistake.of_label
        assert mistake.loss == pytest.approx(-math.log(mistake.of_label), rel=1e-4)
        np.testing.assert_array_equal(mistake.image, ten.data.test_images[mistake.index].reshape(8, 8))
    assert len(looked_at(ten, most=3).mistakes) == 3


def test_kept_classes_go_by_their_digits(two):
    found = looked_at(two)
    assert found.labels == (8, 3)
    assert {mistake.label for mistake in found.mistakes} <= {3, 8}
    assert [row[0] for row in class_rows(found)] == ["8", "3"]


def test_the_kernels_are_pictures_of_units(ten):
    trained = ten.trained()
    found = looked_at(ten).kernels
    assert found.shape == (16, 8, 8)
    kernel = trained.model.views(trained.parameters)["dense_1.kernel"]
    assert found[3, 2, 5] == kernel[2 * 8 + 5, 3]


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name]().classifies])
def test_the_loss_of_a_batch_is_the_mean_of_its_rows(name, ten, rng):
    """For the reductions that divide by the rows; a sum is their sum."""
    for reduction in LOSSES[name]().reductions:
        recipe = load_recipe("default", {**TEN, "loss": {"name": name, "reduction": reduction}})
        model = recipe.model(64, 10)
        trained = replace(ten.trained(), recipe=recipe, model=model, parameters=model.initialize(rng))
        z, classes = rng.normal(size=(20, 10)), rng.integers(10, size=20)
        rows = row_losses(trained, z, classes)
        y = targets(classes, 10, recipe.one_hot(model), "float64")
        whole = model.loss.value_and_gradient(z, y, np.empty_like(z), Work.empty(z, *z.shape))
        # Two orders of summing 200 terms, each with a roundoff of its sum of absolute values.
        assert abs(float(whole) - (rows.sum() if reduction == "sum" else rows.mean())) <= 400 * 2**-53 * np.abs(rows).sum()


def test_a_model_with_phases_is_looked_at_as_the_last_one_has_it():
    phases = [{"epochs": 1}, {"epochs": 1, "output": "sigmoid", "loss": {"name": "mean_squared_error"}}]
    trainer = Trainer(load_recipe("default", {**TEN, "phases": phases}))
    trainer.run()
    found = looked_at(trainer)
    assert found.layers[-1] == "sigmoid_1"
    assert found.loss == pytest.approx(trainer.history[-1]["test_loss"], rel=1e-4)
    assert ("the end of phase 1", "that of phase 2") in found.moved
    assert len(plots.accuracy_curves(found.history).figure.layout.shapes) == 1  # a line between the phases


def test_the_rule_of_30_is_applied_to_the_history(ten):
    found = looked_at(ten)
    last, before = ten.history[-1], ten.history[-2]
    moved = found.moved["epoch 2", "epoch 3"]
    assert moved.moved == round(found.images * (last["test_accuracy"] - before["test_accuracy"]))
    assert looked_at(ten, as_trained=False).moved == {}


def test_what_cannot_be_looked_at_is_said_in_a_sentence(ten):
    trained = ten.trained()
    images, labels = ten.data.test_images, ten.data.test_labels
    with pytest.raises(DataError, match=r"takes images of 8 x 8 pixels, and these have 28 x 28"):
        look(trained, np.zeros((3, 784)), labels[:3])
    with pytest.raises(DataError, match="no images"):
        look(trained, images[:0], labels[:0])
    with pytest.raises(DataError, match="diverged"):
        look(replace(trained, parameters=trained.parameters * np.float32(np.nan)), images, labels)


# The plane.


def test_the_plane_is_where_the_points_are(two):
    trained = two.trained()
    found = plane(trained, two.data.test_images, two.data.test_labels)
    np.testing.assert_array_equal(found.probabilities, trained.probabilities(two.data.test_images))
    assert found.points.min(axis=0)[0] > found.x[0]
    assert found.points.max(axis=0)[1] < found.y[-1]
    views = trained.model.views(trained.parameters)
    kernel, bias = views["dense_3.kernel"].astype(float), views["dense_3.bias"].astype(float)
    for row, column in ((0, 0), (10, 70), (80, 3)):
        logit = np.array([found.x[column], found.y[row]]) @ kernel + bias
        # The grid is computed in float32: its coordinates, two products and the sigmoid are rounded to it.
        assert found.grid[row, column, 1] == pytest.approx(1 / (1 + math.exp(-logit[0])), abs=2**-20 * (1 + abs(logit[0])))
    right = classify(trained.model, trained.outputs(two.data.test_images)) == two.data.test_labels
    assert right.mean() > 0.9


def test_other_models_have_no_plane(ten):
    found = looked_at(ten)
    assert found.plane is None
    assert "64-16-16-10 has 16 there" in no_plane(found)
    recipe = load_recipe("default", {**TEN, "network": {"hidden": []}})
    alone = looked_at(Trainer(recipe))
    assert alone.plane is None
    assert "64-10 has no hidden layer" in no_plane(alone)


def test_a_plane_without_extent_is_drawn(two):
    dead = replace(two.trained(), parameters=np.zeros_like(two.trained().parameters))
    found = plane(dead, two.data.test_images, two.data.test_labels)
    assert found.x[0] < 0 < found.x[-1]
    assert (found.grid == 0.5).all()


def test_a_plane_of_ten_classes(digits):
    recipe = load_recipe("default", {**TEN, "network": {"hidden": [8, 2]}})
    trainer = Trainer(recipe, data=digits)
    found = plane(trainer.trained(), trainer.data.test_images, trainer.data.test_labels)
    assert found.grid.shape == (81, 81, 10)
    np.testing.assert_allclose(found.grid.sum(axis=2), 1, atol=10 * 2**-24)
    assert "likeliest class" in plots.plane_height(found).description


# The pictures.


def test_every_picture_is_plain_json(ten, two):
    keys = [[plot.key for plot in plots.looking_plots(looked_at(trainer))] for trainer in (ten, two)]
    curves = ["accuracies", "losses", "activity", "gradients", "sums"]
    assert keys == [["confusion", "kernels", *curves], ["confusion", "kernels", "plane", "contours", "height", *curves]]
    for plot in plots.looking_plots(looked_at(two)):
        json.dumps(figure_json(plot), allow_nan=False)
        assert len(plot.description) > 30


def test_curves_leave_out_what_was_not_measured(ten):
    accuracy = plots.accuracy_curves(ten.history)
    assert [trace.name for trace in accuracy.figure.data] == ["test images"]
    assert list(accuracy.figure.data[0].y) == [100 * record["test_accuracy"] for record in ten.history]
    gone = [{**record, "loss": None, "test_loss": math.nan, "gradient_norms": None} for record in ten.history]
    assert plots.loss_curve(gone) is None
    assert plots.norm_curves(gone) is None
    assert plots.sum_curves([{"epoch": 1}]) is None
    assert plots.compared_accuracies({}) is None


def test_pictures_for_reproductions(ten, two):
    compared = plots.compared_accuracies({"network": two.history, "logistic regression": ten.history})
    assert [trace.name for trace in compared.figure.data] == ["network", "logistic regression"]
    batches = plots.batch_loss_curve([4.0, 2.0, 3.0, 1.0, 9.0], 2)
    assert list(batches.figure.data[1].y) == [3, 2]
    assert list(batches.figure.data[0].x) == [0.5, 1, 1.5, 2, 2.5]


def test_many_kernels_are_cut_to_the_largest_and_never_lose_a_pixel(rng):
    pictures = rng.normal(size=(120, 4, 4))
    pictures[7] = 0
    sheet = np.asarray(plots.kernels(pictures).figure.data[0].z)
    kept = sheet[~np.isnan(sheet)]
    assert len(kept) == 100 * 16
    assert 0 not in kept
    symmetric = plots.kernels(pictures).figure.data[0]
    assert symmetric.zmin == -symmetric.zmax


def test_a_png_is_one(rng):
    from PIL import Image

    image = rng.integers(256, size=(5, 9)) / 255
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(image)))), np.rint(255 * image))
    assert picture(image).startswith("data:image/png;base64,")


# What a person sees.


def test_the_terminal(two):
    console = Console(file=io.StringIO(), width=100)
    show_look(looked_at(two), console)
    text = console.file.getvalue()
    for word in ("Confusion matrix", "saturated", "dead", "dense_1", "Rule of 30"):
        assert word in text
    if looked_at(two).mistakes:
        assert "taken for" in text


def test_a_perfect_model_shows_no_mistakes(two):
    trained = two.trained()
    answers = classify(trained.model, trained.outputs(two.data.test_images))
    found = look(trained, two.data.test_images, answers)
    console = Console(file=io.StringIO(), width=100)
    show_look(found, console)
    assert found.accuracy == 1
    assert "Worst mistakes" not in console.file.getvalue()
    assert "Worst mistakes" not in to_html(found, "backproof look model")


def test_the_page_without_scripts(ten, two):
    text = to_html(looked_at(two), command_line("my model.safetensors"))
    assert text.count("<script>document.title") == 0
    assert "backproof look &#39;my model.safetensors&#39;" in text
    for page in (text, to_html(looked_at(ten), "")):
        for word in ("http://", "https://"):
            assert word not in page
    assert "has 16 there" in to_html(looked_at(ten), "")


@needs_chromium
@pytest.mark.parametrize("which", ["ten", "two"])
def test_every_plot_is_drawn_and_nothing_is_cut_off(which, request, browser, tmp_path):  # noqa: F811
    found = looked_at(request.getfixturevalue(which))
    page = write_page(found, tmp_path / "new" / "look.html", "backproof look model.safetensors")
    context = browser.new_context(viewport={"width": 1600, "height": 900}, offline=True)
    tab = context.new_page()
    errors = []
    # Chromium's software renderer warns of its own slowness where something is drawn in three dimensions.
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("requestfailed", lambda failed: errors.append(failed.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("[...document.querySelectorAll('[data-plot]')].every(plot => plot.querySelector('.main-svg'))")
    assert tab.locator("[data-plot]").count() == len(plots.looking_plots(found))
    assert tab.locator("h1").count() == 1
    assert tab.evaluate("document.title") != "broken"
    for width in (1600, 400):
        tab.set_viewport_size({"width": width, "height": 900})
        narrow = f"[...document.querySelectorAll('.main-svg')].every(drawn => drawn.getBoundingClientRect().width <= {width})"
        tab.wait_for_function(narrow)
        for plot in tab.locator("[data-plot]").all():
            box = plot.bounding_box()
            assert box["width"] <= width
            assert box["height"] >= 300
            assert len(plot.get_attribute("aria-label")) > 40
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        # Every mistake is a picture that has loaded, as high as it is wide.
        sizes = tab.evaluate("[...document.images].map(image => [image.naturalWidth, image.width, image.height])")
        assert len(sizes) == len(found.mistakes)
        assert all(natural == 8 and abs(wide - high) <= 1 for natural, wide, high in sizes)
    assert errors == []
    context.close()


# The command.


@pytest.fixture(scope="module")
def saved(two, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    two.trained().save(path)
    return path


def test_the_command(saved, two, tmp_path):
    done = RUNNER.invoke(
        app, ["look", str(saved), "--json", "--out", str(tmp_path / "out"), "--html", str(tmp_path / "a.html")]
    )
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads(json.dumps(to_dict(look_at_file(saved), command_line(str(saved)))))
    assert printed["accuracy"] == two.history[-1]["test_accuracy"]
    assert printed == json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    for folder in (tmp_path, tmp_path / "out"):
        assert (folder / "plotly.min.js").stat().st_size > 10**6
    shown = RUNNER.invoke(app, ["look", str(saved)])
    assert shown.exit_code == 0
    assert "Confusion matrix" in shown.stdout


def test_the_command_says_no_in_a_sentence(saved, tmp_path):
    (tmp_path / "text").write_text("no model", encoding="utf-8")
    for arguments, message in (
        ([tmp_path / "missing"], "there is no such file"),
        ([tmp_path / "text"], "no safetensors file"),
        ([saved, "--data-dir", tmp_path / "nowhere"], "there is no such folder"),
        ([saved, "--html", tmp_path], "--html"),
    ):
        done = RUNNER.invoke(app, ["look", *map(str, arguments)])
        assert done.exit_code == 2, arguments
        assert message in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.output


def test_the_order_of_shares_and_answers(ten):
    """What a page calls the machine's answer has the largest probability."""
    trained = ten.trained()
    z = trained.outputs(ten.data.test_images)
    np.testing.assert_array_equal(shares(trained.model, z).argmax(axis=1), classify(trained.model, z))
