"""Images with any number of tags each: a part of the data, and how parts are held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sensorium.batches import TagBatch
from sensorium.data.base import counted
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.splits import hold_out
from sensorium.data.vision.store import ImageStore, JoinedStore, Subset
from sensorium.errors import RequestError


@dataclass(frozen=True)
class TagSplit:
    """One part of the data. targets: (N, K) uint8, 1 for each tag that an image has. names: of each, such as a path."""

    images: ImageStore
    targets: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.targets)

    def read(self, rows: np.ndarray) -> TagBatch:
        """The batch of these rows; images (B, C, H, W) uint8."""
        images = torch.from_numpy(self.images.read(rows))
        return TagBatch(images, torch.from_numpy(self.targets[rows]), torch.from_numpy(rows))

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)

    def subset(self, rows: np.ndarray) -> "TagSplit":
        return TagSplit(Subset(self.images, rows), self.targets[rows], [self.names[row] for row in rows])

    def joined(self, others: Sequence["TagSplit"]) -> "TagSplit":
        splits = (self, *others)
        return TagSplit(
            images=JoinedStore([split.images for split in splits]),
            targets=np.concatenate([split.targets for split in splits]),
            names=[str(name) for split in splits for name in split.names],
        )


def rarest_tags(targets: np.ndarray) -> np.ndarray:
    """(N, K) -> (N,) int64: of each image the tag that the fewest images have, the first of several; K without any."""
    counts = np.where(targets > 0, targets.sum(axis=0, dtype=np.int64), len(targets) + 1)
    return np.where(targets.any(axis=1), counts.argmin(axis=1), targets.shape[1])


def hold_out_by_tag(
    *, targets: np.ndarray, keys: Sequence[str], fractions: Mapping[str, float], seed: int, class_names: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """As `data.splits.hold_out`, by the rarest tag of each image, so that rare tags are in every part; and notes.

    Images whose rarest tag is that of too few to divide stay in train, where the tag can be learned.

    targets: (N, K). keys: N. Raises RequestError when no images are left to hold out.
    """
    if not fractions:
        return {"train": np.arange(len(targets))}, []
    strata = rarest_tags(targets)
    needed = 1 + len(fractions)
    enough = [
        s for s in np.unique(strata) if len({keys[row] for row in np.flatnonzero(strata == s).tolist()}) >= needed
    ]
    divided = np.flatnonzero(np.isin(strata, enough))
    if not len(divided):
        raise RequestError(
            f"No tag has {needed} different images, too few to hold out {' and '.join(fractions)}.\n"
            "Add some, or say in a column which images belong to which part."
        )
    stratum_names = [*class_names, "no tag"]
    parts = hold_out(
        labels=np.searchsorted(enough, strata[divided]),
        keys=[keys[row] for row in divided.tolist()],
        fractions=fractions,
        seed=seed,
        class_names=[stratum_names[stratum] for stratum in enough],
    )
    chosen = {part: divided[rows] for part, rows in parts.items()}
    rest = np.setdiff1d(np.arange(len(targets)), divided)
    chosen["train"] = np.sort(np.concatenate([chosen["train"], rest]))
    notes = [
        f"{part}: {counted(len(rows), 'image')} held out of train by rarest tag (split_seed {seed})"
        for part, rows in chosen.items()
        if part != "train"
    ]
    if len(rest):
        notes.append(f"train keeps {counted(len(rest), 'image')} with a tag too rare to hold out")
    return chosen, notes
