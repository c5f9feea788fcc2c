"""A table of images and their tags: both forms of labels, parts, and problems with their line."""

import json

import numpy as np
import pytest
from PIL import Image

from sensorium.data.targets.tags import rarest_tags
from sensorium.data.vision.image_tagging_csv import ImageTaggingCsv
from sensorium.errors import RequestError

TAGS = ("", "cat", "cat|dog", "dog", "dog|red car")


@pytest.fixture
def root(tmp_path):
    """Forty different images, 00.png to 39.png."""
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    return tmp_path


def load(path, on_bad="fail", **changes):
    settings = {
        "path_column": "path",
        "label_column": "labels",
        "label_separator": "|",
        "label_columns": None,
        "split_column": None,
        "encoding": None,
        "image_size": 8,
        "resize": "crop",
        "channels": 3,
        "cache_bytes": 1 << 30,
        "val_fraction": 0.2,
        "test_fraction": 0.2,
        "split_seed": 0,
        "on_conflict": "drop",
    }
    return ImageTaggingCsv(path=path and str(path), **(settings | changes)).load(on_bad=on_bad)


def told(path, **changes):
    with pytest.raises(RequestError) as caught:
        load(path, **changes)
    return str(caught.value)


def write(root, lines, name="list.csv"):
    path = root / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def lines_of(split=False, separator="|"):
    """Image n has the tags TAGS[n % 5]; of every ten, 0 to 5 are train, 6 and 7 val, 8 and 9 test."""
    parts = ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    rows = [(f"{n:02d}.png", TAGS[n % 5].replace("|", separator), parts[n // 4]) for n in range(40)]
    return ["path,labels,split" if split else "path,labels"] + [",".join(row if split else row[:2]) for row in rows]


def tags_of(data, part):
    """Path -> tags, as the split has them."""
    names = data.spec.class_names
    return {
        name[-6:]: {names[k] for k in np.flatnonzero(row)} for name, row in zip(part.names, part.targets, strict=True)
    }


def test_tags_in_one_cell(root):
    data = load(write(root, lines_of(split=True)))
    assert data.spec.class_names == ("cat", "dog", "red car")
    assert [len(part) for part in (data.train, data.val, data.test)] == [20, 8, 12]
    for part in (data.train, data.val, data.test):
        for name, tags in tags_of(data, part).items():
            assert tags == set(filter(None, TAGS[int(name[:2]) % 5].split("|")))
    batch = data.val.read(np.array([2]))
    assert np.array_equal(batch.images[0].numpy().transpose(1, 2, 0), np.asarray(Image.open(data.val.names[2])))
    assert ImageTaggingCsv.task == "image_tagging"


def test_a_column_for_each_tag(root):
    lines = ["path,dog,cat,split"]
    for line in lines_of(split=True)[1:]:
        path, labels, part = line.split(",")
        tags = labels.split("|")
        lines.append(f"{path},{int('dog' in tags)},{'true' if 'cat' in tags else '0.0'},{part}")
    data = load(write(root, lines), label_columns=["dog", "cat"])
    assert data.spec.class_names == ("dog", "cat")  # in the order of the columns
    for part in (data.train, data.val, data.test):
        for name, tags in tags_of(data, part).items():
            assert tags == {"cat", "dog"} & set(TAGS[int(name[:2]) % 5].split("|"))


def test_another_separator_and_json_lines(root):
    lines = lines_of(separator=";")
    semicolons = load(write(root, lines), label_separator=";")
    rows = [dict(zip(("path", "labels"), line.split(","), strict=True)) for line in lines[1:]]
    table = write(root, [json.dumps(row) for row in rows], name="list.jsonl")
    assert load(table, label_separator=";").spec == semicolons.spec
    assert semicolons.spec.class_names == ("cat", "dog", "red car")


def test_a_separator_that_splits_nothing_is_noted(root):
    data = load(write(root, lines_of(separator=";")))
    assert "cat;dog" in data.spec.class_names
    assert "16 images have a tag with ';' in it, and none has several; dataset.label_separator=';' splits there" in (
        data.notes
    )


def test_parts_are_held_out_by_the_rarest_tag(root):
    data = load(write(root, lines_of()))
    assert sum(len(part) for part in (data.train, data.val, data.test)) == 40
    for part in (data.train, data.val, data.test):
        found = list(tags_of(data, part).values())
        # Every combination is one of the rarest tag: it is in every part.
        assert {"red car", "cat", "dog"} <= set().union(*found)
        assert set() in found
    assert any(note.startswith("test: 9 images held out of train by rarest tag") for note in data.notes)
    shuffled = [lines_of()[0], *lines_of()[:0:-1]]
    assert set(load(write(root, shuffled, name="other.csv")).test.names) == set(data.test.names)
    assert set(load(write(root, lines_of()), split_seed=1).test.names) != set(data.test.names)


def test_the_rarest_tag_by_hand():
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert rarest_tags(targets).tolist() == [1, 0, 2, 3, 1]


def test_a_tag_too_rare_to_hold_out_stays_in_train(root):
    data = load(write(root, ["path,labels", *(f"{n:02d}.png,cat" for n in range(20)), "20.png,cat|dog", "21.png,dog"]))
    names = [str(name).rpartition("/")[2] for name in data.train.names]
    assert {"20.png", "21.png"} <= set(names)
    assert len(data.train) + len(data.val) + len(data.test) == 22
    assert "train keeps 2 images of a group too small to hold out" in data.notes


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("00.png,cat|,train", "list.csv:42: an empty tag in 'cat|'"),
        ("00.png,cat|cat,train", "list.csv:42: tag 'cat' occurs twice"),
        ("no.png,cat,train", "no.png"),
        (",cat,train", "list.csv:42: no path"),
        ("00.png,cat,exam", "list.csv:42: split 'exam' is none of"),
        ("00.png,cat", "list.csv:42: 2 cells where the first line has 3"),
        ("bad.png,cat,train", "list.csv:42: "),
        ("new.png,dgo,test", "list.csv:42: "),
        ("01.png,dog,train", "labeled 'dog'; "),
        ("00.png,,val", "same content as"),
    ],
)
def test_what_is_wrong_is_named_and_can_be_skipped(root, line, problem):
    (root / "bad.png").write_bytes(b"no image")
    Image.new("RGB", (8, 8), "teal").save(root / "new.png")
    path = write(root, [*lines_of(split=True), line])
    message = told(path)
    assert problem in message
    if "dgo" in line:
        assert "tag 'dgo' is in test but not in train; the nearest is 'dog'" in message
    data = load(path, on_bad="skip")
    assert data.problems
    assert any(problem.removeprefix("list.csv:42: ") in str(found) for found in data.problems)
    assert sum(len(part) for part in (data.train, data.val, data.test)) in (38, 39, 40)


def test_a_cell_of_a_tag_is_0_or_1(root):
    path = write(root, ["path,cat", "00.png,1", "01.png,maybe", "02.png,"])
    message = told(path, label_columns=["cat"])
    assert "list.csv:3: column 'cat' is 'maybe'; it takes 0 or 1" in message
    assert "list.csv:4: column 'cat' is empty" in message


def test_tags_that_a_part_has_no_image_of_are_noted(root):
    lines = [line for line in lines_of(split=True) if not line.endswith("red car,test")]
    assert "test has no image of: red car" in load(write(root, lines)).notes
    with_column = ["path,cat,never,split"] + [f"{n:02d}.png,{n % 2},0,{p}" for n, p in enumerate(["train", "train"])]
    with_column += [f"{n:02d}.png,1,0,{p}" for n, p in ((2, "val"), (3, "test"))]
    data = load(write(root, with_column), label_columns=["cat", "never"])
    assert "train has no image of: never" in data.notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_separator": ""}, "dataset.label_separator='': give the character between tags"),
        ({"label_columns": "cat"}, "dataset.label_columns=cat: give a list"),
        ({"label_columns": ["cat", "cat"]}, "names a column twice"),
        ({"label_columns": ["cta"]}, "has no column 'cta'"),
        ({"label_column": "lables"}, "has no column 'lables'. Did you mean dataset.label_column=labels?"),
        ({"split_column": "spilt"}, "has no column 'spilt'. Did you mean dataset.split_column=split?"),
    ],
)
def test_settings_that_cannot_be(root, changes, message):
    assert message in told(write(root, lines_of(split=True)), **changes)


def test_images_without_any_tag_are_not_enough(root):
    untagged = [
        "path,labels,split",
        "00.png,,train",
        "01.png,cat,val",
        "02.png,cat,test",
        "03.png,,val",
        "04.png,,test",
    ]
    path = write(root, untagged)
    assert "tag 'cat' is in val but not in train" in told(path)
    assert "no usable training image with a tag" in told(path, on_bad="skip")
    path = write(root, ["path,labels,split", "00.png,cat,train", "01.png,,val", "02.png,cat,test"])
    assert "has no usable image with a tag in val" in told(path)
    assert "no group by rarest tag of 3 different images" in told(
        write(root, ["path,labels", "00.png,cat", "01.png,dog"])
    )
    assert "lists no usable image" in told(write(root, ["path,labels"]))
