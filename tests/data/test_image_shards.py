"""Images in shards: the samples that webdataset itself reads, labels, splits, and reading at each batch."""

from pathlib import Path

import numpy as np
import pytest
import webdataset

from sensorium.data.base import Data
from sensorium.data.order import BatchPlan
from sensorium.data.vision.image_folder import ImageFolder
from sensorium.data.vision.image_shards import ImageShards
from sensorium.data.window_order import WindowOrder
from shards import SETTINGS, image_members, image_shards, png, write_tar


def loaded(root: object, *, on_bad: str = "fail", **others: object) -> Data:
    return ImageShards(root=root, **{**SETTINGS, **others}).load(on_bad=on_bad)  # type: ignore[arg-type]


def test_samples_are_those_that_webdataset_reads(tmp_path: Path) -> None:
    with webdataset.ShardWriter(str(tmp_path / "train-%03d.tar"), maxcount=7, verbose=0) as writer:
        for number in range(30):
            writer.write({"__key__": f"deep/er.x/{number:03d}", "PNG": png(number), "cls": number % 2, "meta.json": {}})
    data = loaded(str(tmp_path), test_fraction=0.1)
    whole = data.train.joined([data.val, data.test])
    ours = {name.split(".tar/")[1]: (whole.images.read(np.array([row]))[0, 0], int(whole.labels[row]))
            for row, name in enumerate(whole.names)}  # fmt: skip
    reader = webdataset.WebDataset(sorted(map(str, tmp_path.glob("*.tar"))), shardshuffle=False).decode("l8")
    theirs = {f"{sample['__key__']}.PNG": (sample["png"], sample["cls"]) for sample in reader}
    assert ours.keys() == theirs.keys()
    assert len(ours) == 30
    for name, (pixels, label) in theirs.items():
        assert np.array_equal(ours[name][0], pixels)
        assert data.spec.class_names[ours[name][1]] == str(label)


def test_shards_train_as_the_folder_they_were_made_of(tmp_path: Path) -> None:
    for split, numbers in (("train", range(40)), ("val", range(40, 50)), ("test", range(50, 60))):
        for number in numbers:
            path = tmp_path / "folder" / split / str(number % 2) / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(number))
    root = image_shards(tmp_path / "shards", shards=2, each=20, val=10, test=10)
    settings = {key: value for key, value in SETTINGS.items() if key not in ("shard_bytes", "shuffle_window")}
    folder = ImageFolder(root=str(tmp_path / "folder"), **settings).load(on_bad="fail")
    for cache_bytes in (1 << 30, 0, 3000):  # all decoded, none, the first ones
        data = loaded(str(root), cache_bytes=cache_bytes)
        assert data.spec == folder.spec
        for split in ("train", "val", "test"):
            mine, other = getattr(data, split), getattr(folder, split)
            names = [Path(name).name for name in other.names]
            rows = np.array([names.index(Path(name).name) for name in mine.names])
            assert sorted(rows.tolist()) == list(range(len(other)))
            batch, expected = mine.read(np.arange(len(mine))), other.read(rows)
            assert np.array_equal(batch.images, expected.images)
            assert np.array_equal(batch.labels, expected.labels)


def test_splits_follow_the_names_of_the_shards(tmp_path: Path) -> None:
    root = image_shards(tmp_path, shards=2, each=10, validation=6, test=4)
    data = loaded(str(root))
    assert [len(split) for split in (data.train, data.val, data.test)] == [20, 6, 4]
    assert data.val.names[0] == f"{root}/validation-000.tar/0020.png"


def test_a_split_may_be_a_folder_of_that_name_alone(tmp_path: Path) -> None:
    for split, numbers in (("train", range(20)), ("my_test_shards", range(20, 40)), ("dev", range(40, 46))):
        write_tar(tmp_path / split / "000.tar", image_members(numbers))
    data = loaded([f"{tmp_path}/{split}" for split in ("train", "my_test_shards", "dev")])
    assert len(data.val) == 6
    assert len(data.train) + len(data.test) == 40  # "my_test_shards" says nothing: test is held out of both


