"""MNIST and Fashion-MNIST: 70,000 gray images of 28 x 28 pixels in ten classes, in four files of the idx format.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition, 1998.
H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv 1708.07747.
"""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from sensorium.data.base import Data, OnBad
from sensorium.data.cache import cache_folder
from sensorium.data.download import fetched
from sensorium.data.vision.arrays import LabeledArray, PublishedArrays, array_classes
from sensorium.errors import RequestError
from sensorium.files import user_path

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class _Variant:
    publisher: Any
    class_names: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    hint: str = ""


_VARIANTS = {
    "mnist": _Variant(datasets.MNIST, tuple("0123456789")),
    "fashion_mnist": _Variant(
        datasets.FashionMNIST,
        tuple(datasets.FashionMNIST.classes),
        (Path("/usr/share/datasets/fashion-mnist"),),
        ", install the Debian package dataset-fashion-mnist",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Mnist(PublishedArrays):
    """The data set `name`, "mnist" or "fashion_mnist", from the four files as published (.gz or unpacked).

    They are looked for in `root`, else where Debian's package puts them, else in SENSORIUM_CACHE/NAME, where
    download=true brings them.
    """

    variants = _VARIANTS

    def load(self, *, on_bad: OnBad) -> Data:
        files = self._find()
        train = _labeled(f"{self.name}/train", files[0], files[1])
        test = _labeled(f"{self.name}/test", files[2], files[3])
        return array_classes(train, test, _VARIANTS[self.name].class_names, self, on_bad=on_bad)

    def _find(self) -> list[Path]:
        variant = _VARIANTS[self.name]
        # What torchvision makes inside the folder it is given.
        inner = Path(variant.publisher.__name__, "raw")
        kept = cache_folder(self.name)
        folders = [user_path(self.root)] if self.root else [*variant.folders, kept]
        folders += [folder / inner for folder in folders]
        found = _first_complete(folders)
        if found is None and self.download and not self.root:
            with fetched(self.name, kept):
                variant.publisher(root=str(kept), download=True)
            found = _first_complete(folders)
        if found is None:
            ways = "" if self.root else f"{variant.hint}, or set dataset.download=true"
            raise RequestError(
                f"{self.name} is not in {' or '.join(str(folder) for folder in folders[: len(folders) // 2])}.\n"
                f"Put {', '.join(f'{file}.gz' for file in _FILES)} into {self.root or kept}{ways}."
            )
        return found


def _first_complete(folders: Sequence[Path]) -> list[Path] | None:
    for folder in folders:
        for suffix in (".gz", ""):
            files = [folder / f"{file}{suffix}" for file in _FILES]
            if all(file.is_file() for file in files):
                return files
    return None


def _labeled(name: str, images: Path, labels: Path) -> LabeledArray:
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or classes.shape != pixels.shape[:1]:
        raise RequestError(f"{images} has shape {pixels.shape} and {labels} {classes.shape}: not of one data set.")
    if classes.size == 0 or classes.max() > 9:
        raise RequestError(f"{labels}: class numbers from 0 to 9 are expected.")
    return LabeledArray(name, pixels[:, None], classes.astype(np.int64))


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in an idx file, gzipped or not.

    Two zero bytes, the type (8), the number of dimensions, each dimension as a big-endian 32-bit number, the values.
    Raises RequestError for anything else.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise RequestError(f"{path}: damaged ({error}). Fetch it again.") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise RequestError(f"{path}: not an idx file of unsigned bytes.")
    start = 4 + 4 * data[3]
    shape = tuple(int(size) for size in np.frombuffer(data[4:start], dtype=">u4"))
    if len(shape) != data[3] or len(data) - start != np.prod(shape, dtype=np.int64):
        raise RequestError(f"{path}: damaged ({len(data) - start:,} values for shape {shape}). Fetch it again.")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
