# Source 000, stage 1: a dense layer, batch normalisation, sigmoid, a dense layer, sigmoid and the mean squared error.
import numpy as np

EPSILON = 1e-5


def inputs(rng):
    return {
        "x": rng.uniform(size=(8, 6)),
        "y": np.eye(3)[rng.integers(3, size=8)],
        "w1": rng.normal(size=(6, 5)),
        "gamma": rng.uniform(0.5, 1.5, size=5),
        "beta": rng.normal(size=5),
        "w2": rng.normal(size=(5, 3)),
        "b2": rng.normal(size=3),
    }


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(x, y, w1, gamma, beta, w2, b2):
    z1 = x @ w1
    mu = z1.mean(axis=0)
    centred = z1 - mu
    sigma = np.sqrt((centred**2).mean(axis=0) + EPSILON)
    zhat = centred / sigma
    a1 = sigmoid(gamma * zhat + beta)
    a2 = sigmoid(a1 @ w2 + b2)
    return np.mean((a2 - y) ** 2), (x, y, zhat, sigma, gamma, a1, w2, a2, w1)


def backward(dloss, cache):
    x, y, zhat, sigma, gamma, a1, w2, a2, w1 = cache
    d2 = dloss * 2 * (a2 - y) / a2.size * a2 * (1 - a2)
    dw2 = a1.T @ d2
    db2 = d2.sum(axis=0)
    d1 = d2 @ w2.T * a1 * (1 - a1)
    dgamma = (d1 * zhat).sum(axis=0)
    dbeta = d1.sum(axis=0)
    dzhat = d1 * gamma
    # mean and deviation depend on every row of the batch
    dz1 = (dzhat - dzhat.mean(axis=0) - zhat * (dzhat * zhat).mean(axis=0)) / sigma
    dw1 = x.T @ dz1
    # dL/da2 is 2 (a2 - y) / size, and y stands there with a minus
    dy = -dloss * 2 * (a2 - y) / a2.size
    return {"x": dz1 @ w1.T, "y": dy, "w1": dw1, "gamma": dgamma, "beta": dbeta, "w2": dw2, "b2": db2}
