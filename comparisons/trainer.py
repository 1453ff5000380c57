"""Training one recipe on one backend, epoch by epoch: phases, selection, schedules, records, and going on after a stop."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backends import Twin, load_backend
from backends.numpy_backend import NumpyTwin
from comparisons.activity import gradient_norms, measure_layers, parameter_sums
from comparisons.datasets import Dataset, load_dataset
from comparisons.mistaken_steps import PerExampleMoments, stale_updates
from comparisons.randomness import Randomness
from comparisons.recipe import PER_EXAMPLE, Recipe, load_recipe
from comparisons.trained import ModelFileError, TrainedModel
from comparisons.training import accuracy, classify, loss_and_cotangent, targets, top_accuracy
from scratch.arrays import Array
from scratch.layers import BatchNormalization, Dense
from scratch.model import Model
from scratch.schedules import Schedule

LOOKED_AT = 1000
"""Training images on which layers and gradients are measured after every epoch."""

OnStep = Callable[[int, int], None]
"""Called with the batches done in this epoch and their number."""


class Trainer:
    """A run of a recipe. `run_epoch` trains and measures one epoch; `history` has the record of each.

    Only whole epochs count: `save` writes what the last one left, and `resume` goes on from there with the same bits as if
    nothing had stopped. `dtype` is the recipe's where it names one, float32 otherwise.
    Raises RecipeError, DataError, BackendUnavailable, NotOffered.
    """

    def __init__(
        self,
        recipe: str | Path | Recipe,
        *,
        data_dir: str | Path | None = None,
        backend: str = "numpy",
        dtype: str | None = None,
        overrides: dict[str, Any] | None = None,
        data: Dataset | None = None,
    ) -> None:
        self.recipe = load_recipe(recipe, overrides)
        self.stages = self.recipe.stages
        settings = self.recipe.training
        self.dtype = dtype or ("float32" if settings.dtype == "both" else settings.dtype)
        self.backend = load_backend(backend)
        data = data or load_dataset(self.recipe.data.name, data_dir)
        self.data = data.select(**self.recipe.data.model_dump(exclude={"name"}), exact_in=settings.starts_exact_in)
        self.randomness = Randomness(settings.seed, settings.generator)
        self.history: list[dict[str, Any]] = []
        self.step = 0
        """Updates of the parameters."""
        self.batch_losses: list[float] = []
        """Of the last epoch, each before its step."""
        self._images = {
            part: None if images is None else images.astype(self.dtype)
            for part, images in (
                ("train", self.data.train_images),
                ("validation", self.data.validation_images),
                ("test", self.data.test_images),
            )
        }
        self._moments: PerExampleMoments | None = None
        self._last_output: Array | None = None
        self._twin: Twin
        parameters = self.randomness.parameters(self._model(0), settings.starts_exact_in)
        self._enter(0, parameters, None)

    @property
    def epoch(self) -> int:
        """Epochs that are complete."""
        return len(self.history)

    @property
    def epochs(self) -> int:
        """Epochs of all phases."""
        return sum(stage.training.epochs for stage in self.stages)

    @property
    def twin(self) -> Twin:
        """The network in its backend, as it is now."""
        return self._twin

    def start_from(self, trained: TrainedModel) -> None:
        """Take over the parameters and the state of another model; raises ModelFileError where the shapes differ."""
        ours, theirs = self.model, trained.model
        if (ours.shapes, ours.state_shapes) != (theirs.shapes, theirs.state_shapes):
            raise ModelFileError(
                f"that model is {_widths(theirs)} ({', '.join(theirs.layer_names)}), this recipe's "
                f"{_widths(ours)} ({', '.join(ours.layer_names)}). Load one of the same layers."
            )
        self._twin.set_parameters(trained.parameters.astype(self.dtype))
        self._twin.set_state(trained.state.astype(self.dtype))

    def run_epoch(self, on_step: OnStep = lambda *_: None) -> dict[str, Any]:
        """Train the next epoch; returns its record. Raises StopIteration after the last."""
        if self.epoch >= self.epochs:
            raise StopIteration("all epochs of the recipe are trained")
        phase, within = self._place(self.epoch)
        if phase != self.phase:
            self._enter(phase, self._twin.parameters(), self._twin.state(), self.stages[self.phase])
        start, before = time.perf_counter(), self.step
        losses, right, seen, trained, batches = self._train(within, on_step)
        self.batch_losses = losses
        record: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "phase": phase,
            "learning_rate": self._rate,
            "loss": float(np.mean(losses)) if losses else None,
            "train_accuracy": right / seen if seen else None,
            "batches": batches,
            "trained_batches": trained,
            "updates": self.step - before,
            "seconds": time.perf_counter() - start,
        }
        record |= self._evaluate() | (self._look() if "layers" in self.stages[phase].training.metrics else {})
        record["finite"] = self._is_finite(record)
        self.history.append(record)
        return record

    def run(self, on_epoch: Callable[[dict[str, Any]], None] = lambda _: None) -> "Trainer":
        """All epochs that are left."""
        while self.epoch < self.epochs:
            on_epoch(self.run_epoch())
        return self

    def trained(self) -> TrainedModel:
        """The network as it is now."""
        return TrainedModel(
            self.recipe,
            self.model,
            self._twin.parameters(),
            self._twin.state(),
            self.data.digits,
            list(self.history),
            {"phase": self.phase, "epoch": self.epoch, "backend": self.backend.name, "dtype": self.dtype},
        )

    def save(self, path: str | Path) -> None:
        """Write the model, and in the same file all that `resume` needs; whole or not at all."""
        trained = self.trained()
        slots, step = self._twin.optimizer_state()
        training = {
            **trained.training,
            "step": self.step,
            "phase_start": self._phase_start,
            "optimizer_step": step,
            "random": self.randomness.state,
            "data": self.data.checksum,
        }
        extra = {f"optimizer.{name}": vector for name, vector in slots.items()}
        if self._moments is not None:
            extra |= {"moments.first": self._moments.first, "moments.second": self._moments.second}
            training["moments"] = self._moments.count
        replace(trained, training=training, extra=extra).save(path)

    @classmethod
    def resume(
        cls,
        path: str | Path,
        recipe: str | Path | Recipe | None = None,
        *,
        data_dir: str | Path | None = None,
        backend: str | None = None,
        overrides: dict[str, Any] | None = None,
        data: Dataset | None = None,
    ) -> "Trainer":
        """Go on with what `save` wrote. A recipe that is given may differ in its number of epochs only.

        Raises ModelFileError with one sentence on why the file cannot be gone on with.
        """
        found = TrainedModel.load(path)
        training = dict(found.training)
        if "optimizer_step" not in training:
            raise ModelFileError(f"{path}: nothing in it says how its training goes on. Start from it with --load instead.")
        chosen = load_recipe(recipe or found.recipe, overrides)
        if _but_for_epochs(chosen) != _but_for_epochs(found.recipe):
            raise ModelFileError(
                f"{path}: it was trained with another recipe{_first_difference(found.recipe, chosen)}. "
                "Leave the recipe as it was, or start from the file with --load."
            )
        backend = backend or training["backend"]
        trainer = cls(chosen, data_dir=data_dir, backend=backend, dtype=training["dtype"], data=data)
        if trainer.data.checksum != training["data"]:
            raise ModelFileError(f"{path}: it was trained with other images. Give those with --data-dir, or use --load.")
        trainer.step, trainer.history = training["step"], list(found.history)
        trainer.randomness.state = training["random"]
        trainer._enter(training["phase"], found.parameters, found.state)
        trainer._phase_start = training["phase_start"]
        slots = {
            name.removeprefix("optimizer."): vector for name, vector in found.extra.items() if name.startswith("optimizer.")
        }
        trainer._twin.set_optimizer_state(slots, training["optimizer_step"])
        if trainer._moments is not None:
            trainer._moments.first[...], trainer._moments.second[...] = (
                found.extra["moments.first"],
                found.extra["moments.second"],
            )
            trainer._moments.count = training["moments"]
        return trainer

    def _train(self, epoch: int, on_step: OnStep) -> tuple[list[float], int, int, int, int]:
        """All batches of one epoch, the `epoch`-th of its phase.

        Returns the losses before each step, the right outputs and of how many, the batches that were trained and all of them.
        """
        stage, twin, settings = self.stages[self.phase], self._twin, self.stages[self.phase].training
        images, labels = self._images["train"], self._labels
        assert images is not None
        batches = self.randomness.batches(len(images), stage.rows_per_batch(len(images)), settings.order)
        schedule = self._schedule(len(batches))
        steady = stage.schedule.name == "constant"
        masked = stage.network.dropout > 0
        running = "running_accuracy" in settings.metrics
        if not steady and stage.schedule.per == "epoch":
            self._set_rate(schedule.rate(epoch))
        losses: list[float] = []
        right = seen = trained = 0
        for done, rows in enumerate(batches, start=1):
            x, y = images[rows], labels[rows]
            if len(x) < self.model.fewest_rows:
                continue
            # A loss that is not a number is above nothing and below nothing: such a batch is trained, so that it is seen.
            if (
                settings.train_above is not None
                and loss_and_cotangent(self.model, twin.predict(x), y)[0] <= settings.train_above
            ):
                on_step(done, len(batches))
                continue
            trained += 1
            # Stale updates are made all at once, from one forward pass.
            at_once = settings.updates_per_batch if "stale_deltas" in stage.mistakes else 1
            for _ in range(settings.updates_per_batch // at_once):
                if masked:
                    twin.set_masks(self.randomness.masks(self.model, len(x), self.step))
                if not steady and stage.schedule.per == "step":
                    self._set_rate(schedule.rate(self.step - self._phase_start))
                losses.append(self._update(x, y, at_once))
                self.step += at_once
                if running:
                    right += int((classify(self.model, self._output()) == self.data.train_labels[rows]).sum())
                    seen += len(x)
            on_step(done, len(batches))
        return losses, right, seen, trained, len(batches)

    def _update(self, x: Array, y: Array, at_once: int) -> float:
        """One step of the optimizer, or what a mistake has in its place; the loss before it."""
        if self._moments is not None:
            loss, self._last_output = self._moments.step(self._twin, x, y)
        elif "stale_deltas" in self.recipe.mistakes:
            loss, self._last_output = stale_updates(self._twin, self.model, x, y, at_once)
        else:
            return self._twin.train_step(x, y)
        return loss

    def _output(self) -> Array:
        """The output of the last step's forward pass."""
        return self._twin.last_output() if self._last_output is None else self._last_output

    def _enter(self, phase: int, parameters: Array, state: Array | None, before: Recipe | None = None) -> None:
        """A twin for that phase, from parameters and state; with the optimizer's state where it goes on from `before`."""
        stage = self.stages[phase]
        convention = stage.convention_of(self.backend.convention)
        self.phase, self.model = phase, self._model(phase)
        optimizer = stage.training_optimizer(convention)
        twin = self.backend.mirror(self.model.in_convention(convention), parameters, optimizer, self.dtype)
        if state is not None:
            twin.set_state(state)
        keeps = before is not None and self.recipe.phases[phase].keep_optimizer_state
        if before is not None and keeps:
            former = before.training_optimizer(convention)
            if (former.name, former.slots) == (optimizer.name, optimizer.slots):
                twin.set_optimizer_state(*self._twin.optimizer_state())
        self._twin = twin
        self._base_rate = self._rate = optimizer.learning_rate
        self._phase_start = self.step
        self._last_output = None
        self._moments = self._moments_of(stage, self._moments if keeps else None)
        one_hot, units = stage.one_hot(self.model), self.model.widths[-1]
        self._labels = targets(self.data.train_labels, units, one_hot, self.dtype)
        self._one_hot = one_hot

    def _moments_of(self, stage: Recipe, before: PerExampleMoments | None) -> PerExampleMoments | None:
        """The moments of a stage that keeps them per example, going on from those before."""
        wrong = PER_EXAMPLE & set(stage.mistakes)
        if not wrong:
            return None
        reset = "moments_reset" in wrong
        fresh = PerExampleMoments.of(stage.build_optimizer("paper"), self.model.size, self.dtype, reset=reset)
        return replace(fresh, first=before.first, second=before.second, count=before.count) if before else fresh

    def _model(self, phase: int) -> Model:
        return self.stages[phase].model(self.data.train_images.shape[1], self.data.classes)

    def _place(self, epoch: int) -> tuple[int, int]:
        """The phase of an epoch, and its number within it."""
        for phase, stage in enumerate(self.stages):
            if epoch < stage.training.epochs:
                return phase, epoch
            epoch -= stage.training.epochs
        raise AssertionError("the recipe has no such epoch")

    def _schedule(self, batches: int) -> Schedule:
        """The phase's schedule, for epochs of that many batches."""
        stage = self.stages[self.phase]
        own = [record for record in self.history if record["phase"] == self.phase]
        watched = [record.get("validation_loss", record["loss"] or 0.0) for record in own]
        length = stage.training.epochs
        if stage.schedule.per == "step":
            length *= batches * stage.training.updates_per_batch
        return stage.schedule.build(self._base_rate, length, lambda epoch: watched[epoch])

    def _set_rate(self, rate: float) -> None:
        if rate != self._rate:
            self._twin.set_learning_rate(rate)
            self._rate = rate

    def _evaluate(self) -> dict[str, float]:
        """Loss and accuracy in inference, on the images that training does not see."""
        found = {}
        for part, labels in (("validation", self.data.validation_labels), ("test", self.data.test_labels)):
            images = self._images[part]
            if images is None or labels is None:
                continue
            output = self._twin.predict(images)
            y = targets(labels, self.model.widths[-1], self._one_hot, self.dtype)
            found[f"{part}_loss"], _ = loss_and_cotangent(self.model, output, y)
            found[f"{part}_accuracy"] = accuracy(self.model, output, labels)
            for k in (2, 3):
                if f"top_{k}_accuracy" in self.stages[self.phase].training.metrics:
                    found[f"{part}_top_{k}_accuracy"] = top_accuracy(output, labels, k)
        return found

    def _look(self) -> dict[str, Any]:
        """What goes on inside, measured on a few training images, with scratch at the twin's parameters."""
        images = self._images["train"]
        assert images is not None
        x, y = images[:LOOKED_AT], self._labels[:LOOKED_AT]
        parameters, state = self._twin.parameters(), self._twin.state()
        scratch = NumpyTwin(self.model, parameters, self.stages[self.phase].training_optimizer("paper"), self.dtype)
        scratch.set_state(state)
        output = scratch.predict(x)
        # In inference: no unit is dropped, and running statistics stay as they are.
        pulled = scratch.vjp(x, loss_and_cotangent(self.model, output, y)[1], training=False)
        weights, biases = parameter_sums(self.model, parameters)
        return {
            "gradient_norms": gradient_norms(self.model, pulled.gradients),
            "sum_of_weights": weights,
            "sum_of_biases": biases,
            **measure_layers(self.model, parameters, state, x),
        }

    def _is_finite(self, record: dict[str, Any]) -> bool:
        """Whether the network still holds and gives numbers."""
        losses = [record[key] for key in ("loss", "test_loss") if record[key] is not None]
        arrays = (self._twin.parameters(), self._twin.state())
        return bool(np.isfinite(losses).all() and all(np.isfinite(array).all() for array in arrays))


