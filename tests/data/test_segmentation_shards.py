"""Images and masks in shards: as from folders, with the same problems in the same words."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scenes import COMMON, write_mask, write_picture
from sensorium.batches import VOID
from sensorium.data.base import SPLITS
from sensorium.data.order import BatchPlan
from sensorium.data.shards.samples import Shards
from sensorium.data.vision.segmentation_folder import SegmentationFolder
from sensorium.data.window_order import WindowOrder
from shards import Member, loaded, png, refused, write_tar

MASK = [[0, 1, 2, VOID]] * 2 + [[2, 1, 0, 0]] * 2
COLORS = {"road": [128, 64, 128], "void": [0, 0, 0], "car": [0, 0, 142]}


def mask(values: Any, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(values, dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def drawn(number: int) -> np.ndarray:
    return np.array(list(COLORS.values()), np.uint8)[np.random.default_rng(number).integers(0, 3, (4, 6))]


def samples(*numbers: int, values: Any = MASK) -> list[Member]:
    return [
        member
        for number in numbers
        for member in ((f"{number:03d}.png", png(number, side=4)), (f"{number:03d}.mask.png", mask(values)))
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, numbers in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        write_tar(tmp_path / f"{split}-0.tar", samples(*numbers))
    return tmp_path


@pytest.mark.parametrize("cache_bytes", [1 << 24, 0])
def test_images_and_masks(root: Path, cache_bytes: int) -> None:
    (root / "classes.txt").write_text("road\ncar\nsky\n")
    keys = (f"dataset.cache_bytes={cache_bytes}", "dataset.shuffle_window=4")
    for _ in range(2):  # the second time from what was kept of the first
        data = loaded("segmentation_shards", root, *keys)
        assert [len(getattr(data, split)) for split in SPLITS] == [8, 2, 2]
        assert data.spec.class_names == ("road", "car", "sky")
        assert data.train.sizes.tolist() == [[4, 4]] * 8
        batch = data.train.read(np.array([5, 2]))
        assert batch.masks.tolist() == [MASK] * 2
        assert data.train.class_counts(3).tolist() == [8 * 6, 8 * 4, 8 * 4]
        assert isinstance(data.train.order(BatchPlan(size=2, shuffle=True, seed=0)), WindowOrder)


def test_later_starts_read_no_mask(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = loaded("segmentation_shards", root, "dataset.cache_bytes=0")
    read: list[str] = []
    before = Shards.read

    def noted(shards: Shards, member: int) -> bytes:
        read.append(shards.index.name(member))
        return before(shards, member)

    monkeypatch.setattr(Shards, "read", noted)
    again = loaded("segmentation_shards", root, "dataset.cache_bytes=0")
    assert again.spec == first.spec
    assert len({name for name in read if name.endswith(".mask.png")}) == 1  # for its palette
    write_tar(root / "val-0.tar", samples(8, 9, values=[[1, 0, 1, 2]] * 4))  # a changed one is read anew
    changed = loaded("segmentation_shards", root, "dataset.cache_bytes=0")
    assert changed.val.read(np.array([0])).masks[0].tolist() == [[1, 0, 1, 2]] * 4
    assert len({name for name in read if name.endswith(".mask.png")}) == 12


def test_colors_and_ignored_ones_are_those_of_the_folder(tmp_path: Path) -> None:
    for number, split in enumerate(SPLITS):
        for i in range(3):
            colors = drawn(number * 9 + i)
            image = write_picture(tmp_path / "folder" / split / "images" / f"{i}.png", 10 * number + i, size=(4, 6))
            path = write_mask(tmp_path / "folder" / split / "masks" / f"{i}.png", colors)
            write_tar(
                tmp_path / "shards" / f"{split}-{i}.tar",
                [(f"{i}.png", image.read_bytes()), (f"{i}.mask.png", path.read_bytes())],
            )
    given: dict[str, Any] = {"class_names": None, "colours": COLORS, "ignore_index": "void"}
    folder = SegmentationFolder(root=str(tmp_path / "folder"), **given, **COMMON).load(on_bad="fail")
    assert "its pixels are colors, not class numbers" in refused("segmentation_shards", tmp_path / "shards")
    turned = loaded(
        "segmentation_shards",
        tmp_path / "shards",
        "dataset.colours={car: [0,0,142], void: [0,0,0], road: [128,64,128]}",
        "dataset.ignore_index=void",
    )
    data = loaded(
        "segmentation_shards",
        tmp_path / "shards",
        "dataset.colours={road: [128,64,128], void: [0,0,0], car: [0,0,142]}",
        "dataset.ignore_index=void",
    )
    assert data.spec == folder.spec
    for split in SPLITS:
        mine, other = (getattr(one, split).read(np.arange(3)) for one in (data, folder))
        assert np.array_equal(mine.masks, other.masks)
        assert np.array_equal(mine.images, other.images)
    assert turned.spec.class_names == ("car", "road")
    assert turned.train.class_counts(2).tolist() == data.train.class_counts(2).tolist()[::-1]


def test_what_is_wrong_is_said_and_skipped(root: Path) -> None:
    write_tar(
        root / "train-1.tar",
        [
            ("a.png", png(100, side=4)), ("a.cls", b"0"),
            ("b.mask.png", mask(MASK)),
            ("c.png", png(101, side=4)), ("c.mask.png", mask([[0, 1, 2]] * 4)),
            ("d.png", png(102, side=4)), ("d.mask.jpg", mask(MASK, "JPEG")),
            ("e.png", png(103, side=4)), ("e.mask.png", b"no image"),
            ("f.png", png(104, side=4)), ("f.mask.png", mask(MASK)), ("f.mask.tif", mask(MASK, "TIFF")),
            ("g.png", png(105, side=4)), ("g.mask.png", mask([[0, 7, 0, 0]] * 4)),
            ("h.png", b""), ("h.mask.png", mask(MASK)),
        ],
    )  # fmt: skip
    (root / "classes.txt").write_text("road\ncar\nsky\n")
    told = refused("segmentation_shards", root)
    assert "The data has 8 problems" in told
    for line in (
        "train-1.tar/a: no mask (.mask.png, .mask.bmp, .mask.gif, .mask.jpe ... and 8 more); it has png, cls",
        "train-1.tar/b: no image (.bmp, .gif, .jpe, .jpeg ... and 8 more); it has mask.png",
        "train-1.tar/c.mask.png: size 3 x 4 (width x height), but ",
        "train-1.tar/d.mask.jpg: .jpg changes the pixels of a mask; save it as PNG",
        "train-1.tar/e.mask.png: not a readable image (its content is none of",
        "train-1.tar/f: more than one mask: mask.png, mask.tif",
        "train-1.tar/g.mask.png: class number 7 at column 1, row 0; the classes' numbers go up to 2",
        "train-1.tar/h.png: not a readable image (the file is empty)",
    ):
        assert line in told
    data = loaded("segmentation_shards", root, on_bad="skip")
    assert (len(data.train), len(data.problems)) == (8, 8)


def test_a_mask_of_another_size_names_no_class(root: Path) -> None:
    write_tar(root / "train-1.tar", [("a.png", png(100, side=4)), ("a.mask.png", mask([[0, 1, 7]] * 4))])
    assert "The data has 1 problem;" in refused("segmentation_shards", root)
    assert loaded("segmentation_shards", root, on_bad="skip").spec.class_names == ("0", "1", "2")


def test_splits_that_no_shard_is_of_are_held_out(tmp_path: Path) -> None:
    write_tar(tmp_path / "all.tar", samples(*range(20)))
    data = loaded("segmentation_shards", tmp_path)
    assert [len(getattr(data, split)) for split in SPLITS] == [14, 2, 4]
    assert sorted(name for split in SPLITS for name in getattr(data, split).names)[0] == f"{tmp_path}/all.tar/000.png"


def test_no_sample_at_all(tmp_path: Path) -> None:
    write_tar(tmp_path / "all.tar", [("a.png", png(0)), ("a.cls", b"0")])
    told = refused("segmentation_shards", tmp_path)
    assert "lists no usable image. The first problem: " in told
    assert told.endswith("\nExpected: samples of KEY.png (or .jpg ...) and KEY.mask.png in each shard.")
