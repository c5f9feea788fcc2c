"""Digits, MNIST, Fashion-MNIST, CIFAR: read as published, divided without overlap, missing files explained."""

import gzip
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from torchvision import datasets
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from sensorium.data.vision import scanned_digits as module
from sensorium.data.vision.cifar import Cifar
from sensorium.data.vision.digits import Digits
from sensorium.data.vision.mnist import Mnist, read_idx
from sensorium.data.vision.scanned_digits import scanned_digits
from sensorium.errors import RequestError, RunError

COMMON = {"image_size": None, "resize": "crop", "channels": "auto", "val_fraction": 0.1, "split_seed": 0}


def digits(**changes):
    return Digits(**(COMMON | {"test_fraction": 0.2} | changes)).load(on_bad="fail")


def mnist(root=None, name="mnist", download=False, **changes):
    return Mnist(name=name, root=root and str(root), download=download, **(COMMON | changes)).load(on_bad="fail")


def cifar(root=None, name="cifar10", download=False):
    return Cifar(name=name, root=root and str(root), download=download, **COMMON).load(on_bad="fail")


def everything(split):
    return split.images.read(np.arange(len(split)))


def test_scanned_digits_are_those_of_scikit_learn():
    ours, theirs = scanned_digits(), load_digits()
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.labels, theirs.target)
    assert (ours.images.dtype, ours.labels.dtype) == (theirs.images.dtype, np.int64)


def test_scanned_digits_that_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="pip install scikit-learn"):
        scanned_digits()
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    with pytest.raises(RunError, match="pip install scikit-learn"):
        scanned_digits()


def test_digits():
    data = digits()
    assert (data.spec.class_names, data.spec.image_size, data.spec.in_channels) == (tuple("0123456789"), (8, 8), 1)
    assert [len(part) for part in (data.train, data.val, data.test)] == [1295, 143, 359]
    source = load_digits()
    seen = []
    for part in (data.train, data.val, data.test):
        rows = [int(name.removeprefix("digits[").removesuffix("]")) for name in part.names]
        seen += rows
        np.testing.assert_array_equal(part.labels, source.target[rows])
        np.testing.assert_array_equal(everything(part)[:, 0], np.rint(source.images[rows] * 255 / 16))
        # Each class has 174 to 183 examples in all.
        share = np.bincount(part.labels) / np.bincount(source.target)
        assert np.ptp(share) < 0.01
    assert sorted(seen) == list(range(1797))
    np.testing.assert_allclose(data.spec.mean[0], everything(data.train).mean() / 255)
    assert Digits.task == "classification"
    assert data.problems == ()
    assert data.notes == (
        "test: 359 examples held out by class (split_seed 0)",
        "val: 143 examples held out by class (split_seed 0)",
    )


def test_the_same_digits_are_held_out_every_time():
    assert list(digits().test.names) == list(digits().test.names)
    assert list(digits().test.names) != list(digits(split_seed=1).test.names)