@pytest.mark.parametrize(
    ("root", "shards"),
    [
        ("{}", 4), ("{}/train-{{000..002}}.tar", 3), ("{}/train-00{{0,3}}.tar", 2), ("{}/*-00[12].tar", 2),
        (["{}/train-000.tar", "file://{}/train-003.tar"], 2),
    ],
)  # fmt: skip
def test_shards_are_named_by_folder_braces_wildcards_and_lists(tmp_path: Path, root: object, shards: int) -> None:
    image_shards(tmp_path, shards=4, each=10)
    given = [one.format(tmp_path) for one in root] if isinstance(root, list) else str(root).format(tmp_path)
    data = loaded(given)
    assert sum(len(split) for split in (data.train, data.val, data.test)) == 10 * shards


@pytest.mark.parametrize("file", ["classes.txt", "classes.json"])
def test_numbers_are_those_of_the_class_names_beside_the_shards(tmp_path: Path, file: str) -> None:
    image_shards(tmp_path, shards=2, each=10, val=6, test=4)
    (tmp_path / file).write_text('["night", "day", "dusk"]' if file.endswith("json") else "night\nday\ndusk\n")
    data = loaded(str(tmp_path))
    assert data.spec.class_names == ("night", "day")  # no training example is of dusk
    assert [data.spec.class_names[label] for label in data.test.labels] == ["night", "day"] * 2


def test_a_label_may_be_a_name(tmp_path: Path) -> None:
    members = image_members(range(40))
    words = [(name, {b"0": b"night\n", b"1": b"day\n"}.get(content, content)) for name, content in members]
    write_tar(tmp_path / "all.tar", words)
    assert loaded(str(tmp_path)).spec.class_names == ("day", "night")


def test_a_changed_shard_is_read_anew(tmp_path: Path) -> None:
    image_shards(tmp_path, shards=2, each=10, val=6, test=4)
    before = loaded(str(tmp_path))
    write_tar(tmp_path / "train-001.tar", image_members(range(100, 112)))
    after = loaded(str(tmp_path))
    assert (len(before.train), len(after.train)) == (20, 22)
    assert np.array_equal(after.train.images.read(np.array([10]))[0], before.train.images.read(np.array([0]))[0]) is (
        False
    )


def test_a_window_shuffles_without_the_whole(tmp_path: Path) -> None:
    image_shards(tmp_path, shards=4, each=20, val=6, test=4)
    order = loaded(str(tmp_path), shuffle_window=10).train.order(BatchPlan(size=8, shuffle=True, seed=0))
    assert isinstance(order, WindowOrder)
    rows = np.concatenate(list(order.batches()))
    assert sorted(rows.tolist()) == list(range(80))
    shard = rows // 20
    assert [len(set(shard[start : start + 8].tolist())) <= 2 for start in range(0, 80, 8)] == [True] * 10


def test_memory_addresses_are_fetched_and_give_the_same(tmp_path: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    image_shards(tmp_path / "here", shards=3, each=10, val=6, test=4)
    for path in sorted((tmp_path / "here").glob("*.tar")):
        files.pipe_file(f"/bucket/{path.name}", path.read_bytes())
    files.pipe_file("/bucket/classes.txt", b"night\nday\n")
    try:
        local = loaded(str(tmp_path / "here"))
        for root in ("memory://bucket", "memory://bucket/*.tar"):
            # Two of the five shards fit, so that others have to make room for what is read.
            data = loaded(root, cache_bytes=0, shard_bytes=90_000, shuffle_window=10)
            assert data.spec.class_names == ("night", "day")
            assert data.train.names[3] == "memory:///bucket/train-000.tar/0003.png"
            rows = np.array([3, 27, 11, 0])
            assert np.array_equal(data.train.read(rows).images, local.train.read(rows).images)
        kept = sum(path.stat().st_size for path in (tmp_path / "cache" / "shards").glob("*/rows"))
        assert kept <= 90_000
    finally:
        files.rm("/bucket", recursive=True)
