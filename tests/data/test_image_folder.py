"""A folder of class folders: parts, choices, and everything that can be wrong with it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from images import write_picture_folder
from sensorium.data.vision.image_folder import ImageFolder
from sensorium.data.vision.inputs import usual_size
from sensorium.errors import RequestError
from sensorium.vision.decode import decode_image

PARTS = ("train", "val", "test")


def load(root, on_bad="fail", **changes):
    settings = {
        "image_size": None,
        "resize": "crop",
        "channels": "auto",
        "cache_bytes": 1 << 30,
        "val_fraction": 0.1,
        "test_fraction": 0.2,
        "split_seed": 0,
        "on_conflict": "drop",
    }
    return ImageFolder(root=root and str(root), **(settings | changes)).load(on_bad=on_bad)


def told(root, **changes):
    """The lines of the error."""
    with pytest.raises(RequestError) as caught:
        load(root, **changes)
    return str(caught.value)


def names(data, root):
    return {part: {name.removeprefix(f"{root}/") for name in getattr(data, part).names} for part in PARTS}


def check_pictures(data):
    """Labels belong to the folders, and pixels to the files."""
    for part in (data.train, data.val, data.test):
        assert part.labels.dtype == np.int64
        pixels = part.images.read(np.arange(len(part)))
        for name, label, image in zip(part.names, part.labels, pixels, strict=True):
            assert f"/{data.spec.class_names[label]}/" in name
            size, channels = data.spec.image_size, data.spec.in_channels
            expected = decode_image(Path(name), image_size=size, in_channels=channels, resize=data.spec.resize)
            np.testing.assert_array_equal(image, expected)


def test_class_folders_alone(tmp_path):
    root = write_picture_folder(tmp_path / "photos", classes=3, per_class=20)
    data = load(root)
    assert data.spec.class_names == ("class_0", "class_1", "class_2")
    assert (data.spec.image_size, data.spec.in_channels, data.spec.resize) == ((16, 16), 3, "crop")
    assert [len(part) for part in (data.train, data.val, data.test)] == [42, 6, 12]
    assert all((np.bincount(part.labels) == len(part) // 3).all() for part in (data.train, data.val, data.test))
    check_pictures(data)
    assert data.notes == (
        "image_size: 16 x 16, the size of all 60 images inspected",
        "channels: 3, as the 60 images inspected are not all gray",
        "test: 12 images held out of train by class (split_seed 0)",
        "val: 6 images held out of train by class (split_seed 0)",
    )
    train = data.train.images.read(np.arange(42)) / 255
    np.testing.assert_allclose(data.spec.mean, train.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(data.spec.std, train.std(axis=(0, 2, 3)))
    assert ImageFolder.task == "classification"


def test_the_split_belongs_to_the_content_and_the_seed(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=20)
    first = names(load(root), root)
    assert names(load(root), root) == first
    assert names(load(root, split_seed=1), root)["test"] != first["test"]
    # The same images in another place, under other names that sort the other way round.
    moved = tmp_path / "moved"
    for path in sorted(root.glob("*/*.png")):
        (moved / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, moved / path.parent.name / f"{99 - int(path.stem)}.png")
    again = names(load(moved), moved)
    for part in PARTS:
        assert {f"{name[:8]}{99 - int(name[8:-4]):03d}.png" for name in again[part]} == first[part]


def test_folders_of_parts(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=6, parts=("Train", "validation", "TEST"))
    data = load(root)
    assert {part: {name.split("/")[0] for name in found} for part, found in names(data, root).items()} == {
        "train": {"Train"},
        "val": {"validation"},
        "test": {"TEST"},
    }
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 12, 12]
    assert not [note for note in data.notes if "held out" in note]
    check_pictures(data)


@pytest.mark.parametrize(("given", "held_out"), [("test", "val"), ("valid", "test")])
def test_a_part_that_is_missing_is_held_out_of_train(tmp_path, given, held_out):
    root = write_picture_folder(tmp_path / "photos", per_class=10, parts=("train", given))
    data = load(root, val_fraction=0.2)
    assert len(data.train) == 16
    assert len(getattr(data, held_out)) == 4
    assert all(name.startswith("train/") for name in names(data, root)[held_out])
    assert data.notes[-1] == f"{held_out}: 4 images held out of train by class (split_seed 0)"


def test_class_names_that_are_numbers_come_in_their_order(tmp_path):
    root = write_picture_folder(tmp_path / "photos", classes=3, per_class=5)
    for old, new in (("class_0", "10"), ("class_1", "9"), ("class_2", "100")):
        (root / old).rename(root / new)
    assert load(root).spec.class_names == ("9", "10", "100")


def test_folders_in_a_class_folder_belong_to_it(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=6)
    inner = root / "class_0" / "monday"
    inner.mkdir()
    (root / "class_0" / "000.png").rename(inner / "000.JPG")  # PNG by content; that is no problem
    data = load(root)
    assert len(data.train) + len(data.val) + len(data.test) == 12
    assert "class_0/monday/000.JPG" in set.union(*names(data, root).values())


def test_grey_pictures_have_one_channel(tmp_path):
    root = write_picture_folder(tmp_path / "photos", channels=1)
    for path in (root / "class_0").iterdir():
        Image.open(path).convert("RGB").save(path)  # gray in three channels
    data = load(root)
    assert data.spec.in_channels == 1
    assert "channels: 1, as the 20 images inspected are all gray" in data.notes
    check_pictures(data)
    assert load(root, channels=3).spec.in_channels == 3
    assert load(write_picture_folder(tmp_path / "colour"), channels=1).spec.in_channels == 1


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(20, 30)] * 3, (20, 30)),
        ([(256, 200)], (256, 200)),
        ([(480, 640)] * 5, (224, 224)),
        ([(100, 90), (75, 400), (60, 60)], (64, 64)),  # median of 90, 75, 60
        ([(20, 20), (10, 10)], (32, 32)),
    ],
)
def test_the_size_is_chosen_from_what_is_there(sizes, expected):
    assert usual_size(sizes)[0] == expected


def test_size_and_way_as_given(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=5)
    for size, expected in ((8, (8, 8)), ([8, 12], (8, 12))):
        data = load(root, image_size=size, resize="pad", channels=3)
        assert (data.spec.image_size, data.spec.resize) == (expected, "pad")
        check_pictures(data)
        assert data.notes[0].startswith("test:")


def test_a_set_larger_than_the_cache_is_the_same(tmp_path, cache_home):
    root = write_picture_folder(tmp_path / "photos")
    data = load(root, cache_bytes=20_000)
    check_pictures(data)
    assert "3 of 20 images are kept decoded; dataset.cache_bytes has no room for the others" in " ".join(data.notes)
    assert sum(path.stat().st_size for path in (cache_home / "images").rglob("*")) <= 20_000 + 3 * 4096
    whole = load(root)
    assert (whole.spec.mean, whole.spec.std) == (data.spec.mean, data.spec.std)
    for part in PARTS:
        assert list(getattr(data, part).names) == list(getattr(whole, part).names)


# What can be wrong with the images


def test_bad_files_are_all_told_then_left_out(tmp_path):
    root = write_picture_folder(tmp_path / "photos")
    cut, empty, text = (root / "class_0" / name for name in ("001.png", "002.png", "extra.jpg"))
    cut.write_bytes(cut.read_bytes()[:-60])
    empty.write_bytes(b"")
    text.write_text("not an image")
    (root / "class_9").mkdir()
    Image.new("L", (9, 9)).save(root / "loose.png")
    lines = told(root).splitlines()
    assert lines[0] == "The data has 5 problems; on_bad=skip skips and lists the bad ones:"
    assert lines[1] == f"  {root / 'class_9'}: class folder without images"
    assert lines[2] == f"  {root / 'loose.png'}: image outside of any class folder"
    assert lines[3].startswith(f"  {cut}: not a readable image (")
    assert lines[4] == f"  {empty}: not a readable image (the file is empty)"
    assert lines[5].startswith(f"  {text}: not a readable image (its content is none of")
    data = load(root, on_bad="skip")
    assert [str(problem) for problem in data.problems] == [line.strip() for line in lines[1:]]
    assert data.spec.class_names == ("class_0", "class_1")
    used = set.union(*names(data, root).values())
    assert len(used) == 18
    assert not used & {"class_0/001.png", "class_0/002.png", "class_0/extra.jpg", "loose.png"}
    check_pictures(data)


def test_a_link_to_nothing_is_a_problem(tmp_path):
    root = write_picture_folder(tmp_path / "photos")
    (root / "class_0" / "link.png").symlink_to(tmp_path / "gone.png")
    assert "link.png: not a readable image (no such file" in told(root)


def test_other_files_and_folders_are_told(tmp_path):
    root = write_picture_folder(tmp_path / "photos")
    (root / "class_0" / "a.heic").touch()
    (root / "class_0" / "Thumbs.db").touch()
    (root / "README.txt").touch()
    assert load(root).notes[0] == (f"{root}/class_0: 1 file not read as images (.heic), such as {root}/class_0/a.heic")
    split = write_picture_folder(tmp_path / "split", parts=("train", "test"))
    (split / "unlabelled").mkdir()
    assert load(split).notes[0] == f"{split}: not used as a split: unlabelled"


def copy(root, source, target):
    shutil.copy(root / source, root / target)


def test_the_same_picture_in_two_parts(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=6, parts=PARTS)
    copy(root, "test/class_0/000.png", "train/class_0/x.png")
    copy(root, "test/class_0/000.png", "val/class_0/y.png")
    copy(root, "val/class_1/000.png", "train/class_1/z.png")
    lines = told(root).splitlines()[1:]
    assert lines == [
        f"  {root}/train/class_0/x.png, {root}/val/class_0/y.png: "
        f"same content as {root}/test/class_0/000.png, which is in test",
        f"  {root}/train/class_1/z.png: same content as {root}/val/class_1/000.png, which is in val",
    ]
    data = load(root, on_bad="skip")
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 12, 12]
    assert {"test/class_0/000.png", "val/class_1/000.png"} <= set.union(*names(data, root).values())
    assert len(data.problems) == 3


def test_the_same_picture_with_two_labels(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=6, parts=("train", "test"))
    copy(root, "train/class_0/000.png", "train/class_1/x.png")
    copy(root, "test/class_0/001.png", "train/class_1/y.png")
    copy(root, "test/class_0/002.png", "test/class_1/z.png")
    problems = [str(problem).replace(f"{root}/", "") for problem in load(root, on_bad="skip").problems]
    assert problems == [
        "test/class_0/002.png: labeled 'class_0'; test/class_1/z.png has the same content and label 'class_1'",
        "test/class_1/z.png: labeled 'class_1'; test/class_0/002.png has the same content and label 'class_0'",
        "train/class_0/000.png: labeled 'class_0'; train/class_1/x.png has the same content and label 'class_1'",
        "train/class_1/x.png: labeled 'class_1'; train/class_0/000.png has the same content and label 'class_0'",
        "train/class_1/y.png: labeled 'class_1'; test/class_0/001.png has the same content and label 'class_0'",
    ]
    assert "test/class_0/001.png" in names(load(root, on_bad="skip"), root)["test"]


def test_copies_within_a_class_are_kept_on_one_side(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=8)
    for i in range(8):
        copy(root, f"class_0/00{i}.png", f"class_0/copy_{i}.png")
    data = load(root, val_fraction=0.3, test_fraction=0.3)
    for found in names(data, root).values():
        originals = {name[-5] for name in found if "class_0/00" in name}
        assert originals == {name[-5] for name in found if "class_0/copy" in name}
    note = next(note for note in data.notes if "copies" in note)
    assert note.startswith("images that duplicate another of the same class and split: 8 (")


def test_classes_that_train_does_not_have(tmp_path):
    root = write_picture_folder(tmp_path / "photos", classes=3, per_class=4, parts=("train", "test"))
    (root / "test" / "class_2").rename(root / "test" / "klass_2")
    (root / "train" / "class_1").rename(root / "train" / "zebra")
    (root / "test" / "class_1").rename(root / "test" / "zebra")
    lines = told(root).splitlines()
    files = ", ".join(f"{root}/test/klass_2/{number:03d}.png" for number in range(4))
    assert lines == [
        "The data has 4 problems; on_bad=skip skips and lists the bad ones:",
        f"  {files}: class 'klass_2' is in test but not in train; the nearest is 'class_2'",
    ]
    data = load(root, on_bad="skip")
    assert len(data.test) == 8
    assert data.spec.class_names == ("class_0", "class_2", "zebra")
    assert "test has no images of: class_2" in data.notes
