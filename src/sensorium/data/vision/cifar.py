"""CIFAR-10 and CIFAR-100: 60,000 color images of 32 x 32 pixels.

A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from sensorium.data.base import Data, OnBad
from sensorium.data.cache import cache_folder
from sensorium.data.download import fetched
from sensorium.data.vision.arrays import LabeledArray, PublishedArrays, array_classes
from sensorium.errors import RequestError
from sensorium.files import user_path

_PUBLISHERS = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}


@dataclass(frozen=True, kw_only=True)
class Cifar(PublishedArrays):
    """The data set `name`, "cifar10" or "cifar100" (with its 100 fine classes), as published for Python.

    Its archive, or the folder in it, is looked for in `root`, else in SENSORIUM_CACHE/NAME, where download=true brings
    it. The files are pickles, which are code: torchvision compares each with its known MD5 before it unpickles it.
    """

    variants = _PUBLISHERS

    def load(self, *, on_bad: OnBad) -> Data:
        publisher, folder = _PUBLISHERS[self.name], self._folder()
        try:
            train, test = (publisher(root=str(folder), train=part) for part in (True, False))
        except RuntimeError as error:
            ways = "" if self.root else ", or set dataset.download=true"
            raise RequestError(
                f"{self.name} is not in {folder}, or is damaged.\n"
                f"Put {publisher.filename} into this folder (it is unpacked there){ways}."
            ) from error
        examples, tested = _labeled(f"{self.name}/train", train), _labeled(f"{self.name}/test", test)
        return array_classes(examples, tested, train.classes, self, on_bad=on_bad)

    def _folder(self) -> Path:
        """Where the unpacked data set is, after unpacking or fetching it if need be."""
        publisher, kept = _PUBLISHERS[self.name], cache_folder(self.name)
        folder = user_path(self.root) if self.root else kept
        if folder.name == publisher.base_folder:
            return folder.parent
        # A damaged archive is not handed to torchvision, which would fetch another one unasked.
        wanted = self.download and not self.root
        unpacked = (folder / publisher.base_folder).is_dir()
        if not unpacked and (wanted or check_integrity(folder / publisher.filename, publisher.tgz_md5)):
            with fetched(self.name, folder):
                publisher(root=str(folder), download=True)
        return folder


def _labeled(name: str, published: datasets.CIFAR10) -> LabeledArray:
    pixels = np.ascontiguousarray(published.data.transpose(0, 3, 1, 2))
    return LabeledArray(name, pixels, np.array(published.targets, dtype=np.int64))
