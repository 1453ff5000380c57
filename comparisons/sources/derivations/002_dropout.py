# Source 002, `dropout`: the hidden layer times a mask times 2. As printed, with its ReLU mended, and with both mended.
import numpy as np


def relu(x):
    return (x >= 0) * x


def relu2deriv(output):
    return output >= 0


def printed_inputs(rng):
    return {
        "image": rng.random((1, 8)),
        "target": np.array([[0, 0, 1, 0]]),
        "weights_0_1": 0.2 * rng.random((8, 6)) - 0.1,
        "weights_1_2": 0.2 * rng.random((6, 4)) - 0.1,
        "dropout_mask": rng.integers(2, size=(1, 6)),
    }


def printed_forward(image, target, weights_0_1, weights_1_2, dropout_mask):
    layer_1 = relu(np.dot(image, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    return np.sum((layer_2 - target) ** 2) / 2


def printed_backward(image, target, weights_0_1, weights_1_2, dropout_mask):
    layer_1 = relu(np.dot(image, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    layer_2_delta = layer_2 - target
    layer_1_delta = layer_2_delta.dot(weights_1_2.T) * relu2deriv(layer_1)
    layer_1_delta = layer_1_delta * dropout_mask
    return {"weights_0_1": image.T.dot(layer_1_delta), "weights_1_2": layer_1.T.dot(layer_2_delta)}


relu_mended_inputs = printed_inputs
relu_mended_forward = printed_forward


def relu_mended_backward(image, target, weights_0_1, weights_1_2, dropout_mask):
    layer_1 = relu(np.dot(image, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    layer_2_delta = layer_2 - target
    layer_1_delta = layer_2_delta.dot(weights_1_2.T) * (layer_1 > 0)
    layer_1_delta = layer_1_delta * dropout_mask
    return {"weights_0_1": image.T.dot(layer_1_delta), "weights_1_2": layer_1.T.dot(layer_2_delta)}


mended_inputs = printed_inputs
mended_forward = printed_forward


def mended_backward(image, target, weights_0_1, weights_1_2, dropout_mask):
    layer_1 = relu(np.dot(image, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    layer_2_delta = layer_2 - target
    layer_1_delta = layer_2_delta.dot(weights_1_2.T) * (layer_1 > 0)
    layer_1_delta = layer_1_delta * dropout_mask * 2
    return {"weights_0_1": image.T.dot(layer_1_delta), "weights_1_2": layer_1.T.dot(layer_2_delta)}
