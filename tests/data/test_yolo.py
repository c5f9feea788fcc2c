"""YOLO's text files: what is read, and what is found to be wrong, by file and line."""

from pathlib import Path

import pytest

from scenes import COMMON, write_picture
from sensorium.data.vision.yolo import Yolo
from sensorium.errors import RequestError

BOX = "1 0.5 0.5 0.25 0.5"  # of 32 x 24 pixels: from 12 to 20, and from 6 to 18
FIRST = ("images/{part}", "labels/{part}")
SECOND = ("{part}/images", "{part}/labels")


def write(root, lines, layout=FIRST, names="names: [cat, dog]\n"):
    """lines: part -> the lines of each image, None for no file."""
    for number, (part, of) in enumerate(lines.items()):
        images, labels = (root / folder.format(part=part) for folder in layout)
        labels.mkdir(parents=True, exist_ok=True)
        for i, text in enumerate(of):
            write_picture(images / f"{i}.png", 100 * number + i)
            if text is not None:
                (labels / f"{i}.txt").write_text(text)
    if names:
        (root / "data.yaml").write_text(names)
    return root


def load(root, on_bad="fail", class_names=None, **changes):
    return Yolo(root=root and str(root), class_names=class_names, **(COMMON | changes)).load(on_bad=on_bad)


def told(root, **changes):
    with pytest.raises(RequestError) as caught:
        load(root, **changes)
    return str(caught.value)


@pytest.mark.parametrize("layout", [FIRST, SECOND])
def test_both_ways_of_folders(tmp_path, layout):
    lines = {"train": [f"{BOX}\n\n0 0.25 0.25 0.5 0.5\n", ""], "valid": [None], "test": [BOX]}
    data = load(write(tmp_path, lines, layout))
    assert [len(part) for part in (data.train, data.val, data.test)] == [2, 1, 1]
    assert data.train.boxes[0].tolist() == [[12, 6, 20, 18], [0, 0, 16, 12]]
    assert data.train.labels[0].tolist() == [1, 0]
    assert not data.train.difficult[0].any()
    assert data.spec.class_names == ("cat", "dog")
    assert "train: 1 image without boxes" in data.notes
    assert "val: 1 image without boxes" in data.notes


def test_without_parts_they_are_held_out(tmp_path):
    data = load(write(tmp_path, {"": [BOX] * 16}))
    assert [len(part) for part in (data.train, data.val, data.test)] == [9, 3, 4]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "names: {1: dog, 0: cat}\nnc: 2\n"),
        ("data.yml", "names:\n- cat\n- dog\n"),
        ("classes.txt", "cat\n\ndog \n"),
        ("labels/classes.txt", "cat\ndog\n"),
    ],
)
def test_where_class_names_come_from(tmp_path, file, text):
    write(tmp_path, {"train": [BOX], "val": [BOX], "test": [BOX]}, names=None)
    assert "dataset.class_names=[NAME,NAME], in the order of their numbers." in told(tmp_path)
    (tmp_path / file).write_text(text)
    assert load(tmp_path).spec.class_names == ("cat", "dog")
    assert load(tmp_path, class_names=["a", "b", "c"]).spec.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("names: [a", "not YAML"),
        ("names: 3", "should be a list"),
        ("names: {1: a}", "should be a list"),
    ],
)
def test_class_names_that_are_none(tmp_path, text, what):
    assert what in told(write(tmp_path, {"train": [BOX]}, names=text))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1 0.5 0.5 0 0.5", "empty box (1 0.5 0.5 0 0.5)"),
        ("1 0.5 0.5 0.5 -0.5", "inverted box"),
        ("1 0.9 0.5 0.3 0.5", "box outside the image, which is 32 wide and 24 high"),
        ("1 0.5 nan 0.3 0.5", "box with a value that is not a number"),
        ("1 0.5 0.5 0.3 x", "box with a value that is not a number"),
        ("2 0.5 0.5 0.3 0.5", "class '2' is no number from 0 to 1"),
        ("dog 0.5 0.5 0.3 0.5", "class 'dog' is no number from 0 to 1"),
        ("-1 0.5 0.5 0.3 0.5", "class '-1' is no number from 0 to 1"),
        ("1 0.5 0.5 0.3", "4 values where a box has 5 (class x y width height)"),
        ("1 0 0 1 0 1", "6 values where a box has 5 (class x y width height)"),
    ],
)
def test_bad_lines_are_named_and_left_out(tmp_path, line, what):
    write(tmp_path, {"train": [f"{BOX}\n{line}\n", BOX], "val": [BOX], "test": [BOX]})
    assert f"\n  {tmp_path}/labels/train/0.txt:2: {what}" in told(tmp_path)
    data = load(tmp_path, on_bad="skip")
    if what.startswith("box outside"):  # clipped
        assert (data.train.boxes[0].tolist()[1][2], data.problems) == (32, ())
    elif what.startswith("empty"):  # it hides nothing
        assert ([len(labels) for labels in data.train.labels], len(data.problems)) == ([1, 1], 1)
    else:  # an image with a box less would teach that there is nothing
        assert (len(data.train), len(data.problems)) == (1, 1)
        assert data.train.names[0].endswith("1.png")


