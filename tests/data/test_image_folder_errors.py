"""Requests for a folder of images that cannot be met: each message says what is there and what to do."""

import pytest
from PIL import Image

from images import band_picture, write_picture_folder
from sensorium.data.vision.image_folder import ImageFolder
from sensorium.errors import RequestError


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


def test_a_root_that_is_not_there(tmp_path):
    write_picture_folder(tmp_path / "photos")
    assert told(None) == "dataset.root is not set. Give a folder: dataset.root=FOLDER."
    assert told(tmp_path / "fotos") == (
        f"dataset.root={tmp_path}/fotos: there is no such folder. Did you mean {tmp_path}/photos?"
    )
    assert told(tmp_path / "a" / "b") == f"dataset.root={tmp_path}/a/b: there is no such folder."


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "list.csv").touch()
    (tmp_path / "photos.zip").touch()
    assert told(tmp_path / "list.csv").endswith(f"use dataset=image_csv dataset.path={tmp_path}/list.csv.")
    assert f"dataset.root={tmp_path}/photos.zip is a file; a folder is needed.\nUnpack it" in told(
        tmp_path / "photos.zip"
    )


def test_a_root_without_class_folders(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    assert told(root).startswith(f"{root} lists no usable image.\nExpected: {root}/CLASS/IMAGE")
    Image.fromarray(band_picture(label=0, classes=2, number=0)).save(root / "a.png")
    outside = f"{root}/a.png: image outside of any class folder"
    assert told(root).startswith(f"{root} lists no usable image. The first problem: {outside}\nExpected:")
    (root / "a.png").unlink()
    (root / "cat").mkdir()
    empty = f"{root}/cat: class folder without images"
    assert told(root).startswith(f"{root} lists no usable image. The first problem: {empty}\nExpected:")


def test_a_root_one_folder_too_high(tmp_path):
    write_picture_folder(tmp_path / "photos" / "set", parts=("train", "test"))
    assert told(tmp_path / "photos").endswith(f"Did you mean dataset.root={tmp_path}/photos/set?")
    write_picture_folder(tmp_path / "images" / "set")
    assert told(tmp_path / "images").endswith(f"Did you mean dataset.root={tmp_path}/images/set?")


def test_one_class_is_not_enough(tmp_path):
    root = write_picture_folder(tmp_path / "photos", classes=1)
    assert f"{root} has only the class 'class_0' with usable training images; at least two" in told(root)
    (root / "dog").mkdir()
    assert told(root).endswith(f"\n  {root}/dog: class folder without images")
    (root / "dog" / "a.png").touch()
    assert "only the class 'class_0'" in told(root, on_bad="skip")


def test_too_few_pictures_of_a_class(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=4)
    for number in (0, 1):
        (root / "class_1" / f"00{number}.png").unlink()
    assert "Too few distinct examples per class for train, test and val: class_1 (2)." in told(root)


def test_train_must_be_there_once(tmp_path):
    root = write_picture_folder(tmp_path / "photos", parts=("test", "val"))
    assert f"{root} has a folder test and val but none called train.\nExpected:" in told(root)
    write_picture_folder(root, parts=("train", "valid"))
    assert told(root) == f"{root} has two val folders: val and valid. Keep one."


def test_nothing_left_in_a_part(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=4, parts=("train", "test"))
    for path in (root / "test").glob("*/*.png"):
        path.write_bytes(b"")
    assert told(root, on_bad="skip").startswith(f"{root} has no usable images left in test.\nThe first problem: ")
    for path in (root / "train").glob("*/*.png"):
        path.write_bytes(b"")
    assert "None of the 8 images inspected can be read. The last one:\n" in told(root, on_bad="skip")


def test_settings_are_checked_before_anything_is_read(tmp_path):
    assert "give a whole number of bytes" in told(tmp_path, cache_bytes=-1)
    assert "no resize 'crupp'" in told(tmp_path, resize="crupp")
    assert "dataset.test_fraction=2" in told(tmp_path, test_fraction=2)
    root = write_picture_folder(tmp_path / "photos")
    assert "no on_bad 'drop'" in told(root, on_bad="drop")
