"""Images with boxes in shards: as from COCO's files, with the same problems in the same words."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenes import COMMON, write_picture
from sensorium.data.base import SPLITS
from sensorium.data.order import BatchPlan
from sensorium.data.vision.coco import Coco
from sensorium.data.window_order import WindowOrder
from shards import Member, loaded, png, refused, write_tar

CAT = {"bbox": [1, 2, 3, 4], "category": "cat"}
DOG = {"bbox": [0, 0, 8, 2.5], "category": "dog", "iscrowd": 1}


def sample(key: str, number: int, record: Any) -> list[Member]:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    return [(f"{key}.png", png(number)), (f"{key}.json", content)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, numbers in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        samples = (
            sample(f"{n:03d}", n, {"width": 8, "height": 8, "annotations": [CAT, DOG][n % 2 :]}) for n in numbers
        )
        write_tar(tmp_path / f"{split}-0.tar", chain.from_iterable(samples))
    return tmp_path


def test_boxes(root: Path) -> None:
    write_tar(root / "train-1.tar", sample("empty", 50, {"annotations": []}))
    data = loaded("detection_shards", root, "dataset.cache_bytes=0", "dataset.shuffle_window=4")
    assert data.spec.class_names == ("cat", "dog")
    assert data.train.boxes[0].tolist() == [[1, 2, 4, 6], [0, 0, 8, 2.5]]
    assert data.train.difficult[0].tolist() == [False, True]
    assert data.train.labels[1].tolist() == [1]
    assert data.train.boxes[8].shape == (0, 4)
    assert data.train.sizes.tolist() == [[8, 8]] * 9
    assert data.val.names[1] == f"{root}/val-0.tar/009.png"
    assert isinstance(data.train.order(BatchPlan(size=2, shuffle=True, seed=0)), WindowOrder)
    (root / "classes.txt").write_text("bird\ndog\ncat\n")
    data = loaded("detection_shards", root)
    assert data.spec.class_names == ("bird", "dog", "cat")
    assert data.train.labels[0].tolist() == [2, 1]


def test_shards_are_read_as_the_files_of_coco(tmp_path: Path) -> None:
    names = ("cat", "dog")
    files = {}
    for number, split in enumerate(SPLITS):
        content: dict[str, Any] = {"categories": [{"id": i, "name": name} for i, name in enumerate(names)]}
        content |= {"images": [], "annotations": []}
        for i in range(4):
            drawn = np.random.default_rng(10 * number + i)
            image = write_picture(tmp_path / split / f"{i}.png", 10 * number + i)
            content["images"].append({"id": i, "file_name": f"{split}/{i}.png", "width": 32, "height": 24})
            boxes = [
                {"bbox": [*drawn.uniform(0, 10, 2).tolist(), *drawn.uniform(1, 10, 2).tolist()], "category_id": n}
                for n in (0, 1, 1)
            ]
            content["annotations"] += [{**box, "image_id": i} for box in boxes]
            record = {"annotations": [{**box, "category": names[int(box["category_id"])]} for box in boxes]}
            write_tar(
                tmp_path / "shards" / f"{split}-{i}.tar",
                [(f"{i}.png", image.read_bytes()), (f"{i}.json", json.dumps(record).encode())],
            )
        files[f"{split}_json"] = str(tmp_path / f"{split}.json")
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    coco = Coco(**files, train_images=str(tmp_path), val_images=None, test_images=None, **COMMON).load(on_bad="fail")
    data = loaded("detection_shards", tmp_path / "shards")
    assert data.spec == coco.spec
    for split in SPLITS:
        for mine, other in zip(*(getattr(one, split).read(np.arange(4)) for one in (data, coco)), strict=True):
            assert np.array_equal(mine, other)


NEEDED = 'needed is {"annotations": [{"bbox": [x, y, width, height], "category": "cat"}]}'


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b"{", "a.json: not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ([CAT], "a.json: JSON [{"),
        ({"boxes": []}, f"a.json: no list 'annotations'; {NEEDED}"),
        ({"annotations": [CAT], "width": 9, "height": 8}, "a.json: size 9 x 8 (width x height), but "),
        ({"annotations": [CAT, 5]}, "a.json: annotation number 1: int where an object is needed"),
        ({"annotations": [{**CAT, "category": 1}]}, "number 0: category is 1; the name of a class is needed"),
        ({"annotations": [{**CAT, "category": "cta"}]}, "number 0: class 'cta' is not in train; the nearest is 'cat'"),
        (
            {"annotations": [{"category": "cat"}]},
            "number 0: bbox of four numbers is needed (x, y, width, height), there",
        ),
        (b'{"annotations": [{"bbox": [NaN, 1, 2, 3], "category": "cat"}]}', "number 0: box with a value that is not a"),
        ({"annotations": [{**CAT, "bbox": [1, 2, -3, 4]}]}, "number 0: inverted box (bbox [1, 2, -3, 4])"),
        ({"annotations": [{**CAT, "bbox": [20, 2, 3, 4]}]}, "number 0: box outside the image, which is 8 wide and 8 h"),
        ({"annotations": [{**CAT, "iscrowd": 5}]}, "number 0: iscrowd is 5; it takes 0 or 1"),
    ],
)
def test_what_is_wrong_is_said_and_skipped(root: Path, record: Any, told: str) -> None:
    write_tar(root / "val-1.tar", sample("a", 100, record))
    found = refused("detection_shards", root)
    assert "The data has 1 problem;" in found
    assert told in found
    data = loaded("detection_shards", root, on_bad="skip")
    assert (len(data.train), len(data.val), len(data.problems)) == (8, 2, 1)


def test_samples_without_an_image_or_boxes(root: Path) -> None:
    write_tar(root / "bad.tar", [("a.png", png(100)), ("a.txt", b"x"), ("b.json", b"{}")])
    found = refused("detection_shards", root)
    assert "/bad.tar/a: no annotations (.json); it has png, txt" in found
    assert "/bad.tar/b: no image (.bmp, .gif, .jpe, .jpeg ... and 8 more); it has json" in found


def test_splits_that_no_shard_is_of_are_held_out(root: Path) -> None:
    for split in ("val", "test"):
        (root / f"{split}-0.tar").unlink()
    write_tar(
        root / "more.tar", chain.from_iterable(sample(f"{n}", n, {"annotations": [CAT, DOG]}) for n in range(8, 20))
    )
    data = loaded("detection_shards", root)
    assert [len(getattr(data, split)) for split in SPLITS] == [14, 2, 4]
