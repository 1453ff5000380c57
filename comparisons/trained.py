"""A trained network: its parameters with the recipe that made them, as a file, in a framework, and asked what it sees."""

import glob
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from backends import Twin, load_backend
from backends.numpy_backend import NumpyTwin
from comparisons.datasets import scale
from comparisons.recipe import Recipe, parse_recipe
from comparisons.recipe_errors import RecipeError
from comparisons.training import classify, takes_logits
from scratch.activations import ACTIVATIONS, Activation
from scratch.arrays import Array
from scratch.layers import Layer
from scratch.mistakes import mended
from scratch.model import Model

FORMAT = "backproof-model-1"


class ModelFileError(Exception):
    """The file cannot be used as a model. The message is one sentence on what is wrong and one on what to do."""


@dataclass(frozen=True, repr=False)
class TrainedModel:
    """A network with its parameters; `history` is what was measured after every epoch of its training."""

    recipe: Recipe
    model: Model
    parameters: Array
    """(size,), in the order of `Model.shapes`, in the precision of the training."""
    state: Array
    """Running statistics and the like, (state_size,)."""
    labels: tuple[int, ...]
    """The digit that each class stands for."""
    history: list[dict[str, Any]] = field(default_factory=list)
    training: Mapping[str, Any] = field(default_factory=dict)
    """What training needs to go on, see `Trainer.save`; empty where there is nothing of the kind."""
    extra: Mapping[str, Array] = field(default_factory=dict)
    """The arrays that belong to it, such as an optimizer's moments, by name."""

    def __repr__(self) -> str:
        layers = ", ".join(self.model.layer_names)
        digits = ", ".join(map(str, self.labels))
        return f"TrainedModel({self.recipe.title!r}: {self.model.inputs} inputs, {layers}; digits {digits}; {self.dtype})"

    @property
    def dtype(self) -> str:
        """The precision of the parameters."""
        return str(self.parameters.dtype)

    def on(self, backend: str = "numpy", dtype: str | None = None) -> Twin:
        """Its twin in a backend, with the same bits; raises BackendUnavailable or NotOffered."""
        loaded = load_backend(backend)
        optimizer = self.recipe.stages[-1].training_optimizer(loaded.convention or "paper")
        model = self.model.in_convention(loaded.convention or "paper")
        twin = loaded.mirror(model, self.parameters, optimizer, dtype or self.dtype)
        twin.set_state(self.state)
        return twin

    def scaled(self, images: Array) -> Array:
        """Images (rows, pixels) in [0, 1] as the network takes them; (rows, height, width) and a single row of pixels do too.

        Raises ValueError for images of another size or range.
        """
        images = np.asarray(images)
        images = images[None] if images.ndim == 1 else images.reshape(len(images), -1)
        if images.shape[1] != self.model.inputs:
            raise ValueError(
                f"an image has {images.shape[1]} pixels, the network takes {self.model.inputs}. Give rows of that many."
            )
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError("pixels are to be from 0 to 1. Divide bytes by 255; the network's own scaling comes after that.")
        return scale(images, self.recipe.data.scaling, self.recipe.training.starts_exact_in).astype(self.dtype)

    def outputs(self, images: Array) -> Array:
        """The last layer's (rows, units) for images in [0, 1]."""
        twin = NumpyTwin(self.model, self.parameters, self.recipe.stages[-1].training_optimizer("paper"), self.dtype)
        twin.set_state(self.state)
        return twin.predict(self.scaled(images))

    def probabilities(self, images: Array) -> Array:
        """The share that the network gives to each class, (rows, classes), for images in [0, 1]; see `shares`."""
        return shares(self.model, self.outputs(images))

    def classify(self, images: Array) -> Array:
        """The digit that the network sees in each image, (rows,)."""
        return np.asarray(self.labels)[classify(self.model, self.outputs(images))]

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, whole or not at all: parameters and state by path, the recipe and the history in its head."""
        tensors = {path: np.ascontiguousarray(view) for path, view in self.model.views(self.parameters).items()}
        states = self.model.state_by_layer(self.state)
        for name, arrays in zip(self.model.layer_names, states, strict=True):
            tensors |= {f"{name}.{key}": np.ascontiguousarray(view) for key, view in arrays.items()}
        tensors |= {f"training.{name}": np.ascontiguousarray(array) for name, array in self.extra.items()}
        about = {
            "format": FORMAT,
            "recipe": self.recipe.to_toml(),
            "inputs": json.dumps(self.model.inputs),
            "labels": json.dumps(self.labels),
            "phase": json.dumps(self.training.get("phase", len(self.recipe.stages) - 1)),
            "history": json.dumps(self.history),
            "training": json.dumps(dict(self.training)),
        }
        write_atomically(Path(path), safetensors.numpy.save(tensors, about))

    @classmethod
    def load(cls, path: str | Path) -> "TrainedModel":
        """Read what `save` wrote; raises ModelFileError with one sentence on what is wrong and one on what to do."""
        path = Path(path)
        about, tensors = _read(path)
        if about.get("format") != FORMAT:
            raise ModelFileError(
                f"{path}: it is a safetensors file, but not one of a backproof model. Give one that backproof train --save wrote."
            )
        try:
            recipe = parse_recipe(path.name, about["recipe"])
            labels = tuple(json.loads(about["labels"]))
            model = recipe.stages[json.loads(about["phase"])].model(json.loads(about["inputs"]), len(labels))
            history, training = json.loads(about["history"]), json.loads(about["training"])
        except RecipeError as error:
            raise ModelFileError(f"{path}: the recipe in it cannot be used: {error}") from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{path}: its description is damaged ({error!r}). Take the file from its source again."
            ) from error
        extra = {name.removeprefix("training."): tensors.pop(name) for name in list(tensors) if name.startswith("training.")}
        expected = {**model.shapes, **model.state_shapes}
        for name, shape in expected.items():
            found = tensors.pop(name, None)
            if found is None or found.shape != shape:
                what = f"has shape {found.shape}" if found is not None else "is missing"
                raise ModelFileError(
                    f"{path}: {name} {what}, but its recipe needs {shape}. Take the file from its source again."
                )
            expected[name] = found
        dtypes = {str(array.dtype) for array in expected.values()}
        if dtypes not in ({"float32"}, {"float64"}):
            raise ModelFileError(
                f"{path}: its arrays are {' and '.join(sorted(dtypes))}. Give all in float32 or all in float64."
            )
        if tensors:
            raise ModelFileError(f"{path}: its recipe knows no {next(iter(tensors))}. Take the file from its source again.")
        dtype = next(iter(expected.values())).dtype
        parameters = [expected[name].ravel() for name in model.shapes]
        state = [expected[name].ravel() for name in model.state_shapes]
        return cls(
            recipe,
            model,
            np.concatenate([*parameters, np.zeros(0, dtype)]),
            np.concatenate([*state, np.zeros(0, dtype)]),
            labels,
            history,
            training,
            extra,
        )

    def to_torch(self) -> Any:
        """A plain `torch.nn.Sequential` with these parameters, for scaled images; raises NotOffered where it has no such layer."""
        from backends.on_torch.export import to_sequential

        return to_sequential(self.model, self.parameters, self.state, self.dtype)

    def to_keras(self) -> Any:
        """A plain `keras.Sequential` with these parameters, for scaled images; raises NotOffered where it has no such layer."""
        from backends.on_keras.export import to_sequential

        return to_sequential(self.model, self.parameters, self.state, self.dtype)

    def from_torch(self, module: Any) -> "TrainedModel":
        """This network with the parameters of a module of the same layers, such as one from `to_torch` that was trained on."""
        from backends.on_torch.export import from_sequential

        return self._with(*from_sequential(module, self.model.loss))

    def from_keras(self, model: Any) -> "TrainedModel":
        """This network with the parameters of a Keras model of the same layers, such as one from `to_keras`."""
        from backends.on_keras.export import from_sequential

        return self._with(*from_sequential(model, self.model.loss))

    def _with(self, model: Model, parameters: Array, state: Array) -> "TrainedModel":
        # A planted mistake leaves with its values only: what comes back is the layer that was meant.
        ours = [mended(layer) for layer in self.model.layers]
        for name, layer, theirs in itertools.zip_longest(self.model.layer_names, ours, model.layers):
            if layer is None or theirs is None or _decisive(layer) != _decisive(theirs):
                raise ModelFileError(
                    f"{name or 'the end'}: that model has {_described(theirs)} where this one has {_described(layer)}. "
                    "Give one of the same layers and settings."
                )
        if not (np.isfinite(parameters).all() and np.isfinite(state).all()):
            raise ModelFileError("that model holds numbers that are not finite. Train it again with a lower learning rate.")
        return replace(self, parameters=parameters, state=state, history=[], training={}, extra={})


def _decisive(layer: Layer) -> tuple[str, dict[str, Any]]:
    """What decides a layer's outputs in inference, beside its parameters and its state."""
    if isinstance(layer, Activation):
        return layer.name, {key: float(np.float32(value)) for key, value in layer.settings.items()}
    # How it was drawn, which units it drops and how its running variance is estimated are matters of training.
    left_out = ("kernel_initializer", "bias_initializer", "kernel_regularizer", "rate", "momentum", "running_variance")
    numbers = {field.name: getattr(layer, field.name) for field in fields(layer) if field.name not in left_out}  # type: ignore[arg-type]
    return layer.name, {key: float(np.float32(value)) if isinstance(value, float) else value for key, value in numbers.items()}