def test_a_box_given_twice_counts_once(tmp_path):
    other = f"0{BOX[1:]}"  # of another class in the same place: another thing
    data = load(write(tmp_path, {"train": [f"{BOX}\n{other}\n{BOX}\n", BOX], "val": [BOX], "test": [BOX]}))
    assert [labels.tolist() for labels in data.train.labels] == [[1, 0], [1]]
    note = f"1 box listed twice in one image, used once ({tmp_path}/labels/train/0.txt:3)"
    assert note in data.notes


def test_rounded_boxes_are_cut_without_a_word(tmp_path):
    # 0.016667 is half of a thirtieth, rounded up: four hundred-thousandths of a pixel outside.
    data = load(write(tmp_path, {"train": ["0 0.016666 0.5 0.033334 1"], "val": [BOX], "test": [BOX]}))
    assert data.train.boxes[0][0, 0] == 0
    assert not any("cut" in note for note in data.notes)


def test_one_folder_for_two_splits_is_one_fault(tmp_path):
    write(tmp_path, {"train": [BOX] * 12})
    about = (tmp_path / "data.yaml").read_text() if (tmp_path / "data.yaml").exists() else "names: [cat, dog]\n"
    (tmp_path / "data.yaml").write_text(f"{about}\ntrain: images/train\nval: images/train\n")
    with pytest.raises(RequestError, match="train and val are the same data: all 12 different images") as caught:
        load(tmp_path)
    assert len(str(caught.value).splitlines()) == 2


def test_bad_files(tmp_path):
    write(tmp_path, {"train": [BOX, BOX, BOX], "val": [BOX], "test": [BOX]})
    (tmp_path / "labels" / "train" / "gone.txt").write_text(BOX)
    (tmp_path / "labels" / "train" / "1.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "images" / "train" / "2.png").write_bytes((tmp_path / "images" / "test" / "0.png").read_bytes())
    data = load(tmp_path, on_bad="skip")
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in data.problems] == [
        "labels/train/gone.txt: there is no image images/train/gone.*",
        "labels/train/1.txt: not a text file that can be read",
        "images/train/2.png: same content as images/test/0.png, which is in test",
    ]
    assert [len(labels) for labels in data.train.labels] == [1]


def test_folders_that_are_not_there(tmp_path):
    write(tmp_path, {"train": [BOX]})
    (tmp_path / "labels" / "train" / "0.txt").unlink()
    (tmp_path / "labels" / "train").rmdir()
    assert told(tmp_path) == f"There is no folder {tmp_path}/labels/train for the images in {tmp_path}/images/train."
    (tmp_path / "other" / "train").mkdir(parents=True)
    assert told(tmp_path / "other", class_names=["a"]).startswith(f"{tmp_path}/other/train has no folder images.\nExp")


def test_class_names_that_yaml_takes_for_something_else(tmp_path):
    write(tmp_path, {"train": [BOX], "val": [BOX], "test": [BOX]}, names="names: [off, on]\n")
    assert load(tmp_path).spec.class_names == ("off", "on")
    (tmp_path / "data.yaml").write_text("names: {0: no, 1: 1.0}\n")
    assert load(tmp_path).spec.class_names == ("no", "1.0")


