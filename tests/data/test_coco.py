"""COCO's JSON: what is read, and what is found to be wrong, by annotation."""

import json

import numpy as np
import pytest

from scenes import COMMON, write_picture
from sensorium.data.vision.coco import Coco
from sensorium.errors import RequestError

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


def annotation(image=1, category=3, bbox=(2, 3, 10, 5), **more):
    return {"id": 50, "image_id": image, "category_id": category, "bbox": bbox, **more}


def write(root, part, count, annotations, categories=CATEGORIES, **image):
    """Images 1 to count of 24 x 32, in root/part, and root/part.json."""
    images = []
    for number in range(1, count + 1):
        write_picture(root / part / f"{number}.png", hash_of(part) + number)
        images.append({"id": number, "file_name": f"{number}.png", "height": 24, "width": 32, **image})
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / f"{part}.json").write_text(json.dumps(content))


def hash_of(part):
    return 1000 * ("train", "val", "test").index(part)


def load(root, parts=("train", "val", "test"), on_bad="fail", **changes):
    given = {f"{part}_json": str(root / f"{part}.json") if part in parts else None for part in ("train", "val", "test")}
    given |= {f"{part}_images": str(root / part) if part in parts else None for part in ("train", "val", "test")}
    return Coco(**(given | COMMON | changes)).load(on_bad=on_bad)


def told(root, **changes):
    with pytest.raises(RequestError) as caught:
        load(root, **changes)
    return str(caught.value)


def write_all(root, annotations, **image):
    write(root, "train", 2, annotations, **image)
    write(root, "val", 1, [annotation()])
    # The same classes under other ids.
    write(root, "test", 1, [annotation(category=3)], categories=[{"id": 3, "name": "dog"}, {"id": 9, "name": "cat"}])


def test_a_file_for_each_part(tmp_path):
    write_all(tmp_path, [annotation(), annotation(category=7, bbox=[0, 0, 32.5, 24], iscrowd=1)])
    data = load(tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [2, 1, 1]
    assert data.spec.class_names == ("cat", "dog")  # by their ids
    assert data.train.boxes[0].tolist() == [[2, 3, 12, 8], [0, 0, 32, 24]]
    assert data.train.labels[0].tolist() == [0, 1]
    assert data.train.difficult[0].tolist() == [False, True]
    assert data.test.labels[0].tolist() == [1]
    assert data.train.names[1] == str(tmp_path / "train" / "2.png")
    assert "train: 1 image without boxes" in data.notes


def test_parts_without_a_file_are_held_out(tmp_path):
    write(tmp_path, "train", 16, [annotation(image) for image in range(1, 17)])
    data = load(tmp_path, parts=("train",))
    assert [len(part) for part in (data.train, data.val, data.test)] == [9, 3, 4]
    content = {"images": [{"id": 1, "file_name": "../other.png"}], "annotations": [], "categories": CATEGORIES}
    (tmp_path / "test.json").write_text(json.dumps(content))
    write_picture(tmp_path / "other.png", 99)
    data = load(tmp_path, parts=("train",), test_json=str(tmp_path / "test.json"))  # seen from the folder of train
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 4, 1]


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (annotation(bbox=[2, 3, 0, 5]), "50: empty box (bbox [2, 3, 0, 5])"),
        (annotation(bbox=[2, 3, -1, 5]), "50: inverted box (bbox [2, 3, -1, 5])"),
        (annotation(bbox=[2, 3, 40, 5]), "50: box outside the image, which is 32 wide and 24 high (bbox [2"),
        (annotation(bbox=[2, 3, float("nan"), 5]), "50: box with a value that is not a number (bbox [2, 3, nan, 5])"),
        (annotation(bbox=[2, 3, "4", 5]), "50: box with a value that is not a number"),
        (annotation(bbox=[2, 3, 4]), "50: bbox of four numbers is needed (x, y, width, height), there is 3 numbers"),
        (annotation(bbox=None), "50: bbox of four numbers is needed (x, y, width, height), there is none"),
        (annotation(category=4), "50: category 4 is not in the list of categories"),
        (annotation(category=[3]), "50: category [3] is not in the list of categories"),
        (annotation(image=[1]), "50: there is no image [1]"),
        (annotation(image={"id": 1}), "50: there is no image {'id': 1}"),
        (annotation(bbox=[2, 3, 10**20, 5]), f"50: box with a number far beyond any image (bbox [2,3,{10**20},5])"),
        (annotation(bbox=[2, 3, -(10**400), 5]), "50: box with a number far beyond any image (bbox [2,3,"),
        (annotation(image=99), "50: there is no image 99"),
        ("cat", "number 1: str where an object is needed"),
    ],
)
def test_bad_annotations_are_named_and_left_out(tmp_path, bad, what):
    write_all(tmp_path, [annotation(), bad, annotation(image=2)])
    message = told(tmp_path)
    assert message.startswith("The data has 1 problem;")
    place = f"{tmp_path}/train.json: annotation"
    assert f"{place} {what}" in message
    data = load(tmp_path, on_bad="skip")
    if "box outside" in what:  # clipped
        assert (data.train.boxes[0].tolist(), data.problems) == ([[2, 3, 12, 8], [2, 3, 32, 8]], ())
        return
    assert len(data.problems) == 1
    # An image with a box less would teach that there is nothing; a box of no image takes none with it.
    of_an_image = isinstance(bad, dict) and bad["image_id"] == 1 and "empty box" not in what
    assert [name[-5:] for name in data.train.names] == (["2.png"] if of_an_image else ["1.png", "2.png"])


