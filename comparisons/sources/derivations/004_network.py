# Source 004: the whole network, 784-100-100-2-1 made small, its loss pulled back through every layer to every parameter.
import itertools

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def inputs(rng):
    widths = [12, 7, 6, 2, 1]
    parameters = {}
    for layer, (rows, columns) in enumerate(itertools.pairwise(widths), start=1):
        parameters[f"w{layer}"] = rng.normal(size=(rows, columns)) * np.sqrt(2 / rows)
        parameters[f"b{layer}"] = 0.1 * rng.normal(size=columns)
    return {"images": rng.random((9, 12)), "threes": np.array([[1], [0], [0], [1], [1], [0], [1], [0], [1]]), **parameters}


def forward(images, threes, w1, b1, w2, b2, w3, b3, w4, b4):
    h1 = np.maximum(images @ w1 + b1, 0)
    h2 = np.maximum(h1 @ w2 + b2, 0)
    plane = h2 @ w3 + b3
    probability = sigmoid(plane @ w4 + b4)
    return -np.mean(threes * np.log(probability) + (1 - threes) * np.log(1 - probability))


def backward(images, threes, w1, b1, w2, b2, w3, b3, w4, b4):
    z1 = images @ w1 + b1
    h1 = np.maximum(z1, 0)
    z2 = h1 @ w2 + b2
    h2 = np.maximum(z2, 0)
    plane = h2 @ w3 + b3
    probability = sigmoid(plane @ w4 + b4)
    dprobability = (probability - threes) / (probability * (1 - probability)) / len(images)
    dz4 = dprobability * probability * (1 - probability)
    dplane = dz4 @ w4.T
    dh2 = dplane @ w3.T
    dz2 = dh2 * (z2 > 0)
    dh1 = dz2 @ w2.T
    dz1 = dh1 * (z1 > 0)
    return {
        "w4": plane.T @ dz4,
        "b4": dz4.sum(axis=0),
        "w3": h2.T @ dplane,
        "b3": dplane.sum(axis=0),
        "w2": h1.T @ dz2,
        "b2": dz2.sum(axis=0),
        "w1": images.T @ dz1,
        "b1": dz1.sum(axis=0),
    }
