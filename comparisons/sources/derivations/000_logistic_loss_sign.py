# Source 000, as it can print a negative loss: the second term has the wrong sign, and what is propagated is still the right loss's.
import numpy as np


def inputs(rng):
    return {
        "x": rng.normal(size=(8, 5)),
        "y": np.eye(3, dtype=int)[rng.integers(3, size=8)],
        "w": rng.normal(size=(5, 3)),
        "b": rng.normal(size=3),
        "a": rng.uniform(0.05, 0.95, size=(8, 3)),
    }


def printed_forward(a, y):
    return -(y * np.log(a) - (1 - y) * np.log(1 - a)).sum() / len(a)


def printed_backward(dloss, a, y):
    return dloss * (-y / a + (1 - y) / (1 - a)) / len(a)


def trained_forward(x, y, w, b):
    a = 1 / (1 + np.exp(-(x @ w + b)))
    loss = -(y * np.log(a) - (1 - y) * np.log(1 - a)).sum() / len(x)
    return loss, (x, y, w, a)


def trained_backward(dloss, cache):
    x, y, w, a = cache
    delta = dloss * (a - y) / len(x)
    return {"x": delta @ w.T, "w": x.T @ delta, "b": delta.sum(axis=0)}
