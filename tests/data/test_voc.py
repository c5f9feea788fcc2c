"""Pascal VOC's folders: what is read, and what is found to be wrong, by file and line."""

from pathlib import Path

import numpy as np
import pytest

from scenes import COMMON, voc_xml, write_picture
from sensorium.data.vision.line_xml import UnreadableXml, read_xml
from sensorium.data.vision.voc import Voc
from sensorium.errors import RequestError

CAT = ("cat", 1, 1, 8, 6)


def write(root, boxes, lists=None, **xml):
    """boxes: name -> boxes of an image of 24 x 32. lists: part -> names."""
    for number, (name, of) in enumerate(boxes.items()):
        write_picture(root / "JPEGImages" / f"{name}.png", number)
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{name}.xml").write_text(voc_xml(of, **xml))
    for part, names in (lists or {}).items():
        (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def load(root, on_bad="fail", class_names=None, **changes):
    return Voc(root=root and str(root), class_names=class_names, **(COMMON | changes)).load(on_bad=on_bad)


def told(root, **changes):
    with pytest.raises(RequestError) as caught:
        load(root, **changes)
    return str(caught.value)


def test_the_official_lists(tmp_path):
    boxes = {"a": [CAT, ("dog", 5, 7, 32, 24, 1)], "b": [], "c": [("dog", 2.5, 1, 4, 9)], "d": [CAT]}
    lists = {"train": ["a", "b  1"], "val": ["c"], "test": ["d"], "trainval": ["a", "b", "c"], "cat_train": ["d"]}
    data = load(write(tmp_path, boxes, lists))
    assert [[name.rpartition("/")[2] for name in part.names] for part in (data.train, data.val, data.test)] == [
        ["a.png", "b.png"],
        ["c.png"],
        ["d.png"],
    ]
    # Pixels are counted from 1 and belong to the box: 1 to 8 are eight pixels, from 0 to 8.
    assert data.train.boxes[0].tolist() == [[0, 0, 8, 6], [4, 6, 32, 24]]
    assert data.train.boxes[1].shape == (0, 4)
    assert data.val.boxes[0].tolist() == [[1.5, 0, 4, 9]]
    assert data.train.difficult[0].tolist() == [False, True]
    assert data.train.labels[0].tolist() == [0, 1]
    assert data.spec.class_names == ("cat", "dog")
    assert (data.spec.image_size, data.spec.in_channels, data.spec.resize) == ((24, 32), 3, "stretch")
    assert data.train.sizes.tolist() == [[24, 32]] * 2
    assert "train: 1 image without boxes" in data.notes
    assert "train: 1 boxes are difficult or a crowd, and ignored in evaluation" in data.notes
    assert "test has no boxes of: dog" in data.notes
    assert data.train.read(np.arange(2)).images.shape == (2, 3, 24, 32)


def test_parts_that_are_not_listed_are_held_out(tmp_path):
    boxes = {f"{number:02d}": [CAT] for number in range(16)}
    data = load(write(tmp_path / "a", boxes))
    assert [len(part) for part in (data.train, data.val, data.test)] == [9, 3, 4]
    assert not set(data.train.names) & set(data.test.names)
    assert data.notes[0].endswith("has no lists of train, val and test; all of Annotations is split")
    data = load(write(tmp_path / "b", boxes, {"trainval": list(boxes)[:12], "test": list(boxes)[12:]}))
    assert [len(part) for part in (data.train, data.val, data.test)] == [9, 3, 4]
    assert data.test.names[0].endswith("12.png")
    (tmp_path / "b" / "ImageSets" / "Main" / "trainval.txt").unlink()
    assert "has no list of train" in told(tmp_path / "b")


@pytest.mark.parametrize(
    ("box", "line", "what"),
    [
        (("cat", 5, 5, 5, 9), 3, "empty box (xmin 5, ymin 5, xmax 5, ymax 9)"),
        (("cat", 9, 5, 8, 9), 3, "inverted box (xmin 9, ymin 5, xmax 8, ymax 9)"),
        (("cat", 1, 1, 34, 9), 3, "box outside the image, which is 32 wide and 24 high (xmin 1, ymin 1, xmax 34"),
        (("cat", 1, -2, 8, 9), 3, "box outside the image"),
        (("cat", 33, 1, 33.5, 9), 3, "box outside the image"),
        (("cat", 1, 1, "nan", 9), 3, "box with a value that is not a number"),
        (("cat", 1, 1, "8px", 9), 3, "box with a value that is not a number"),
        (("cat", 1, 1, "", 9), 3, "object 'cat' without xmax"),
        (("", 1, 1, 8, 9), 3, "object without a name"),
        (("cats", 1, 1, 8, 9), 3, "class 'cats' is not in the list of classes; the nearest is 'cat'"),
    ],
)
def test_bad_boxes_are_named_and_left_out(tmp_path, box, line, what):
    boxes = {"a": [box, CAT], "b": [CAT], "c": [CAT], "d": [CAT]}
    write(tmp_path, boxes, {"train": ["a", "d"], "val": ["b"], "test": ["c"]})
    message = told(tmp_path, class_names=["cat"])
    assert f"The data has 1 problem; on_bad=skip skips and lists the bad ones:\n  {tmp_path}" in message
    assert f"{tmp_path}/Annotations/a.xml:{line}: {what}" in message
    data = load(tmp_path, on_bad="skip", class_names=["cat"])
    if what.startswith("box outside") and box[1] < 32:  # clipped
        assert (len(data.train.boxes[0]), data.problems) == (2, ())
        left, top, right, bottom = data.train.boxes[0][0].tolist()
        assert (left, top) == (0, 0)
        assert (right, bottom) == (min(box[3], 32), 9)
    elif what.startswith("empty"):  # it hides nothing
        assert ([len(labels) for labels in data.train.labels], len(data.problems)) == ([1, 1], 1)
    else:  # an image with a box less would teach that there is nothing
        assert (data.train.names[0][-5:], len(data.train), len(data.problems)) == ("d.png", 1, 1)


def test_a_box_a_pixel_too_wide_is_cut(tmp_path):
    boxes = {"a": [("cat", 0, 0, 33, 25), CAT], "b": [CAT], "c": [CAT]}
    data = load(write(tmp_path, boxes, {"train": ["a"], "val": ["b"], "test": ["c"]}))
    assert data.train.boxes[0].tolist() == [[0, 0, 32, 24], [0, 0, 8, 6]]
    (note,) = (note for note in data.notes if "clipped" in note)
    assert note == f"1 box clipped at the edge of the image ({tmp_path}/Annotations/a.xml:3)"


def test_a_class_that_train_does_not_have(tmp_path):
    boxes = {"a": [CAT], "b": [CAT], "c": [("dog", 1, 1, 5, 5), CAT]}
    write(tmp_path, boxes, {"train": ["a"], "val": ["b"], "test": ["c"]})
    assert f"{tmp_path}/Annotations/c.xml:3: class 'dog' is not in train" in told(tmp_path)
    assert load(tmp_path, class_names=["dog", "cat"]).test.labels[0].tolist() == [0, 1]


def test_bad_pictures_and_annotations(tmp_path):
    boxes = {name: [CAT] for name in "abcdefgh"}
    lists = {"train": [*"abcdef", "gone"], "val": ["g"], "test": ["h"]}
    write(tmp_path, boxes, lists)
    (tmp_path / "Annotations" / "b.xml").write_text(voc_xml([CAT], size=(32, 24)))
    (tmp_path / "Annotations" / "c.xml").write_text("<annotation>\n<size>")
    (tmp_path / "Annotations" / "d.xml").unlink()
    (tmp_path / "JPEGImages" / "e.png").write_bytes(b"no image")
    (tmp_path / "JPEGImages" / "f.png").write_bytes((tmp_path / "JPEGImages" / "h.png").read_bytes())
    data = load(tmp_path, on_bad="skip")
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in data.problems] == [
        "Annotations/c.xml:2: not XML (no element found)",
        "ImageSets/Main/train.txt:4: there is no annotation Annotations/d.xml",
        "ImageSets/Main/train.txt:7: there is no image JPEGImages/gone.*",
        "Annotations/b.xml:2: size 24 x 32 (width x height), but JPEGImages/b.png has 32 x 24",
        "JPEGImages/e.png: not a readable image (its content is none of JPEG, PNG, WEBP, BMP, TIFF, GIF, PPM)",
        "JPEGImages/f.png: same content as JPEGImages/h.png, which is in test",
    ]
    assert [len(part) for part in (data.train, data.val, data.test)] == [1, 1, 1]
    assert told(tmp_path).startswith("The data has 6 problems")


