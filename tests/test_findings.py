"""What Keras and PyTorch really compute, each fact that we rely on with a reproducer that imports only the framework.

If one of these fails, a framework has changed: then a convention or an adapter of ours has to follow.
"""

import warnings

import numpy as np
import pytest

GRADIENT = 1e-6


@pytest.fixture(scope="module")
def keras(backends):
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield keras
    keras.config.set_floatx(before)


@pytest.fixture(scope="module")
def torch(backends):
    import torch

    return torch


def keras_step(keras, optimizer, gradients, start=1.0):
    variable = keras.Variable(np.array([start]), dtype="float64")
    for gradient in gradients:
        optimizer.apply([np.array([gradient])], [variable])
    return float(np.asarray(variable)[0])


def torch_step(torch, make, gradients, start=1.0):
    parameter = torch.nn.Parameter(torch.tensor([start], dtype=torch.float64))
    optimizer = make([parameter])
    for gradient in gradients:
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return parameter.item()


def test_adams_epsilon_weighs_more_in_keras(keras, torch):
    """The first step moves by eta g / (g + epsilon) in the paper; in Keras epsilon is divided by sqrt(1 - beta_2)."""
    eta, epsilon, beta_2 = 1e-3, 1e-8, 0.75  # a beta that is exact in float32 keeps the other cause away
    moved = 1 - torch_step(torch, lambda p: torch.optim.Adam(p, eta, (0.5, beta_2), epsilon), [GRADIENT])
    assert moved == pytest.approx(eta * GRADIENT / (GRADIENT + epsilon), rel=1e-9)
    optimizer = keras.optimizers.Adam(eta, beta_1=0.5, beta_2=beta_2, epsilon=epsilon)
    moved = 1 - keras_step(keras, optimizer, [GRADIENT])
    assert moved == pytest.approx(eta * GRADIENT / (GRADIENT + epsilon / np.sqrt(1 - beta_2)), rel=1e-9)


def test_keras_rounds_adams_betas_to_float32(keras):
    """With epsilon = 0 the first step moves by eta exactly; rounded powers miss it by 6.5e-6, far above float64's 1e-16."""
    moved = 1 - keras_step(keras, keras.optimizers.Adam(1.0, epsilon=0.0), [2.0], start=1.0)
    powers = np.sqrt(1 - float(np.float32(0.999))) / (1 - float(np.float32(0.9)))
    assert moved == pytest.approx(powers * (1 - 0.9) / np.sqrt(1 - 0.999), rel=1e-14)
    assert abs(moved - 1) > 1e-6
    exact_betas = keras.optimizers.Adam(1.0, beta_1=0.875, beta_2=1 - 2.0**-10, epsilon=0.0)
    assert 1 - keras_step(keras, exact_betas, [2.0]) == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("nesterov", [False, True])
def test_keras_rounds_the_momentum_to_float32(keras, torch, nesterov):
    """Two steps with gradient 1 and rate 1 move by 1 + (1 + mu), and mu comes out as float32(0.9). Not PyTorch's."""
    mu = float(np.float32(0.9))
    moved = 1 - keras_step(keras, keras.optimizers.SGD(1.0, momentum=0.9, nesterov=nesterov), [1.0, 1.0])
    expected = {False: lambda mu: 2 + mu, True: lambda mu: (1 + mu) + (1 + mu + mu * mu)}[nesterov]
    assert moved == pytest.approx(expected(mu), rel=1e-15)
    assert abs(moved - expected(0.9)) > 1e-8
    moved = 1 - torch_step(torch, lambda p: torch.optim.SGD(p, 1.0, 0.9, nesterov=nesterov), [1.0, 1.0])
    assert moved == pytest.approx(expected(0.9), rel=1e-15)


def test_keras_keeps_the_learning_rate_in_floatx(keras):
    keras.config.set_floatx("float32")
    try:
        moved = 1 - keras_step(keras, keras.optimizers.SGD(0.01), [1.0])
    finally:
        keras.config.set_floatx("float64")
    assert moved == pytest.approx(float(np.float32(0.01)), rel=1e-14)


def test_a_changing_rate_tells_the_two_momentums_apart(keras, torch):
    """Rate 1, 1 and then 0.1, gradients 1, 1, 0: Keras's velocity has kept the old rate, PyTorch's has not."""
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    variable = keras.Variable(np.array([0.0]), dtype="float64")
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    twin = torch.optim.SGD([parameter], 1.0, momentum=0.5)
    for rate, gradient in ((1.0, 1.0), (1.0, 1.0), (0.1, 0.0)):
        optimizer.learning_rate = rate
        optimizer.apply([np.array([gradient])], [variable])
        twin.param_groups[0]["lr"] = rate
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        twin.step()
    assert float(np.asarray(variable)[0]) == pytest.approx(-(1 + 1.5 + 0.75))
    assert parameter.item() == pytest.approx(-(1 + 1.5 + 0.075))


def test_a_keras_loss_on_logits_looks_behind_a_softmax(keras):
    """Given softmax(z), the loss with from_logits=True returns that of z; of a copy of the same numbers, that of the numbers."""
    z, y = np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64")

    def cross_entropy(logits):
        return np.log(np.exp(logits).sum()) - (logits * y).sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras does say so, once
        secret = float(loss(y, keras.ops.convert_to_tensor(keras.activations.softmax(z))))
        output = keras.activations.softmax(keras.ops.convert_to_tensor(z))
        behind = float(loss(y, output))
    probabilities = np.exp(z) / np.exp(z).sum()
    copied = float(loss(y, np.asarray(output)))
    assert behind == pytest.approx(cross_entropy(z), rel=1e-15)
    assert copied == pytest.approx(cross_entropy(probabilities), rel=1e-15)
    assert secret == behind


def test_a_keras_loss_casts_to_floatx(keras):
    keras.config.set_floatx("float32")
    try:
        assert keras.losses.MeanSquaredError()(np.zeros((1, 1)), np.ones((1, 1))).dtype == "float32"
        assert keras.losses.MeanSquaredError(dtype="float64")(np.zeros((1, 1)), np.ones((1, 1))).dtype == "float64"
    finally:
        keras.config.set_floatx("float64")


def test_sum_means_another_sum(keras, torch):
    """Keras averages over the last axis before it sums over the batch."""
    z, y = np.full((2, 3), 2.0), np.zeros((2, 3))
    assert float(keras.losses.MeanSquaredError(reduction="sum")(y, z)) == 8
    assert torch.nn.functional.mse_loss(torch.tensor(z), torch.tensor(y), reduction="sum").item() == 24


def test_all_choose_zero_for_relu_at_its_kink(keras, torch):
    import tensorflow as tf

    x = tf.Variable([0.0], dtype="float64")
    with tf.GradientTape() as tape:
        y = keras.activations.relu(x)
    assert np.asarray(tape.gradient(y, x)).tolist() == [0]
    z = torch.zeros(1, requires_grad=True)
    torch.relu(z).backward()
    assert z.grad.tolist() == [0]
