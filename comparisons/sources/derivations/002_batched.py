# Source 002, `batched`: 100 updates from one forward pass; here 5. As printed, then with one mistake less each time.
import numpy as np

RATE = 0.1
UPDATES = 5


def relu(x):
    return (x >= 0) * x


def relu2deriv(output):
    return output >= 0


def first_update_inputs(rng):
    return {
        "images": rng.random((4, 8)),
        "targets": np.eye(4, dtype=int)[[2, 0, 3, 1]],
        "weights_0_1": 0.2 * rng.random((8, 6)) - 0.1,
        "weights_1_2": 0.2 * rng.random((6, 4)) - 0.1,
        "dropout_mask": rng.integers(2, size=(4, 6)),
    }


def first_update_forward(images, targets, weights_0_1, weights_1_2, dropout_mask):
    layer_1 = relu(np.dot(images, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    return np.sum((layer_2 - targets) ** 2) / (2 * len(images))


def first_update_backward(images, targets, weights_0_1, weights_1_2, dropout_mask):
    """The first of the updates, for which nothing is stale yet: two mistakes."""
    layer_1 = relu(np.dot(images, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    layer_2_delta = (layer_2 - targets) / len(images)
    layer_1_delta = layer_2_delta.dot(weights_1_2.T) * relu2deriv(layer_1)
    layer_1_delta = layer_1_delta * dropout_mask
    return {"weights_0_1": images.T.dot(layer_1_delta), "weights_1_2": layer_1.T.dot(layer_2_delta)}


first_update_relu_mended_inputs = first_update_inputs
first_update_relu_mended_forward = first_update_forward


def first_update_relu_mended_backward(images, targets, weights_0_1, weights_1_2, dropout_mask):
    layer_1 = relu(np.dot(images, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    layer_2_delta = (layer_2 - targets) / len(images)
    layer_1_delta = layer_2_delta.dot(weights_1_2.T) * (layer_1 > 0)
    layer_1_delta = layer_1_delta * dropout_mask
    return {"weights_0_1": images.T.dot(layer_1_delta), "weights_1_2": layer_1.T.dot(layer_2_delta)}


first_update_mended_inputs = first_update_inputs
first_update_mended_forward = first_update_forward


def first_update_mended_backward(images, targets, weights_0_1, weights_1_2, dropout_mask):
    layer_1 = relu(np.dot(images, weights_0_1))
    layer_1 = layer_1 * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    layer_2_delta = (layer_2 - targets) / len(images)
    layer_1_delta = layer_2_delta.dot(weights_1_2.T) * (layer_1 > 0)
    layer_1_delta = layer_1_delta * dropout_mask * 2
    return {"weights_0_1": images.T.dot(layer_1_delta), "weights_1_2": layer_1.T.dot(layer_2_delta)}


def all_updates_inputs(rng):
    return first_update_inputs(rng)


def all_updates_forward(images, targets, weights_0_1, weights_1_2, dropout_mask):
    """The batch's loss, once for each of the updates: what their sum would be the gradient of."""
    layer_1 = relu(np.dot(images, weights_0_1)) * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    return UPDATES * np.sum((layer_2 - targets) ** 2) / (2 * len(images))


def all_updates_backward(images, targets, weights_0_1, weights_1_2, dropout_mask):
    """With the ReLU and the 2 mended: the deltas stay those of the forward pass, while weights_1_2 moves on."""
    layer_1 = relu(np.dot(images, weights_0_1)) * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    layer_2_delta = (layer_2 - targets) / len(images)
    sum_0_1, sum_1_2 = np.zeros_like(weights_0_1), np.zeros_like(weights_1_2)
    for _ in range(UPDATES):
        layer_1_delta = layer_2_delta.dot(weights_1_2.T) * (layer_1 > 0)
        layer_1_delta = layer_1_delta * dropout_mask * 2
        update_1_2 = layer_1.T.dot(layer_2_delta)
        weights_1_2 = weights_1_2 - RATE * update_1_2
        sum_1_2 = sum_1_2 + update_1_2
        sum_0_1 = sum_0_1 + images.T.dot(layer_1_delta)
    return {"weights_0_1": sum_0_1, "weights_1_2": sum_1_2}


def later_update_inputs(rng):
    inputs = first_update_inputs(rng)
    moved = {
        f"first_{name}": inputs[name] - 0.001 * rng.normal(size=inputs[name].shape) for name in ("weights_0_1", "weights_1_2")
    }
    return inputs | moved


def later_update_forward(images, targets, weights_0_1, weights_1_2, dropout_mask, first_weights_0_1, first_weights_1_2):
    """The batch's loss at the weights of now; the first ones are those of the batch's forward pass."""
    layer_1 = relu(np.dot(images, weights_0_1)) * dropout_mask * 2
    layer_2 = np.dot(layer_1, weights_1_2)
    return np.sum((layer_2 - targets) ** 2) / (2 * len(images))


def later_update_backward(images, targets, weights_0_1, weights_1_2, dropout_mask, first_weights_0_1, first_weights_1_2):
    """Any update but the first, with the ReLU and the 2 mended."""
    layer_1 = relu(np.dot(images, first_weights_0_1)) * dropout_mask * 2
    layer_2 = np.dot(layer_1, first_weights_1_2)
    layer_2_delta = (layer_2 - targets) / len(images)
    layer_1_delta = layer_2_delta.dot(weights_1_2.T) * (layer_1 > 0) * dropout_mask * 2
    return {"weights_0_1": images.T.dot(layer_1_delta), "weights_1_2": layer_1.T.dot(layer_2_delta)}