def test_digits_of_another_size_and_number_of_channels():
    data = digits(image_size=32, channels=3)
    assert (data.spec.image_size, data.spec.in_channels, len(data.spec.mean)) == ((32, 32), 3, 3)
    assert data.val.images.read(np.arange(7)).shape == (7, 3, 32, 32)
    np.testing.assert_allclose(data.spec.mean[0], digits().spec.mean[0], atol=0.01)


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(folder, compress=True):
    """60 train and 20 test images whose every pixel is 10 times the class."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", 60), ("t10k", 20)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pixels = np.broadcast_to(10 * labels[:, None, None], (count, 4, 5))
        for file, array in ((f"{name}-images-idx3-ubyte", pixels), (f"{name}-labels-idx1-ubyte", labels)):
            if compress:
                (folder / f"{file}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / file).write_bytes(idx(array))
    return folder


def test_idx_reader(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / "a"
    for content in (idx(array), gzip.compress(idx(array))):
        path.write_bytes(content)
        np.testing.assert_array_equal(read_idx(path), array)
    path.write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(path), read_sn3_pascalvincent_tensor(str(path)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file of unsigned bytes"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "not an idx file of unsigned bytes"),  # of floats
        (b"\0\0\x08\x02\0\0\0\x01", "damaged"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"damaged \(5 values for shape \(2, 3\)\). Fetch it again"),
        (idx(np.zeros(3, np.uint8)) + b"\0", "damaged"),
        (gzip.compress(idx(np.zeros(300, np.uint8)), mtime=0)[:-9], "damaged"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "damaged"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, content, message):
    (tmp_path / "train.gz").write_bytes(content)
    with pytest.raises(RequestError, match=f"train.gz: {message}"):
        read_idx(tmp_path / "train.gz")


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("inner", ["", "MNIST/raw"])
def test_mnist_from_a_folder(tmp_path, compress, inner):
    write_mnist(tmp_path / "given" / inner, compress)
    data = mnist(tmp_path / "given")
    assert [len(part) for part in (data.train, data.val, data.test)] == [50, 10, 20]
    assert data.spec.image_size == (4, 5)
    for part in (data.train, data.val, data.test):
        np.testing.assert_array_equal(everything(part)[:, 0, 0, 0], 10 * part.labels)
    assert sorted([*data.train.names, *data.val.names]) == sorted(f"mnist/train[{i}]" for i in range(60))
    assert data.test.names[19] == "mnist/test[19]"


def test_without_a_root_the_cache_is_searched(cache_home):
    write_mnist(cache_home / "mnist")
    assert len(mnist().test) == 20


def test_missing_files_are_listed_with_their_place(cache_home, tmp_path, monkeypatch):
    with pytest.raises(RequestError) as caught:
        mnist()
    first, second = str(caught.value).splitlines()
    assert first == f"mnist is not in {cache_home / 'mnist'}."
    assert second == (
        "Put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz,"
        f" t10k-labels-idx1-ubyte.gz into {cache_home / 'mnist'}, or set dataset.download=true."
    )
    with pytest.raises(RequestError, match=f"t10k-labels-idx1-ubyte.gz into {tmp_path / 'given'}."):
        mnist(tmp_path / "given", name="fashion_mnist")


def test_download_happens_only_when_asked_and_its_failure_is_explained(cache_home, monkeypatch):
    def fetch(self):
        if not online:
            raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nTried nowhere")
        write_mnist(cache_home / "mnist" / "MNIST" / "raw", compress=False)

    monkeypatch.setattr(datasets.MNIST, "download", fetch)
    online = False
    with pytest.raises(
        RequestError, match=r"mnist cannot be fetched into .*: Error downloading train-images.*\n.*by hand"
    ):
        mnist(download=True)
    online = True
    with pytest.raises(RequestError, match=r"set dataset.download=true"):
        mnist(download=False)
    assert len(mnist(download=True).test) == 20


def test_files_that_do_not_belong_together(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(7, np.uint8)))
    with pytest.raises(RequestError, match=r"has shape \(20, 4, 5\) and .*t10k-labels.*\(7,\): not of one data set"):
        mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.full(20, 10, np.uint8)))
    with pytest.raises(RequestError, match=r"t10k-labels-idx1-ubyte.gz: class numbers from 0 to 9"):
        mnist(tmp_path)


def test_unknown_names_are_refused():
    with pytest.raises(RequestError, match=r"'fashion-mnist'. Did you mean fashion_mnist"):
        mnist(name="fashion-mnist")
    with pytest.raises(RequestError, match=r"'cifar11'. Did you mean cifar1"):
        cifar(name="cifar11")


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    """A folder in CIFAR-10's form with 60 images in train and 10 in test, whose MD5 torchvision is told."""
    folder = tmp_path / "published" / "cifar-10-batches-py"
    folder.mkdir(parents=True)

    def write(name, content):
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    def batch(count):
        labels = [i % 10 for i in range(count)]
        # 1,024 red values, then green, then blue, each row by row.
        planes = [np.tile(np.arange(1024) % 251, (count, 1)), np.full((count, 1024), 7), np.tile(labels, (1024, 1)).T]
        return {"data": np.concatenate(planes, axis=1).astype(np.uint8), "labels": labels}

    monkeypatch.setattr(datasets.CIFAR10, "train_list", [write("data_batch_1", batch(60))])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [write("test_batch", batch(10))])
    names = {"label_names": [f"name {i}" for i in range(10)]}
    meta = write("batches.meta", names)
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta[1]})
    return folder.parent


def test_cifar(small_cifar):
    for root in (small_cifar, small_cifar / "cifar-10-batches-py"):
        data = cifar(root)
        assert [len(part) for part in (data.train, data.val, data.test)] == [50, 10, 10]
        assert data.spec.class_names[3] == "name 3"
        pixels = everything(data.test)
        assert pixels.shape == (10, 3, 32, 32)
        np.testing.assert_array_equal(pixels[0, 0].ravel(), np.arange(1024) % 251)
        assert (pixels[:, 1] == 7).all()
        np.testing.assert_array_equal(pixels[:, 2, 5, 5], data.test.labels)


def test_a_packed_cifar_is_unpacked(small_cifar, cache_home, monkeypatch):
    home = cache_home / "cifar10"
    home.mkdir(parents=True)
    with tarfile.open(home / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(small_cifar / "cifar-10-batches-py", "cifar-10-batches-py")
    digest = hashlib.md5((home / "cifar-10-python.tar.gz").read_bytes()).hexdigest()
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", digest)
    assert len(cifar().test) == 10


def test_missing_or_damaged_cifar_is_explained(small_cifar, cache_home):
    message = f"cifar10 is not in {cache_home / 'cifar10'}, or is damaged.\nPut cifar-10-python.tar.gz into this folder"
    with pytest.raises(RequestError, match=message):
        cifar()
    with (small_cifar / "cifar-10-batches-py" / "data_batch_1").open("ab") as file:
        file.write(b"more")
    with pytest.raises(RequestError, match=f"cifar10 is not in {small_cifar}, or is damaged"):
        cifar(small_cifar)


class Harmful:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_a_cifar_file_of_somebody_else_is_not_unpickled(small_cifar, tmp_path, name):
    content = pickle.dumps(Harmful(tmp_path / "harmed"))
    (small_cifar / "cifar-10-batches-py" / name).write_bytes(content)
    with pytest.raises(RequestError, match="or is damaged"):
        cifar(small_cifar)
    assert not (tmp_path / "harmed").exists()
    pickle.loads(content)
    assert (tmp_path / "harmed").exists()


def test_a_damaged_cifar_archive_is_not_fetched_anew_unasked(small_cifar, tmp_path, monkeypatch):
    def fetch(*_, **__):
        raise AssertionError("asked the network")

    monkeypatch.setattr(datasets.utils, "_get_redirect_url", fetch)
    monkeypatch.setattr(datasets.utils, "_urlretrieve", fetch)
    home = tmp_path / "home"
    home.mkdir()
    (home / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    with pytest.raises(RequestError, match=f"cifar10 is not in {home}, or is damaged"):
        cifar(home)
    assert (home / "cifar-10-python.tar.gz").read_bytes() == b"half of it"
