# Source 001: two ReLU layers and a softmax, the cross-entropy averaged over the batch; its 784-16-16-10 in small.
import numpy as np


def inputs(rng):
    return {
        "x": rng.uniform(size=(6, 9)),
        "y": np.eye(3, dtype=int)[rng.integers(3, size=6)],
        "w1": rng.normal(size=(9, 5)) * np.sqrt(2 / 9),
        "b1": rng.normal(size=5) * 0.1,
        "w2": rng.normal(size=(5, 4)) * np.sqrt(2 / 5),
        "b2": rng.normal(size=4) * 0.1,
        "w3": rng.normal(size=(4, 3)) * np.sqrt(2 / 4),
        "b3": rng.normal(size=3) * 0.1,
    }


def forward(x, y, w1, b1, w2, b2, w3, b3):
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w2 + b2
    a2 = np.maximum(z2, 0)
    z3 = a2 @ w3 + b3
    e = np.exp(z3 - z3.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.sum(y * np.log(p)) / len(x), (x, y, w1, w2, w3, z1, a1, z2, a2, p)


def backward(dloss, cache):
    x, y, w1, w2, w3, z1, a1, z2, a2, p = cache
    d3 = dloss * (p - y) / len(x)
    d2 = d3 @ w3.T * (z2 > 0)
    d1 = d2 @ w2.T * (z1 > 0)
    return {
        "x": d1 @ w1.T,
        "w1": x.T @ d1,
        "b1": d1.sum(axis=0),
        "w2": a1.T @ d2,
        "b2": d2.sum(axis=0),
        "w3": a2.T @ d3,
        "b3": d3.sum(axis=0),
    }
