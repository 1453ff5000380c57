"""From a drawing to an image as the model's data has them: scaled into a box, grey at the edges, centred.

MNIST: "the original black and white images were size normalized to fit in a 20x20 pixel box while preserving their aspect
ratio. The resulting images contain grey levels as a result of the anti-aliasing technique used by the normalization
algorithm. The images were centered in a 28x28 image by computing the center of mass of the pixels, and translating the
image so as to position this point at the center" (LeCun, Cortes and Burges, The MNIST database). The images tell the rest:
the translation is by whole pixels, the center is the pixel (14, 14), and the brightest pixel is white.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scratch.arrays import Array


@dataclass(frozen=True)
class Frame:
    """How a data set places its digits in square images."""

    side: int
    """Pixels of an edge."""
    box: int
    """Pixels of the digit's longer edge."""
    centred_by: Literal["mass", "box"]
    levels: int
    """Steps of grey from no ink to all."""


def frame_of(data: str, side: int) -> Frame:
    """The frame of a data set's images at that many pixels an edge.

    The digits of scikit-learn (UCI, Optical Recognition of Handwritten Digits) fill their 8 x 8 pixels; all others are MNIST.
    """
    return Frame(side, side, "box", 16) if data == "digits" else Frame(side, max(1, round(side * 20 / 28)), "mass", 255)


def fit(drawing: Array, frame: Frame) -> Array:
    """The image (side * side,) in [0, 1], exact in float32, of a drawing (height, width) with ink above 0; 0 without any ink."""
    image = np.zeros((frame.side, frame.side), np.float32)
    rows, columns = (np.flatnonzero(drawing.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return image.ravel()
    ink = drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(edge * frame.box / max(ink.shape))) for edge in ink.shape)
    small = _averages(ink.shape[0], height) @ ink @ _averages(ink.shape[1], width).T
    top, left = (
        _start(small.sum(axis=axis), frame) if frame.centred_by == "mass" else (frame.side - small.shape[1 - axis]) // 2
        for axis in (1, 0)
    )
    image[top : top + height, left : left + width] = np.rint(small / small.max() * frame.levels) / frame.levels
    return image.ravel()


def _averages(pixels: int, fewer: int) -> Array:
    """The matrix (fewer, pixels) that averages over equal shares of an edge: A_ij is how much of share i lies in pixel j."""
    edges = np.linspace(0, pixels, fewer + 1)
    start, stop = edges[:-1, None], edges[1:, None]
    pixel = np.arange(pixels)
    overlaps: Array = np.clip(np.minimum(stop, pixel + 1) - np.maximum(start, pixel), 0, None)
    return overlaps * (fewer / pixels)


def _start(profile: Array, frame: Frame) -> int:
    """Where an edge with that much ink per pixel starts, so that its center of mass comes to pixel side / 2, but all fits."""
    center = float(np.arange(len(profile)) @ profile / profile.sum())
    return int(np.clip(np.floor(frame.side // 2 - center + 0.5), 0, frame.side - len(profile)))
