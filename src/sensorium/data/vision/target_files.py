"""Images with one or several numbers each: a part of the data, and from a list of files to data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sensorium.batches import ImageRegressionBatch
from sensorium.data.base import Data, OnBad, Problem, refuse
from sensorium.data.cache import CachedImages, cached_images
from sensorium.data.duplicates import PARTS, find_duplicates, without
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.targets import divided, standardized, statistics
from sensorium.data.vision.files import FileSettings
from sensorium.data.vision.listed import FileList, LabelledFile
from sensorium.data.vision.settings import room_note
from sensorium.data.vision.store import ImageStore, JoinedStore, Subset
from sensorium.specs import ImageRegressionSpec


@dataclass(frozen=True)
class ImageRegressionSplit:
    """One part of the data. targets: (N, K) float64 in their own units. names: of each, such as a path. target_mean,
    target_std: K each, that batches are standardized with.
    """

    images: ImageStore
    targets: np.ndarray
    names: Sequence[str]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def read(self, rows: np.ndarray) -> ImageRegressionBatch:
        """The batch of these rows; images (B, C, H, W) uint8."""
        targets = standardized(self.targets[rows], self.target_mean, self.target_std)
        images = torch.from_numpy(self.images.read(rows))
        return ImageRegressionBatch(images, torch.from_numpy(targets), torch.from_numpy(rows))

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)

    def subset(self, rows: np.ndarray) -> "ImageRegressionSplit":
        names = [self.names[row] for row in rows]
        return replace(self, images=Subset(self.images, rows), targets=self.targets[rows], names=names)

    def joined(self, others: Sequence["ImageRegressionSplit"]) -> "ImageRegressionSplit":
        splits = (self, *others)
        return replace(
            self,
            images=JoinedStore([split.images for split in splits]),
            targets=np.concatenate([split.targets for split in splits]),
            names=[str(name) for split in splits for name in split.names],
        )


@dataclass(frozen=True, slots=True)
class TargetFile(LabelledFile):
    """An image and its numbers. label: these, as messages show them."""

    targets: tuple[float, ...]


class TargetFileSettings(FileSettings):
    """Of image files with numbers: `make_regression` reads, validates and divides the files."""

    def make_regression(
        self,
        source: Path,
        files: Sequence[TargetFile],
        problems: Sequence[Problem],
        *,
        target_names: tuple[str, ...],
        on_bad: OnBad,
    ) -> Data:
        """The three parts; those that no file names are held out of train. problems: found so far."""
        refuse([], on_bad=on_bad)
        size, channels, size_notes = self._choose(FileList(source, list(files)))
        images = cached_images(
            [file.path for file in files],
            image_size=size,
            in_channels=channels,
            resize=self._resize,
            cache_bytes=self._cache_bytes,
        )
        parts = np.array([PARTS.index(file.part or "train") for file in files], dtype=np.int64)
        rows, bad, repeat_notes = _usable(files, images, parts)
        found = [*problems, *(files[row].problem(what) for row, what in sorted(bad.items()))]
        refuse(found, on_bad=on_bad)
        chosen, split_notes = divided(
            source=source,
            parts=parts,
            given={file.part or "train" for file in files},
            rows=rows,
            keys=[digest.tobytes().hex() for digest in images.digests],
            fractions=self._fractions,
            seed=self._split_seed,
            example="image",
        )
        targets = np.array([file.targets for file in files], dtype=np.float64)
        target_mean, target_std = statistics(source, target_names, targets[chosen["train"]])
        mean, std = images.statistics(chosen["train"])
        splits = {
            part: ImageRegressionSplit(
                Subset(images.store, of), targets[of], [str(files[row].path) for row in of], target_mean, target_std
            )
            for part, of in chosen.items()
        }
        return Data(
            spec=ImageRegressionSpec(
                target_names=target_names,
                target_mean=target_mean,
                target_std=target_std,
                in_channels=channels,
                image_size=size,
                mean=mean,
                std=std,
                resize=self._resize,
            ),
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            problems=tuple(found),
            notes=(*size_notes, *room_note(images), *repeat_notes, *split_notes),
        )


def _usable(
    files: Sequence[TargetFile], images: CachedImages, parts: np.ndarray
) -> tuple[np.ndarray, dict[int, str], list[str]]:
    """The rows (M,) int64 of readable images that do not contradict others, why each other one is not; notes."""
    bad = dict(images.unreadable)
    repeated, notes = find_duplicates(
        digests=images.digests,
        labels=[file.label for file in files],
        parts=parts,
        places=[file.place for file in files],
        rows=without(np.arange(len(parts)), bad),
        copies="images that are copies of another with the same targets and part",
    )
    bad |= repeated
    return without(np.arange(len(parts)), bad), bad, notes
