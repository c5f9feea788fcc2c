"""Tags and numbers in the JSON of shards: read, and refused in words."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.data.base import SPLITS
from shards import Member, loaded, png, refused, write_tar

TAGS = (["cat"], ["cat", "dog"], ["dog"], [])  # of images 0, 1, 2, 3, and again


def sample(key: object, given: tuple[str, bytes], record: Any) -> list[Member]:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    return [(f"{key}.{given[0]}", given[1]), (f"{key}.json", content)]


def image(number: int) -> tuple[str, bytes]:
    return "png", png(number)


def text(number: int) -> tuple[str, bytes]:
    return "txt", f"offer {number} for {number % 3} chairs".encode()


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    for split, numbers in (("train", range(16)), ("val", range(16, 20)), ("test", range(20, 24))):
        members = (sample(f"{n:03d}", image(n), {"tags": TAGS[n % 4], "id": n}) for n in numbers)
        write_tar(tmp_path / f"{split}.tar", chain.from_iterable(members))
    return tmp_path


def numbered(root: Path, given: Any) -> Path:
    for split, numbers in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        members = (sample(f"{n:03d}", given(n), {"age": n / 8, "size": 10 * n, "name": "x"}) for n in numbers)
        write_tar(root / f"{split}.tar", chain.from_iterable(members))
    return root


# -- tags


def test_tags(tagged: Path) -> None:
    data = loaded("image_tagging_shards", tagged)
    assert data.spec.class_names == ("cat", "dog")
    assert data.train.targets[:4].tolist() == [[1, 0], [1, 1], [0, 1], [0, 0]]
    assert data.val.names[1] == f"{tagged}/val.tar/017.png"
    (tagged / "classes.txt").write_text("dog\ncow\ncat\n")
    data = loaded("image_tagging_shards", tagged)
    assert data.spec.class_names == ("dog", "cow", "cat")
    assert data.test.targets.tolist() == [[0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_tags_are_held_out_where_no_shard_is_of_a_split(tagged: Path) -> None:
    (tagged / "val.tar").unlink()
    (tagged / "test.tar").rename(tagged / "more.tar")
    data = loaded("image_tagging_shards", tagged)
    assert sum(len(getattr(data, split)) for split in SPLITS) == 20
    assert len(data.val) > 0 < len(data.test)


LIST = """; a list of names is needed, such as {"tags": ["cat", "dog"]}"""


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b"{", "a.json: not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        (b"\xff", "a.json: not UTF-8 (byte 0xff)"),
        (b"[" * 100_000, "a.json: not JSON (JSON that is nested too deeply)"),
        (["cat"], 'a.json: JSON ["cat"], where an object {...} is needed'),
        ({"label": "cat"}, f"a.json: no tags{LIST}"),
        ({"tags": "cat"}, f'a.json: tags is "cat"{LIST}'),
        ({"tags": [1]}, f"a.json: tags is [1]{LIST}"),
        ({"tags": None}, f"a.json: tags is null{LIST}"),
        ({"tags": ["cat", " "]}, """a.json: an empty tag in '["cat", " "]'"""),
        ({"tags": ["cat", "dog", "cat"]}, "a.json: tag 'cat' occurs twice"),
        ({"tags": ["cta"]}, "a.json: tag 'cta' is none of the classes; the nearest is 'cat'"),
    ],
)
def test_what_is_wrong_with_tags_is_said_and_skipped(tagged: Path, record: Any, told: str) -> None:
    (tagged / "classes.txt").write_text("cat\ndog\n")
    write_tar(tagged / "bad.tar", sample("a", image(100), record))
    found = refused("image_tagging_shards", tagged)
    assert "The data has 1 problem;" in found
    assert f"/bad.tar/{told}" in found
    data = loaded("image_tagging_shards", tagged, on_bad="skip")
    assert (len(data.train), len(data.problems)) == (16, 1)


def test_samples_without_tags_or_image(tagged: Path) -> None:
    write_tar(
        tagged / "bad.tar", [("a.png", png(100)), ("b.json", b'{"tags": []}'), *sample("c", image(101), {})[:1] * 2]
    )
    found = refused("image_tagging_shards", tagged)
    assert "/bad.tar/a: no tags (.json); it has png" in found
    assert "/bad.tar/b: no image (.bmp, .gif, .jpe, .jpeg ... and 8 more); it has json" in found
    assert "/bad.tar/c: two members with the extension 'png'" in found


# -- numbers


@pytest.mark.parametrize(("dataset", "given"), [("image_regression_shards", image), ("text_regression_shards", text)])
def test_numbers(dataset: str, given: Any, tmp_path: Path) -> None:
    numbered(tmp_path, given)
    data = loaded(dataset, tmp_path, "dataset.target_columns=[size,age]")
    assert data.spec.target_names == ("size", "age")
    assert data.train.targets[:3].tolist() == [[0, 0], [10, 0.125], [20, 0.25]]
    assert data.spec.target_mean == (35, 0.4375)
    (tmp_path / "targets.txt").write_text("age\n")
    data = loaded(dataset, tmp_path)
    assert data.test.targets.tolist() == [[1.25], [1.375]]
    (tmp_path / "targets.txt").write_text("age\nage\n")
    assert "targets.txt beside the shards has the target 'age' twice." in refused(dataset, tmp_path)


@pytest.mark.parametrize(("dataset", "given"), [("image_regression_shards", image), ("text_regression_shards", text)])
def test_which_numbers_is_asked(dataset: str, given: Any, tmp_path: Path) -> None:
    numbered(tmp_path, given)
    found = refused(dataset, tmp_path)
    assert found == (
        f"dataset.target_columns=null, and beside the shards of {tmp_path} is no targets.txt.\nGive the keys of the"
        " numbers in KEY.json, such as dataset.target_columns=[age]."
    )
    assert "target_columns names a column twice: age, age." in refused(
        dataset, tmp_path, "dataset.target_columns=[age,age]"
    )


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b"nothing", "a.json: not JSON (Expecting value: line 1 column 1 (char 0))"),
        ({"size": 1}, "a.json: no age"),
        ({"age": None}, "a.json: no age"),
        (b'{"age": NaN}', "a.json: age is 'NaN', not a finite number"),
        (b'{"age": 1e999}', "a.json: age is 'Infinity', not a finite number"),
        ({"age": 1e31}, "a.json: age is '1e+31', beyond 1e+30"),
        ({"age": True}, "a.json: age is 'true', not a number"),
        ({"age": [1]}, "a.json: age is '[1]', not a number"),
        ({"age": "1,5"}, "a.json: age is '1,5', not a number; write decimals with a point"),
    ],
)
@pytest.mark.parametrize(("dataset", "given"), [("image_regression_shards", image), ("text_regression_shards", text)])
def test_what_is_wrong_with_numbers_is_said_and_skipped(
    dataset: str, given: Any, record: Any, told: str, tmp_path: Path
) -> None:
    numbered(tmp_path, given)
    write_tar(tmp_path / "bad.tar", sample("a", given(100), record))
    found = refused(dataset, tmp_path, "dataset.target_columns=[age]")
    assert "The data has 1 problem;" in found
    assert f"/bad.tar/{told}" in found
    data = loaded(dataset, tmp_path, "dataset.target_columns=[age]", on_bad="skip")
    assert (len(data.train), len(data.problems)) == (8, 1)


def test_a_window_and_decoding_at_each_batch(tmp_path: Path) -> None:
    numbered(tmp_path, image)
    kept, decoded = (
        loaded("image_regression_shards", tmp_path, "dataset.target_columns=[age]", "dataset.shuffle_window=4", more)
        for more in ("dataset.cache_bytes=1000000", "dataset.cache_bytes=0")
    )
    rows = np.array([5, 2])
    assert np.array_equal(kept.train.read(rows).images, decoded.train.read(rows).images)
    assert np.array_equal(kept.train.read(rows).targets, decoded.train.read(rows).targets)
