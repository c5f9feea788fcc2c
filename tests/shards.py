"""Small shards for tests, written with Python's own tarfile."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from sensorium.build import load_data
from sensorium.cli import composition
from sensorium.errors import RequestError
from sensorium.run_config import RunConfig

Member = tuple[str, bytes]


def png(number: int, side: int = 8) -> bytes:
    """An image that no other number has; even ones are darker."""
    pixels = np.random.default_rng(number).integers(0, 120, (side, side), dtype=np.uint8) + np.uint8(number % 2 * 120)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def loaded(dataset: str, root: Path, *overrides: str, on_bad: str = "fail") -> Any:
    """The data of `sensorium train dataset=DATASET dataset.root=ROOT OVERRIDES`."""
    return data_of(f"dataset={dataset}", f"dataset.root={root}", *overrides, on_bad=on_bad)


def data_of(*overrides: str, on_bad: str = "fail") -> Any:
    """The data of `sensorium train OVERRIDES`."""
    composed = OmegaConf.to_container(composition.compose("train", overrides), resolve=True)
    return load_data(RunConfig.from_dict(composed).dataset, on_bad=on_bad)  # type: ignore[arg-type]


def refused(dataset: str, root: Path, *overrides: str) -> str:
    """What is said instead."""
    with pytest.raises(RequestError) as raised:
        loaded(dataset, root, *overrides)
    return str(raised.value)


def write_tar(path: Path, members: Iterable[Member]) -> Path:
    """A shard of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def image_members(numbers: Iterable[int]) -> list[Member]:
    """Samples of an image and its class, 0 for even numbers and 1 for odd ones."""
    return [
        member
        for number in numbers
        for member in ((f"{number:04d}.png", png(number)), (f"{number:04d}.cls", b"%d" % (number % 2)))
    ]


def mask_members(numbers: Iterable[int]) -> list[Member]:
    """Samples of an image and a mask of two classes, that is 1 where the image is bright."""
    members = []
    for number in numbers:
        with Image.open(io.BytesIO(png(number))) as image:
            pixels = np.asarray(image)
        buffer = io.BytesIO()
        Image.fromarray((pixels > pixels.mean()).astype(np.uint8)).save(buffer, "PNG")
        members += [(f"{number:04d}.png", png(number)), (f"{number:04d}.mask.png", buffer.getvalue())]
    return members


def image_shards(folder: Path, *, shards: int = 4, each: int = 20, **held: int) -> Path:
    """Shards of `each` samples; held: val=10 and test=10 write a shard of so many for these splits."""
    for number in range(shards):
        write_tar(folder / f"train-{number:03d}.tar", image_members(range(number * each, (number + 1) * each)))
    first = shards * each
    for split, count in held.items():
        write_tar(folder / f"{split}-000.tar", image_members(range(first, first + count)))
        first += count
    return folder


SETTINGS: dict[str, Any] = {
    "shard_bytes": 1 << 30,
    "shuffle_window": None,
    "image_size": None,
    "resize": "crop",
    "channels": "auto",
    "cache_bytes": 1 << 30,
    "test_fraction": 0.2,
    "val_fraction": 0.1,
    "split_seed": 0,
    "on_conflict": "drop",
}
