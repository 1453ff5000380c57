# Source 003: x W + b, softmax, mean cross-entropy; and the softmax alone, down the columns as in its worked example.
import numpy as np


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def regression_inputs(rng):
    return {
        "x": (rng.integers(0, 256, size=(7, 10)) - 128.0) / 128,
        "labels": np.eye(3, dtype=int)[[0, 1, 2, 2, 1, 0, 1]],
        "W": rng.normal(size=(10, 3)),
        "b": np.zeros(3),
    }


def regression_forward(x, labels, W, b):
    return -np.sum(labels * np.log(softmax(x @ W + b))) / len(x)


def regression_backward(x, labels, W, b):
    dlogits = (softmax(x @ W + b) - labels) / len(x)
    return {"x": dlogits @ W.T, "W": x.T @ dlogits, "b": dlogits.sum(axis=0)}


def columns_inputs(rng):
    return {"scores": np.array([[1, 2, 3, 6], [2, 4, 5, 6], [3, 8, 7, 6]]) + 0.1 * rng.normal(size=(3, 4))}


def columns_forward(scores):
    powers = np.exp(scores)
    return powers / powers.sum(axis=0)


def columns_backward(dp, scores):
    powers = np.exp(scores)
    p = powers / powers.sum(axis=0)
    return {"scores": p * (dp - (dp * p).sum(axis=0))}
