# Source 004: its layers as classes, each with the derivative that it passes back, and its loss on probabilities.
import numpy as np


def inputs(rng):
    return {"x": rng.normal(size=(6, 5)), "inputs": 5, "outputs": 3}


class Affine:
    def __init__(self, inputs, outputs):
        rng = np.random.default_rng(4)
        self.params = {"w": rng.normal(size=(inputs, outputs)), "b": rng.normal(size=outputs)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return np.dot(x, self.params["w"]) + self.params["b"]

    def backward(self, grad):
        self.grads["w"] = np.dot(self.x.T, grad)
        self.grads["b"] = np.sum(grad, axis=0)
        return np.dot(grad, self.params["w"].T)


class Relu:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, grad):
        return grad * (self.x > 0)


class Sigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, grad):
        return grad * self.y * (1 - self.y)


def bce_inputs(rng):
    return {"predicted": rng.uniform(0.05, 0.95, size=(7, 1)), "actual": np.array([[1], [0], [0], [1], [1], [0], [1]])}


def bce_forward(predicted, actual):
    return -np.mean(actual * np.log(predicted) + (1 - actual) * np.log(1 - predicted))


def bce_backward(predicted, actual):
    return {"predicted": (predicted - actual) / (predicted * (1 - predicted)) / len(actual)}
