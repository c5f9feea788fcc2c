"""Few labels: so many of every class, the same for a seed, nested; the others not used or hidden."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sensorium.batches import IGNORED
from sensorium.data.base import Data
from sensorium.data.few_labels import keep, with_few_labels
from sensorium.data.vision.splits import ImageSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.errors import RequestError
from sensorium.specs import ImageClassificationSpec

LABELS = np.array([0, 1, 2] * 6 + [0, 0])  # 8, 6, 6
NAMES = ("ape", "bee", "cat")


def split_of(labels: np.ndarray) -> ImageSplit:
    pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    store = ArrayStore(pixels, image_size=None, channels="auto", resize="crop")
    return ImageSplit(store, labels, [str(row) for row in range(len(labels))])


def data_of() -> Data:
    spec = ImageClassificationSpec(class_names=NAMES, in_channels=1, image_size=(1, 1), mean=(0.5,), std=(0.5,))
    return Data(
        spec=spec, train=split_of(LABELS), val=split_of(LABELS[:3]), test=split_of(LABELS[:4]), notes=("first",)
    )


def test_so_many_of_every_class_and_all_others() -> None:
    rows, others = keep(split_of(LABELS), 4, 0)
    assert np.bincount(LABELS[rows]).tolist() == [4, 4, 4]
    assert sorted([*rows.tolist(), *others.tolist()]) == list(range(20))
    assert rows.tolist() == sorted(rows.tolist())


def test_the_seed_decides_and_few_are_among_many() -> None:
    kept = {(n, seed): set(keep(split_of(LABELS), n, seed)[0].tolist()) for n in (1, 2, 6) for seed in range(3)}
    assert kept == {(n, seed): set(keep(split_of(LABELS), n, seed)[0].tolist()) for n, seed in kept}
    assert all(kept[1, seed] < kept[2, seed] < kept[6, seed] for seed in range(3))
    assert len({tuple(sorted(kept[2, seed])) for seed in range(3)}) == 3


def test_a_class_with_too_few_is_named() -> None:
    with pytest.raises(RequestError, match=r"labels_per_class=7 .* bee has 6, cat has 6.\nAllowed: 1 to 6, or null"):
        keep(split_of(LABELS), 7, 0, NAMES)
    with pytest.raises(RequestError, match="dog has 0"):
        keep(split_of(LABELS), 1, 0, (*NAMES, "dog"))


def test_others_are_left_out() -> None:
    data = with_few_labels(data_of(), per_class=2, seed=1, hide=False)
    rows = keep(split_of(LABELS), 2, 1)[0]
    assert data.train.labels.tolist() == LABELS[rows].tolist()
    assert data.train.read(np.arange(6)).images.flatten().tolist() == rows.tolist()
    assert data.notes == (
        "first",
        "labels: 6 training examples, 2 per class (labels_seed 1); 14 others not used",
    )


def test_others_are_hidden_and_nothing_else_changes() -> None:
    before = data_of()
    data = with_few_labels(before, per_class=2, seed=1, hide=True)
    rows, others = keep(split_of(LABELS), 2, 1)
    assert (data.train.labels[others] == IGNORED).all()
    assert data.train.labels[rows].tolist() == LABELS[rows].tolist()
    assert data.train.read(others[:1]).labels.tolist() == [-100]
    assert len(data.train) == 20
    assert data.notes[1].endswith("14 others without their label")
    assert before.train.labels.tolist() == LABELS.tolist()  # those it was made from stay whole
    for part in ("val", "test"):
        assert getattr(data, part) is getattr(before, part)


@dataclass(frozen=True)
class Bare:
    """Any split has labels and a length."""

    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def test_only_labels_are_looked_at() -> None:
    split: Any = Bare(LABELS)
    assert keep(split, 3, 5)[0].tolist() == keep(split_of(LABELS), 3, 5)[0].tolist()
