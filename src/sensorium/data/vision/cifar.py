"""CIFAR-10 and CIFAR-100: 60,000 colour pictures of 32 x 32 pixels.

A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from sensorium.data.base import Data, OnBad
from sensorium.data.download import cache_folder, fetched
from sensorium.data.vision.arrays import ArraySettings, LabelledArray
from sensorium.data.vision.store import Channels
from sensorium.errors import RequestError, unknown
from sensorium.specs import Resize

_PUBLISHERS = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}


class Cifar:
    """The data set `name`, "cifar10" or "cifar100" (with its 100 fine classes), as published for Python.

    Its archive, or the folder in it, is looked for in `root`, else in SENSORIUM_CACHE/NAME, where download=true brings
    it. The files are pickles, which are code: torchvision compares each with its known MD5 before it unpickles it.
    """

    task = "classification"

    def __init__(
        self,
        *,
        name: str,
        root: str | None,
        download: bool,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        if name not in _PUBLISHERS:
            raise unknown("data set of this kind", name, _PUBLISHERS)
        self._name, self._root, self._download = name, root, download
        self._settings = ArraySettings(
            image_size=image_size, resize=resize, channels=channels, val_fraction=val_fraction, split_seed=split_seed
        )

    def load(self, *, on_bad: OnBad) -> Data:
        publisher, folder = _PUBLISHERS[self._name], self._folder()
        try:
            train, test = (publisher(root=str(folder), train=part) for part in (True, False))
        except RuntimeError as error:
            ways = "" if self._root else ", or say dataset.download=true"
            raise RequestError(
                f"{self._name} is not in {folder}, or is damaged.\n"
                f"Put {publisher.filename} into this folder (it is unpacked there){ways}."
            ) from error
        return self._settings.make(
            _labelled(f"{self._name}/train", train), _labelled(f"{self._name}/test", test), train.classes, on_bad
        )

    def _folder(self) -> Path:
        """Where the unpacked data set is, after unpacking or fetching it if need be."""
        publisher, kept = _PUBLISHERS[self._name], cache_folder(self._name)
        folder = Path(self._root).expanduser() if self._root else kept
        if folder.name == publisher.base_folder:
            return folder.parent
        # A damaged archive is not handed to torchvision, which would fetch another one unasked.
        wanted = self._download and not self._root
        unpacked = (folder / publisher.base_folder).is_dir()
        if not unpacked and (wanted or check_integrity(folder / publisher.filename, publisher.tgz_md5)):
            with fetched(self._name, folder):
                publisher(root=str(folder), download=True)
        return folder


def _labelled(name: str, published: datasets.CIFAR10) -> LabelledArray:
    pixels = np.ascontiguousarray(published.data.transpose(0, 3, 1, 2))
    return LabelledArray(name, pixels, np.array(published.targets, dtype=np.int64))