@pytest.mark.parametrize(
    "text",
    [
        "train: images/train2017\nval: images/val2017\nnames: [cat, dog]\n",
        "train: ../images/train2017\nval: ../images/val2017\ntest: ../images/gone\nnames: [cat, dog]\n",
        "path: images\ntrain: train2017\nval: [val2017]\nnames: [cat, dog]\n",
        "train: train.txt\nval: images/val2017\nnames: [cat, dog]\n",
    ],
)
def test_splits_that_data_yaml_names(tmp_path, text):
    for number, folder in enumerate(("train2017", "val2017")):
        for i in range(4):
            write_picture(tmp_path / "images" / folder / f"{i}.png", 10 * number + i)
            (tmp_path / "labels" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "labels" / folder / f"{i}.txt").write_text(BOX)
    (tmp_path / "train.txt").write_text("".join(f"images/train2017/{i}.png\n" for i in range(4)))
    (tmp_path / "data.yaml").write_text(text)
    data = load(tmp_path)
    assert {Path(name).parent.name for name in data.val.names} == {"val2017"}
    assert (len(data.val), len(data.train) + len(data.test)) == (4, 4)
    assert all(len(labels) == 1 for labels in data.train.labels)


def test_outlines_are_read_as_their_bounding_boxes(tmp_path):
    outline = "1 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75"  # a diamond
    data = load(write(tmp_path, {"train": [outline], "val": [BOX], "test": [BOX]}))
    assert data.train.boxes[0].tolist() == [[8, 6, 24, 18]]
    assert "1 outlines are read as their bounding boxes" in data.notes


def test_what_is_not_read_among_the_images_is_named(tmp_path):
    root = write(tmp_path, {part: ["0 0.5 0.5 0.5 0.5\n"] * 2 for part in ("train", "val", "test")})
    images = root / "images" / "train"
    (images / "notes.md").write_text("x")
    (images / "loop").symlink_to(root)
    data = load(root)
    assert f"{images}: 1 file not read as images (.md), such as {images}/notes.md" in data.notes
    assert f"{images}/loop: a link that leads back to a folder it lies in; not followed" in data.notes


def test_keypoints_behind_a_box_are_no_outline(tmp_path):
    names = "kpt_shape: [2, 3]\nnames: [cat, dog]\n"
    data = load(write(tmp_path, {"train": [f"{BOX} 0.1 0.1 1 0.9 0.9 0"], "val": [BOX], "test": [BOX]}, names=names))
    assert data.train.boxes[0].tolist() == [[12, 6, 20, 18]]
    (tmp_path / "data.yaml").write_text("kpt_shape: 17\nnames: [cat, dog]\n")
    assert "kpt_shape=17 in data.yaml; it should be [NUMBER, 2] or [NUMBER, 3]." in told(tmp_path)


def test_labels_in_files_with_an_upper_case_suffix_are_read(tmp_path):
    root = write(tmp_path, {"train": [BOX, BOX], "val": [BOX], "test": [BOX]})
    (root / "labels/train/0.txt").rename(root / "labels/train/0.TXT")
    assert [len(of) for of in load(root).train.boxes] == [1, 1]


def test_two_classes_of_one_name_are_refused(tmp_path):
    root = write(tmp_path, {"train": [BOX], "val": [BOX], "test": [BOX]}, names="names: [cat, cat]\n")
    assert "have the same name: cat, cat." in told(root)


def test_a_list_that_is_no_text_is_named(tmp_path):
    names = "train: list.txt\nval: images/val\nnames: [cat, dog]\n"
    root = write(tmp_path, {"train": [BOX], "val": [BOX]}, names=names)
    (root / "list.txt").write_bytes("images/train/caf\xe9.png".encode("latin-1"))
    assert f"{root}/list.txt:1: not UTF-8 (byte 0xe9)" in told(root)


def test_what_a_list_names_is_an_image_or_a_problem(tmp_path):
    text = "train: list.txt\nval: images/val\ntest: images/test/0.png\nnames: [cat, dog]\n"
    root = write(tmp_path, {"train": [BOX, BOX], "val": [BOX], "test": [BOX]}, names=text)
    (root / "list.txt").write_text("images\\train\\0.png\nimages/train/1.png\n")
    data = load(root)
    assert [len(part) for part in (data.train, data.val, data.test)] == [2, 1, 1]
    (root / "list.txt").write_text("images/train/0.png\nimages/train/1.heic\n")
    assert f"{root}/images/train/1.heic: there is no such image" in told(root)