def test_bad_pictures(tmp_path):
    write_all(tmp_path, [annotation(), annotation(image=2)])
    content = json.loads((tmp_path / "train.json").read_text())
    content["images"][0]["width"] = 30
    content["images"] += [{"id": 3, "file_name": "3.png"}, {"id": 2, "file_name": "1.png"}, {"file_name": "1.png"}]
    content["images"].append({"id": [4], "file_name": "1.png"})
    content["annotations"].append(annotation(image=3))  # of an image that is named anyway
    (tmp_path / "train.json").write_text(json.dumps(content))
    data = load(tmp_path, on_bad="skip")
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in data.problems] == [
        "train.json: image 3: there is no image train/3.png",
        "train.json: image 2: two images have this id",
        "train.json: image None: image without id or file_name",
        "train.json: image [4]: image without id or file_name",
        "train.json: image 1: size 30 x 24 (width x height), but train/1.png has 32 x 24",
    ]
    assert [len(labels) for labels in data.train.labels] == [1]
    assert np.array_equal(data.train.sizes, [[24, 32]])


def test_a_category_that_train_does_not_have(tmp_path):
    write_all(tmp_path, [annotation()])
    write(tmp_path, "val", 1, [annotation(category=5)], categories=[*CATEGORIES, {"id": 5, "name": "dogs"}])
    expected = "val.json: annotation 50: class 'dogs' is not in the list of classes; the nearest is 'dog'"
    assert expected in told(tmp_path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", "not JSON (Expecting"),
        ("[]", "has no list 'images'; COCO's instances have images, annotations, categories."),
        ('{"images": [], "annotations": {}, "categories": []}', "has no list 'annotations'"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "a category without a number as id, or"),
        ('{"images": [], "annotations": [], "categories": [1]}', "a category without a number as id"),
        (
            '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}',
            "two categories have the same id or name",
        ),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "lists no usable image"),
    ],
)
def test_a_file_that_is_no_annotation(tmp_path, content, what):
    write_all(tmp_path, [annotation()])
    (tmp_path / "train.json").write_text(content)
    assert what in told(tmp_path, parts=("train",))


def test_files_and_folders_that_are_not_given(tmp_path):
    write_all(tmp_path, [annotation()])
    assert told(tmp_path, train_json=None) == "dataset.train_json is not set. Give a file: dataset.train_json=FILE."
    assert told(tmp_path, train_images=None).startswith("dataset.train_images is not set. Give a folder")
    assert "train.jsn: there is no such file. Did you mean" in told(tmp_path, train_json=str(tmp_path / "train.jsn"))