def test_nothing_to_read(tmp_path):
    boxes = {"a": [], "b": [CAT], "c": [CAT]}
    write(tmp_path / "VOC2012", boxes, {"train": ["a"], "val": ["b"], "test": ["c"]})
    assert told(tmp_path) == (
        f"dataset.root={tmp_path} has no folder Annotations. Did you mean dataset.root={tmp_path}/VOC2012?\n"
        "Expected: Annotations/*, JPEGImages/*, and ImageSets/Main/*.txt where there are lists."
    )
    assert "has no usable box in train" in told(tmp_path / "VOC2012", class_names=["cat"], on_bad="skip")
    (tmp_path / "VOC2012" / "ImageSets" / "Main" / "test.txt").write_text("")
    (tmp_path / "VOC2012" / "Annotations" / "a.xml").write_text(voc_xml([CAT]))
    assert told(tmp_path / "VOC2012", class_names=["cat"]) == (
        f"{tmp_path}/VOC2012 has 1 different image in train, too few to hold out test.\n"
        "Add some, or assign them to splits yourself."
    )
    assert told(None) == "dataset.root is not set. Give a folder: dataset.root=FOLDER."


def test_an_annotation_that_declares_entities_is_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE a [\n<!ENTITY b "c">\n]>\n<a>&b;</a>')
    with pytest.raises(UnreadableXml, match="declares an entity") as caught:
        read_xml(path)
    assert caught.value.line == 2
    path.write_text("<a>\n<b>1</b>\n\n<b>2</b></a>")
    assert [(b.text, b.get("line")) for b in read_xml(path)] == [("1", "2"), ("2", "4")]


def test_names_with_blanks_are_whole_in_lists(tmp_path):
    names = {"train": ["IMG_0 (2)", "a 1b", "b"], "val": ["c d"], "test": ["e"]}
    write(tmp_path, {name: [CAT] for of in names.values() for name in of}, names)
    lists = tmp_path / "ImageSets" / "Main"
    (lists / "train.txt").write_text("IMG_0 (2)\na 1b  1\nb -1\n")
    data = load(tmp_path)
    assert [Path(name).stem for name in data.train.names] == ["IMG_0 (2)", "a 1b", "b"]
    assert data.problems == ()


def test_two_images_of_one_name_are_a_problem(tmp_path):
    root = write(tmp_path, {"a": [CAT], "b": [CAT], "c": [CAT]}, {"train": ["a"], "val": ["b"], "test": ["c"]})
    write_picture(root / "JPEGImages" / "a.bmp", 9)
    assert f"{root}/JPEGImages/a.png: there is a.bmp too; it is unclear which counts" in told(root)
