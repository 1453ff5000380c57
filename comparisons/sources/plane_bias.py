"""A network's plane drawn with one layer's bias taken from another layer: which exchanges run at all, and what they do."""

import numpy as np
import pandas as pd

from comparisons.activity import forward
from comparisons.trained import TrainedModel
from scratch.arrays import Array


def wrong_biases(trained: TrainedModel, images: Array, labels: Array) -> pd.DataFrame:
    """Every exchange of a bias before or in the plane that NumPy lets pass, one row each.

    The plane is what the last layer, of one unit, is given: (rows, 2). Images are (rows, pixels) in [0, 1], labels 0 or 1. How far
    points move is a root mean square, and its share of the spread is that over the root mean square distance to their centre.
    """
    x = trained.scaled(images)
    paths = [path for path in trained.model.shapes if path.endswith(".bias")]
    biases = trained.model.views(trained.parameters)
    points, logits = _plane(trained, trained.parameters, x)
    spread = _length(points - points.mean(axis=0))
    rows = []
    for layer, path in enumerate(paths[:-1], start=1):
        for other, theirs in enumerate(paths, start=1):
            # NumPy adds what has the layer's own shape, and repeats the single bias of the last layer.
            if other == layer or biases[theirs].shape not in (biases[path].shape, (1,)):
                continue
            parameters = trained.parameters.copy()
            trained.model.views(parameters)[path][...] = biases[theirs]
            moved, answers = _plane(trained, parameters, x)
            rows.append(
                {
                    "layer": layer,
                    "bias of": other,
                    "largest difference of the biases": float(np.abs(biases[theirs] - biases[path]).max()),
                    "points move by": _length(moved - points),
                    "share of the spread": _length(moved - points) / spread,
                    "other answers": int(((answers > 0) != (logits > 0)).sum()),
                    "accuracy": float(((answers > 0) == (labels == 1)).mean()),
                    "accuracy without the slip": float(((logits > 0) == (labels == 1)).mean()),
                }
            )
    return pd.DataFrame(rows)


def _plane(trained: TrainedModel, parameters: Array, x: Array) -> tuple[Array, Array]:
    """What the last layer is given (rows, 2), and its logit (rows,)."""
    *_, last = forward(trained.model, parameters, trained.state, x)
    return last.x, last.y[:, 0]


def _length(shifts: Array) -> float:
    """Root mean square of the rows' lengths."""
    return float(np.sqrt(np.mean(np.sum(np.square(shifts), axis=1))))
