"""Data sets: what is loaded, how it is split, and what the IDX reader says of bad files."""

import gzip
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comparisons.datasets import DATA_DIR_VARIABLE, MNIST_FILES, DataError, load_dataset, read_mnist


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A small but complete set of the four files, two of them gzipped."""
    rng = np.random.default_rng(0)
    for split, rows in (("train", 20), ("test", 8)):
        images = idx(rng.integers(0, 256, (rows, 3, 2)))
        labels = idx(np.arange(rows) % 10)
        (tmp_path / f"{MNIST_FILES[f'{split}_images']}.gz").write_bytes(gzip.compress(images))
        (tmp_path / MNIST_FILES[f"{split}_labels"]).write_bytes(labels)
    return tmp_path


def test_good_files_are_read(folder):
    data = read_mnist(folder)
    assert data.train_images.shape == (20, 6)
    assert data.test_images.shape == (8, 6)
    assert data.train_labels.tolist() == [row % 10 for row in range(20)]
    assert 0 <= data.train_images.min() <= data.train_images.max() <= 1
    assert np.array_equal(data.train_images, data.train_images.astype(np.float32))
    assert data.classes == 10


def damage(path, change):
    content = path.read_bytes()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(change(gzip.decompress(content))))
    else:
        path.write_bytes(change(content))


BAD = {
    "truncated": (lambda f: damage(f / "train-images-idx3-ubyte.gz", lambda c: c[:-5]), "cut off, 115 of the 120 bytes"),
    "ends in the header": (lambda f: damage(f / "train-labels-idx1-ubyte", lambda c: c[:6]), "ends within its header"),
    "empty": (lambda f: damage(f / "train-labels-idx1-ubyte", lambda c: b""), "starts with 0x\\(nothing\\)"),
    "wrong magic number": (lambda f: damage(f / "t10k-labels-idx1-ubyte", lambda c: b"\x89PNG" + c[4:]), "0x89504e47"),
    "images for labels": (
        lambda f: (f / "train-labels-idx1-ubyte").write_bytes((f / "train-images-idx3-ubyte.gz").read_bytes()),
        "images and labels are not exchanged",
    ),
    "more bytes than the header says": (
        lambda f: damage(f / "t10k-images-idx3-ubyte.gz", lambda c: c + b"123"),
        "3 bytes more than the 48",
    ),
    "counts that differ": (
        lambda f: (f / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(19))),
        "holds 20 images and .* 19 labels",
    ),
    "missing": (lambda f: (f / "t10k-images-idx3-ubyte.gz").unlink(), "t10k-images-idx3-ubyte is missing"),
    "gzip cut off": (
        lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes((f / "train-images-idx3-ubyte.gz").read_bytes()[:-9]),
        "gzip stream is damaged or cut off",
    ),
    "gzip damaged": (
        lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b" + bytes(40)),
        "gzip stream is damaged or cut off",
    ),
    "label above 9": (lambda f: (f / "t10k-labels-idx1-ubyte").write_bytes(idx(np.full(8, 77))), "the label 77"),
    "no image": (
        lambda f: [
            (f / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(0))),
            damage(f / "t10k-images-idx3-ubyte.gz", lambda c: idx(np.zeros((0, 3, 2)))),
        ],
        "holds no image",
    ),
    "sizes that differ": (
        lambda f: damage(f / "t10k-images-idx3-ubyte.gz", lambda c: idx(np.zeros((8, 2, 2)))),
        "3 x 2 pixels and test images 2 x 2",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_one_clear_sentence(name, folder):
    spoil, message = BAD[name]
    spoil(folder)
    with pytest.raises(DataError, match=message) as caught:
        read_mnist(folder)
    text = str(caught.value)
    assert str(folder) in text
    assert "\n" not in text
    assert text.endswith(".")


def test_an_unknown_folder_or_name(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_dataset("mnist", tmp_path / "nowhere")
    with pytest.raises(DataError, match="Choose one of mnist-5k, digits, mnist"):
        load_dataset("cifar")
    with pytest.raises(DataError, match="Use --data mnist"):
        load_dataset("digits", tmp_path)


def test_the_variable_names_the_folder(folder, monkeypatch):
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(folder))
    assert len(load_dataset("mnist").train_labels) == 20


@pytest.mark.parametrize(("name", "rows", "pixels"), [("mnist-5k", 5000, 784), ("digits", 1797, 64)])
def test_embedded_data_sets(name, rows, pixels, request):
    data = request.getfixturevalue("mnist_5k" if name == "mnist-5k" else "digits")
    assert len(data.train_labels) + len(data.test_labels) == rows
    assert data.train_images.shape[1] == data.test_images.shape[1] == pixels
    assert (data.train_images.min(), data.train_images.max()) == (0, 1)
    for label in range(10):
        both = (data.train_labels == label).sum() + (data.test_labels == label).sum()
        assert abs((data.test_labels == label).sum() - both / 5) <= 0.5


def test_the_split_is_the_same_on_every_machine(mnist_5k):
    digest = hashlib.sha256(mnist_5k.test_images.astype(np.float32).tobytes() + mnist_5k.test_labels.tobytes()).hexdigest()
    assert digest[:16] == "4a8395b3556f3202"


@pytest.mark.skipif(DATA_DIR_VARIABLE not in os.environ, reason=f"{DATA_DIR_VARIABLE} names no folder of the full MNIST")
def test_the_genuine_mnist():
    data = load_dataset("mnist", Path(os.environ[DATA_DIR_VARIABLE]))
    assert data.train_images.shape == (60_000, 784)
    assert data.test_images.shape == (10_000, 784)
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_what_is_taken_of_a_sorted_set_is_mixed():
    data = load_dataset("mnist-5k").select(train=1000, validation=500, test=100)
    for labels in (data.train_labels, data.validation_labels):
        assert set(labels) == set(range(10))
    assert np.array_equal(data.train_labels, load_dataset("mnist-5k").select(train=1000).train_labels)
    with pytest.raises(DataError, match=r"mnist-5k has 4,000 training images of these classes, not 4,001 with the 4,000"):
        load_dataset("mnist-5k").select(validation=4000)


def test_the_checksum_tells_other_digits():
    data = load_dataset("digits")
    darker = data.test_images.copy()
    darker[-1, -1] += 0.5
    others = (
        data,
        data.select(train=100),
        replace(data, test_images=darker),
        replace(data, train_labels=data.train_labels[::-1]),
    )
    assert len({each.checksum for each in others}) == len(others)
    assert data.checksum == load_dataset("digits").checksum
