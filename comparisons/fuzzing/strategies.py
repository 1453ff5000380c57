"""Strategies for what scratch describes: activations, losses, optimizers, networks, and batches for them."""

import itertools
from collections.abc import Collection

from hypothesis import strategies as st

from comparisons.fuzzing.domains import targets
from comparisons.fuzzing.edges import ROWS, arrays, numbers
from scratch.activations import ACTIVATIONS, Activation
from scratch.arrays import Array
from scratch.initializers import he_normal, normal
from scratch.layers import Dense, Layer
from scratch.losses import LOSSES, Loss, cases
from scratch.model import Model
from scratch.optimizers import OPTIMIZERS, VARIANTS, Optimizer

USUAL = numbers(-8, 8)
"""Of the size that inputs and parameters of a network have."""


def activations(*, bounded: bool = False) -> st.SearchStrategy[Activation]:
    """Activations; `bounded` leaves out those that overflow for inputs of usual size times a few weights.

    Example:
        @given(activations(), arrays())
        def test_my_table_has_every_activation(activation, z):
            assert np.allclose(MY_TABLE[activation.name](z), scratch_value(activation, z))
    """
    return st.sampled_from([entry for entry in ACTIVATIONS.values() if not (bounded and entry.overflows)])


def losses(*, outputs: Collection[str] = ()) -> st.SearchStrategy[Loss]:
    """Losses in every reduction and setting that is worth comparing, or those whose `outputs` are one of these.

    Example:
        @given(st.data(), losses(outputs=["real"]))
        def test_my_losses_are_not_negative(data, loss):
            z, y = data.draw(arrays(3, 4)), data.draw(targets(loss, 3, 4))
            assert my_loss(loss.name, z, y) >= 0
    """
    listed = [case.loss for name in LOSSES for case in cases(name)]
    return st.sampled_from([loss for loss in listed if not outputs or loss.outputs in outputs])


@st.composite
def optimizers(draw: st.DrawFn, convention: str = "paper") -> Optimizer:
    """Optimizers with their defaults or one of the settings that are worth comparing, in a convention.

    Example:
        @given(optimizers(convention="torch"))
        def test_my_optimizer_starts_as_scratch_does(optimizer):
            assert my_optimizer(optimizer.name).learning_rate == optimizer.learning_rate
    """
    name = draw(st.sampled_from(list(OPTIMIZERS)))
    settings = draw(st.sampled_from([{}, *VARIANTS.get(name, [])]))
    return OPTIMIZERS[name](convention=convention, **settings)


@st.composite
def networks(
    draw: st.DrawFn, *, layers: int = 3, width: int = 5, activation: str | None = None, loss: Loss | None = None
) -> Model:
    """Networks of one to `layers` dense layers of at most `width` units, each followed by an activation, and a loss.

    Their losses take any outputs. `model.initialize(rng)` draws parameters, and `batches(model)` what to train on.

    Example:
        @given(networks(layers=2), st.integers(0, 2**32 - 1))
        def test_my_port_predicts_the_same(model, seed):
            x = np.ones((3, model.inputs), np.float32)
            twin = NumpyBackend().mirror(model, model.initialize(np.random.default_rng(seed)), SGD(), "float64")
            assert np.allclose(my_port(model, twin.parameters()).predict(x), twin.predict(x))
    """
    entries = activations(bounded=True) if activation is None else st.just(ACTIVATIONS[activation])
    chosen: list[Layer] = []
    widths = draw(st.lists(st.integers(1, width), min_size=2, max_size=layers + 1))
    for fan_in, fan_out in itertools.pairwise(widths):
        entry = draw(entries)
        chosen += [Dense(fan_in, entry.inputs(fan_out), he_normal(), normal(0.3), bias=draw(st.booleans())), entry]
    plain = losses(outputs=["real"]).filter(lambda one: not (one.settings.get("class_weights") or one.halves))
    return Model(widths[0], tuple(chosen), draw(plain) if loss is None else loss)


@st.composite
def batches(draw: st.DrawFn, model: Model, *, rows: int = ROWS) -> tuple[Array, Array]:
    """Inputs x (rows, inputs) of usual size, and targets y from the domain of the model's loss.

    Example:
        @given(st.data(), networks())
        def test_my_loss_is_finite(data, model):
            x, y = data.draw(batches(model, rows=5))
            assert np.isfinite(my_port(model).loss(x, y))
    """
    return draw(arrays(rows, model.inputs, USUAL)), draw(targets(model.loss, rows, model.widths[-1]))