def _widths(model: Model) -> str:
    kept = [layer for layer in model.layers if isinstance(layer, Dense)]
    normal = " with batch normalization" if any(isinstance(layer, BatchNormalization) for layer in model.layers) else ""
    return "-".join(str(width) for width in (model.inputs, *(layer.outputs for layer in kept))) + normal


def _but_for_epochs(recipe: Recipe) -> list[dict[str, Any]]:
    """All that decides the bits of an epoch, phase by phase; only the last one's length does not."""
    stages = [stage.model_dump(exclude={"title", "source", "tune", "phases"}) for stage in recipe.stages]
    for stage, phase in zip(stages, recipe.phases, strict=False):
        stage["keep_optimizer_state"] = phase.keep_optimizer_state
    stages[-1]["training"].pop("epochs")
    return stages


def _first_difference(before: Recipe, now: Recipe) -> str:
    """The first entry in which two recipes differ, as a clause."""
    pairs = zip(_but_for_epochs(before), _but_for_epochs(now), strict=False)
    for phase, (theirs, ours) in enumerate(pairs):
        for table, entries in ours.items():
            was = theirs.get(table)
            if entries == was:
                continue
            where = f"phases.{phase}.{table}" if now.phases else table
            if not isinstance(entries, dict) or not isinstance(was, dict):
                return f" ({where} was {was} and is {entries})"
            key = next(key for key in {**was, **entries} if entries.get(key) != was.get(key))
            return f" ({where}.{key} was {was.get(key)} and is {entries.get(key)})"
    return " (with another number of phases)"