def test_detections_are_handed_back_under_the_ids_of_the_file(tmp_path):
    write_all(tmp_path, [annotation()])
    for part in ("train", "val", "test"):
        content = json.loads((tmp_path / f"{part}.json").read_text())
        for entry in content["images"]:
            entry["id"] += 100
        for entry in content["annotations"]:
            entry["image_id"] += 100
        (tmp_path / f"{part}.json").write_text(json.dumps(content))
    data = load(tmp_path)
    assert (data.train.image_ids, data.test.image_ids) == ([101, 102], [101])
    assert data.train.category_ids == (3, 7)
    assert any("ids of categories differ from those of train" in note for note in data.notes)


def test_a_category_of_categories_only_is_no_class(tmp_path):
    root = {"id": 0, "name": "cat", "supercategory": "none"}
    categories = [root, *({**category, "supercategory": "cat"} for category in CATEGORIES)]
    for part in ("train", "val", "test"):
        write(tmp_path, part, 2, [annotation()], categories=categories)
    data = load(tmp_path)
    assert data.spec.class_names == ("cat", "dog")
    assert f"{tmp_path}/train.json: cat: a category of categories only, no class" in data.notes


@pytest.mark.parametrize("size", [{"width": -1, "height": -1}, {"width": 0, "height": 0}, {"width": None}])
def test_sizes_that_stand_for_unknown(tmp_path, size):
    write_all(tmp_path, [annotation()], **size)
    assert load(tmp_path).problems == ()


def test_a_box_around_the_outline_where_there_is_no_other(tmp_path):
    outline = [[2, 3, 12, 3, 12, 8], [4, 1, 5, 9, 6, 2]]
    write_all(tmp_path, [annotation(bbox=None, segmentation=outline)])
    data = load(tmp_path)
    assert data.train.boxes[0].tolist() == [[2, 1, 12, 9]]
    assert f"{tmp_path}/train.json: 1 annotation without bbox; computed from the outline" in data.notes


def test_nothing_but_crowds_is_nothing_to_learn_from(tmp_path):
    write_all(tmp_path, [annotation(iscrowd=1), annotation(image=2, iscrowd=1)])
    assert "all 2 boxes in train are difficult or a crowd" in told(tmp_path)


@pytest.mark.parametrize("name", ["train\\1.png", "some/folder/1.png", "C:\\data\\1.png"])
def test_names_with_other_folders_in_front(tmp_path, name):
    write_all(tmp_path, [annotation()])
    content = json.loads((tmp_path / "train.json").read_text())
    content["images"][0]["file_name"] = name
    (tmp_path / "train.json").write_text(json.dumps(content))
    assert load(tmp_path).train.names[0] == str(tmp_path / "train" / "1.png")


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"bbox": None, "segmentation": [1, 2, 9, 2, 9, 9]}, "each a list of x, y, x, y ..., not [1, 2, 9, 2, 9, 9]"),
        ({"bbox": None, "segmentation": [[1, 2, 9, 2, 9]]}, "an outline in segmentation has an x without a y"),
        ({"category_id": True}, "category True is not in the list of categories"),
        ({"iscrowd": "no"}, "iscrowd is 'no'; it takes 0 or 1"),
        ({"iscrowd": [1]}, "iscrowd is [1]; it takes 0 or 1"),
    ],
)
def test_values_of_another_type_are_named(tmp_path, bad, what):
    write_all(tmp_path, [{**annotation(), **bad}])
    assert what in told(tmp_path)


def test_numbers_as_tables_write_them(tmp_path):
    write_all(tmp_path, [annotation(image=1.0, category=3.0, iscrowd="0")])
    train = load(tmp_path).train
    assert (train.boxes[0].tolist(), train.difficult[0].tolist()) == ([[2, 3, 12, 8]], [False])


@pytest.mark.parametrize("size", [{"width": "64", "height": "48"}, {"width": 64.0, "height": 48.0}])
def test_a_wrong_size_is_found_however_it_is_written(tmp_path, size):
    write_all(tmp_path, [annotation()], **size)
    assert "size 64 x 48 (width x height), but" in told(tmp_path)