def _described(layer: Layer | None) -> str:
    if layer is None:
        return "nothing"
    name, numbers = _decisive(layer)
    own = ", ".join(f"{key} {value:g}" for key, value in numbers.items() if isinstance(value, (int, float)))
    return f"{name} ({own})" if own else name


def shares(model: Model, output: Array) -> Array:
    """What outputs (rows, units) say as shares of one, (rows, classes).

    Softmax of the outputs where the loss takes logits of a distribution; sigmoids, shared out to a sum of one, where it takes
    one logit per unit; otherwise the outputs themselves, negative ones as 0, shared out. A single unit is the second class.
    """
    if takes_logits(model):
        output = _apply("sigmoid", output)
    elif model.loss.name.startswith("softmax"):
        return _apply("softmax", output)
    output = np.clip(output, 0, None)
    if output.shape[1] == 1:
        output = np.clip(output, 0, 1)
        return np.concatenate([1 - output, output], axis=1)
    total = output.sum(axis=1, keepdims=True)
    return np.where(total > 0, output / np.where(total > 0, total, 1), 1 / output.shape[1]).astype(output.dtype)


def _apply(name: str, z: Array) -> Array:
    """An activation's values."""
    from scratch.arrays import Work

    y = np.empty_like(z)
    ACTIVATIONS[name].forward({}, z, y, Work.empty(z, *z.shape))
    return y


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file: at any moment it holds either all of what it held before or all of the new content."""
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):  # by a process that was killed while it wrote
        if not _runs(left.name.split(".")[-2]):
            left.unlink(missing_ok=True)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _runs(process: str) -> bool:
    """Whether a process of that number runs here."""
    try:
        os.kill(int(process), 0)
    except (OSError, ValueError):
        return False
    return True


def _read(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    """The description and the arrays of a safetensors file."""
    if path.is_dir():
        raise ModelFileError(f"{path}: it is a folder. Give the file in it.")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: there is no such file. Train one with backproof train RECIPE --save {path}.") from error
    except safetensors.SafetensorError as error:
        raise ModelFileError(
            f"{path}: it is no safetensors file, or it is cut off ({error}). Give one that backproof train --save wrote."
        ) from error
    except OSError as error:
        raise ModelFileError(f"{path}: it cannot be read ({error.strerror or error}). Check that it is a file.") from error
