"""A CSV file of images: columns, paths, parts, and problems with their line."""

import numpy as np
import pytest

from images import write_picture_folder
from sensorium.data.listing import SPLIT_NAMES
from sensorium.data.vision.image_csv import ImageCsv
from sensorium.errors import RequestError


@pytest.fixture
def root(tmp_path):
    return write_picture_folder(tmp_path / "photos", per_class=10)


def load(path, on_bad="fail", **changes):
    settings = {
        "path_column": "path",
        "label_column": "label",
        "split_column": None,
        "encoding": None,
        "image_size": 8,
        "resize": "crop",
        "channels": 3,
        "cache_bytes": 1 << 30,
        "val_fraction": 0.1,
        "test_fraction": 0.2,
        "split_seed": 0,
        "on_conflict": "drop",
    }
    return ImageCsv(path=path and str(path), **(settings | changes)).load(on_bad=on_bad)


def told(path, **changes):
    with pytest.raises(RequestError) as caught:
        load(path, **changes)
    return str(caught.value)


def write(root, lines, name="list.csv", encoding="utf-8"):
    path = root / name
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def lines_of(root, split=False):
    """path,label[,split]: of each class, images 0 to 5 train, 6 and 7 val, 8 and 9 test."""
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    lines = ["path,label,split" if split else "path,label"]
    for label in (0, 1):
        for i in range(10):
            lines.append(
                f"class_{label}/{i:03d}.png,{'left' if label else 'right'}" + (f",{parts[i]}" if split else "")
            )
    return lines


def test_parts_are_held_out(root):
    data = load(write(root, lines_of(root)))
    assert data.spec.class_names == ("left", "right")
    assert [len(part) for part in (data.train, data.val, data.test)] == [14, 2, 4]
    for part in (data.train, data.val, data.test):
        for name, label in zip(part.names, part.labels, strict=True):
            assert ("class_1" in name) == (data.spec.class_names[label] == "left")
    assert ImageCsv.task == "classification"


def test_the_order_of_the_lines_does_not_matter(root):
    lines = lines_of(root)
    first, second = load(write(root, lines)), load(write(root, [lines[0], *lines[:0:-1]], name="other.csv"))
    for part in ("train", "val", "test"):
        assert set(getattr(first, part).names) == set(getattr(second, part).names)


def test_parts_as_the_file_says(root):
    data = load(write(root, lines_of(root, split=True)))
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 4, 4]
    assert all(name[-7:-4] in ("006", "007") for name in data.val.names)
    assert all(name[-7:-4] in ("008", "009") for name in data.test.names)


def test_columns_separator_mark_and_absolute_paths(root):
    lines = ["\ufefffile;kind;set"]
    for label in (0, 1):
        for i in range(6):
            lines.append(
                f"{root}/class_{label}/{i:03d}.png; {10 - label} ;{'TRAIN' if i < 4 else 'Valid' if i < 5 else 'test'}"
            )
            lines.append("")
    data = load(write(root, lines), path_column="file", label_column="kind", split_column="set")
    assert data.spec.class_names == ("9", "10")
    assert [len(part) for part in (data.train, data.val, data.test)] == [8, 2, 2]
    np.testing.assert_array_equal(data.test.labels, [1, 0])


def test_problems_have_their_line(root):
    lines = lines_of(root, split=True)
    (root / "class_0" / "003.png").write_bytes(b"")
    lines += [
        "gone.png,left,train",
        "class_0/001.png,,train",
        ",left,train",
        "class_0/002.png,left",
        "class_0/002.png,right,exercise",
        "class_1/009.png,left,train",
        "class_1/000.png,right,train",
        "class_1,left,train",
    ]
    path = write(root, lines)
    data = load(path, on_bad="skip")
    problems = [str(problem).replace(f"{root}/", "") for problem in data.problems]
    assert problems == [
        "list.csv:22: there is no file gone.png",
        "list.csv:23: no label",
        "list.csv:24: no path",
        "list.csv:25: 2 cells where the first line has 3",
        f"list.csv:26: split 'exercise' is none of {', '.join(SPLIT_NAMES)}",
        "list.csv:29: there is no file class_1",
        "list.csv:5: class_0/003.png: not a readable image (the file is empty)",
        "list.csv:12: class_1/000.png: labeled 'left'; list.csv:28 has the same content and label 'right'",
        "list.csv:27: class_1/009.png: same content as list.csv:21, which is in test",
        "list.csv:28: class_1/000.png: labeled 'right'; list.csv:12 has the same content and label 'left'",
    ]
    assert [len(part) for part in (data.train, data.val, data.test)] == [10, 4, 4]
    assert told(path).startswith("The data has 10 problems; on_bad=skip")


def test_quoted_line_breaks_do_not_shift_the_numbers(root):
    path = write(root, ["path,label,note", '"class_0/000.png",a,"two\nlines"', "gone.png,b,x", "class_1/000.png,b,"])
    assert f"{path}:4: there is no file" in told(path)


def test_unknown_columns_list_the_ones_found(root):
    path = write(root, ["file,label", "class_0/000.png,a"])
    assert told(path).splitlines() == [
        f"{path} has no column 'path'. dataset.path_column=NAME names another one.",
        "Its columns are: file, label.",
    ]
    assert "'labels'. Did you mean dataset.label_column=label?" in told(path, path_column="file", label_column="labels")
    assert "dataset.split_column=NAME" in told(path, path_column="file", split_column="part")


def test_files_that_are_no_list(root, tmp_path):
    assert told(None) == "dataset.path is not set. Give a file: dataset.path=FILE."
    write(root, ["path,label"])
    assert told(root / "lst.csv").endswith(f"there is no such file. Did you mean {root}/list.csv?")
    assert "is a folder; a file is needed.\nFor a folder of class folders use dataset=image_folder" in told(root)
    assert told(root / "list.csv") == f"{root}/list.csv lists no usable image."
    assert "Its columns are: none at all." in told(write(root, [], name="empty.csv"))
    assert "list.csv:2: not UTF-8 (byte 0xfc)" in told(write(root, ["path,label", "ü.png,a"], encoding="latin-1"))
    only_gone = write(root, ["path,label", "gone.png,a"])
    assert told(only_gone).endswith(f"The first problem: {only_gone}:2: there is no file {root}/gone.png")
    one = write(root, ["path,label", "class_0/000.png,a", "class_1/000.png,a"])
    assert "only the class 'a'" in told(one)


@pytest.mark.parametrize("name", ["~unknown-user/a.png", "~a.png"])
def test_the_home_of_an_unknown_user_is_no_file(root, name):
    (root / "list.csv").write_text(f"path,label\n{name},dim\n")
    assert f"{root}/list.csv:2: there is no file {root}/{name}" in told(root / "list.csv")


def test_backslashes_of_windows_stand_for_slashes(root):
    rows = [f"{path.parent.name}/{path.name},{path.parent.name}\n" for path in sorted(root.rglob("*.png"))]
    plain, windows = root / "list.csv", root / "windows.csv"
    plain.write_text("".join(["path,label\n", *rows]))
    windows.write_text("".join(["path,label\n", *(row.replace("/", "\\") for row in rows)]))
    assert list(load(windows).train.names) == list(load(plain).train.names)
