"""The arithmetic that all normalizations share: numbers divided by their root mean square, and its derivative."""

import math

import numpy as np

from scratch.arrays import Array, Work


def standardize(x: Array, z: Array, axis: int, epsilon: float, work: Work, *, center: bool = True) -> None:
    """Write z = (x - mu) / sigma, sigma = sqrt(mean((x - mu)^2) + epsilon), with statistics along `axis`; without center mu = 0.

    x and z have one shape, and `work.like` as many elements. The buffers "mean" and "sigma", with an axis of length 1, keep what
    was computed; the biased variance is the product of "spread" and the square of "size", which may overflow.

    Digits are kept where the usual formulas lose them. The rounded mean leaves a rest in every x - mean, which is taken off as
    well: a constant x gives exactly zero, and a nearly constant one its own digits. With s = max |x - mu|, or sqrt(epsilon)
    where that is larger, z = t / sqrt(mean(t^2) + epsilon / s^2) for t = (x - mu) / s, in which nothing overflows.
    """
    shape = tuple(1 if index == axis else length for index, length in enumerate(x.shape))
    mean, spread, sigma, size, small = (work.buffer(name, *shape) for name in ("mean", "spread", "sigma", "size", "small"))
    squares, count = work.like.reshape(x.shape), x.shape[axis]

    def average(values: Array, out: Array) -> None:
        np.add.reduce(values, axis=axis, keepdims=True, out=out)
        np.divide(out, count, out=out)

    if center:
        average(x, mean)
        np.subtract(x, mean, out=z)
        average(z, small)
        np.subtract(z, small, out=z)
        np.add(mean, small, out=mean)
    else:
        np.copyto(z, x)
    np.absolute(z, out=squares)
    np.maximum.reduce(squares, axis=axis, keepdims=True, out=size)
    np.maximum(size, math.sqrt(epsilon), out=size)
    np.divide(z, size, out=z)
    np.square(z, out=squares)
    average(squares, spread)
    np.divide(epsilon, size, out=small)
    np.divide(small, size, out=small)
    np.add(spread, small, out=sigma)
    np.sqrt(sigma, out=sigma)
    np.divide(z, sigma, out=z)
    np.multiply(sigma, size, out=sigma)


def standardize_vjp(z: Array, dz: Array, dx: Array, axis: int, work: Work, *, center: bool = True) -> None:
    """Write dx = (dz - mean(dz) - z mean(dz z)) / sigma; without center the second term is missing. dx may be dz.

    From d sigma = mean(z dx) and dz = (dx - d mu - z d sigma) / sigma. z and `work` are as `standardize` left them.
    """
    sigma = work.buffer("sigma")
    mean, share = work.buffer("size"), work.buffer("small")
    products, count = work.like.reshape(z.shape), z.shape[axis]
    np.multiply(dz, z, out=products)
    np.add.reduce(products, axis=axis, keepdims=True, out=share)
    np.divide(share, count, out=share)
    if center:
        np.add.reduce(dz, axis=axis, keepdims=True, out=mean)
        np.divide(mean, count, out=mean)
        np.subtract(dz, mean, out=dx)
    else:
        np.copyto(dx, dz)
    np.multiply(z, share, out=products)
    np.subtract(dx, products, out=dx)
    np.divide(dx, sigma, out=dx)
