"""Models as files: what is written comes back, and what is no model is refused in one sentence."""

import json

import numpy as np
import pytest
import safetensors.numpy
import torch

from comparisons.recipe import Recipe
from comparisons.trained import ModelFileError, TrainedModel, shares, write_atomically
from comparisons.trainer import Trainer
from comparisons.training import classify
from scratch.arrays import Array


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    table = {"data": {"name": "digits"}, "network": {"hidden": [9], "batch_normalization": True}, "training": {"epochs": 2}}
    return Trainer(Recipe.model_validate(table)).run()


def test_a_file_comes_back_bit_for_bit(trainer, tmp_path):
    path = tmp_path / "model.safetensors"
    trainer.save(path)
    before, after = trainer.trained(), TrainedModel.load(path)
    assert np.array_equal(after.parameters, before.parameters)
    assert np.array_equal(after.state, before.state)
    assert (after.recipe, after.history, after.labels) == (before.recipe, before.history, tuple(range(10)))
    images = trainer.data.test_images
    assert np.array_equal(after.probabilities(images), before.probabilities(images))
    assert (after.classify(images) == trainer.data.test_labels).mean() == trainer.history[-1]["test_accuracy"]
    assert np.allclose(after.probabilities(images).sum(axis=1), 1, atol=1e-6)


def test_the_frameworks_own_tools_read_the_file(trainer, tmp_path):
    import safetensors.torch

    path = tmp_path / "model.safetensors"
    trainer.trained().save(path)
    tensors = safetensors.torch.load_file(path)
    assert set(tensors) == {*trainer.model.shapes, *trainer.model.state_shapes}
    kernel = trainer.model.views(trainer.trained().parameters)["dense_1.kernel"]
    assert np.array_equal(tensors["dense_1.kernel"].numpy(), kernel)
    import safetensors.flax
    import safetensors.tensorflow

    assert np.array_equal(safetensors.tensorflow.load_file(path)["dense_1.kernel"].numpy(), kernel)
    assert np.array_equal(np.asarray(safetensors.flax.load_file(path)["dense_1.kernel"]), kernel)


@pytest.mark.parametrize("backend", ["numpy", "torch", "keras", "jax"])
def test_the_same_bits_answer_alike_on_every_backend(trainer, backend):
    trained = trainer.trained()
    images = trainer.data.test_images[:20]
    outputs = trained.on(backend).predict(trained.scaled(images))
    assert np.array_equal(outputs.argmax(axis=1), trained.classify(images))


def files(trained: TrainedModel) -> dict[str, tuple[bytes, str]]:
    """What somebody may take for a model, and how it is refused."""
    tensors = {path: np.ascontiguousarray(view) for path, view in trained.model.views(trained.parameters).items()}
    about = {"format": "backproof-model-1", "recipe": trained.recipe.to_toml(), "inputs": "64", "phase": "0"}
    about |= {"labels": json.dumps(trained.labels), "history": "[]", "training": "{}"}
    whole = safetensors.numpy.save(tensors, about)
    bad = {**tensors, "dense_2.kernel": np.zeros((3, 3), np.float32)}
    return {
        "text": (b"not a model at all", "it is no safetensors file, or it is cut off"),
        "empty": (b"", "it is no safetensors file, or it is cut off"),
        "truncated": (whole[: len(whole) // 2], "it is no safetensors file, or it is cut off"),
        "another's": (safetensors.numpy.save(tensors), "not one of a backproof model"),
        "damaged": (safetensors.numpy.save(tensors, {**about, "labels": "x"}), "its description is damaged"),
        "recipe": (safetensors.numpy.save(tensors, {**about, "recipe": "[data]\nname = 1"}), "the recipe in it cannot be used"),
        "missing": (whole, "batch_normalization_1.mean is missing, but its recipe needs"),
        "shapes": (safetensors.numpy.save(bad, about), r"dense_2.kernel has shape \(3, 3\), but its recipe needs \(9, 10\)"),
        "more": (safetensors.numpy.save(tensors | _state(trained) | {"x": np.zeros(1)}, about), "its recipe knows no x"),
    }


def _state(trained: TrainedModel) -> dict[str, Array]:
    parts = zip(trained.model.layer_names, trained.model.state_by_layer(trained.state), strict=True)
    return {f"{name}.{key}": np.ascontiguousarray(view) for name, arrays in parts for key, view in arrays.items()}


@pytest.mark.parametrize("case", ["text", "empty", "truncated", "another's", "damaged", "recipe", "missing", "shapes", "more"])
def test_what_is_no_model_is_refused_in_one_line(trainer, case, tmp_path):
    content, message = files(trainer.trained())[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as caught:
        TrainedModel.load(path)
    assert str(caught.value).count("\n") == 0
    assert str(path) in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such file"):
        TrainedModel.load(tmp_path / "none.safetensors")
    with pytest.raises(ModelFileError):
        TrainedModel.load(tmp_path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_outputs_as_shares():
    def model(**tables):
        return Recipe.model_validate(tables).model(4, 2)

    z = np.array([[1.0, 3.0]])
    assert np.allclose(shares(model(), z), [[0.11920292, 0.88079708]])
    sigmoids = 1 / (1 + np.exp(-z))
    assert np.allclose(shares(model(loss={"name": "binary_cross_entropy"}), z), sigmoids / sigmoids.sum())
    squared = model(loss={"name": "mean_squared_error"})
    assert np.allclose(shares(squared, z), [[0.25, 0.75]])
    assert np.allclose(shares(squared, -z), [[0.5, 0.5]])
    one = model(network={"outputs": 1}, loss={"name": "binary_cross_entropy"})
    assert np.allclose(shares(one, np.array([[0.0]])), [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("loss", "output", "middle"),
    [
        ("binary_cross_entropy", "linear", 0),
        ("mean_squared_error", "linear", 0.5),
        ("mean_squared_error", "sigmoid", 0.5),
    ],
)
def test_one_unit_decides_where_its_shares_do(loss, output, middle):
    network = {"outputs": 1, "output": output}
    model = Recipe.model_validate({"network": network, "loss": {"name": loss}}).model(4, 2)
    z = np.array([[middle - 0.01], [middle + 0.01]])
    assert classify(model, z).tolist() == [0, 1]
    assert shares(model, z).argmax(axis=1).tolist() == [0, 1]


def test_a_model_of_other_settings_or_broken_numbers_is_not_taken_back(trainer):
    trained = trainer.trained()
    module = trained.to_torch()
    assert np.array_equal(trained.from_torch(module).parameters, trained.parameters)
    module[1].eps = 0.1
    with pytest.raises(
        ModelFileError, match=r"batch_normalization_1: that model has batch_normalization \(.*epsilon 0.1.*where"
    ):
        trained.from_torch(module)
    module = trained.to_torch()
    with torch.no_grad():
        module[0].weight[0, 0] = float("nan")
    with pytest.raises(ModelFileError, match="numbers that are not finite"):
        trained.from_torch(module)


def test_images_are_taken_as_people_have_them(trainer):
    trained, images = trainer.trained(), trainer.data.test_images[:3]
    answers = trained.classify(images)
    assert trained.classify(images[0]).tolist() == answers[:1].tolist()
    assert trained.classify(images.reshape(3, 8, 8)).tolist() == answers.tolist()
    with pytest.raises(ValueError, match="an image has 63 pixels, the network takes 64"):
        trained.classify(images[:, 1:])
    with pytest.raises(ValueError, match="pixels are to be from 0 to 1"):
        trained.classify(16 * images)
    assert len(repr(trained)) < 300
