"""Folders of splits and of classes, as people call them."""

from pathlib import Path

import pytest

from sensorium.data.folders import class_files, split_folders
from sensorium.data.vision.listing import ImageListing
from sensorium.errors import RequestError
from sensorium.files import walk


def made(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def listed(root: Path) -> tuple[ImageListing, list[tuple[str, str, str]]]:
    found = ImageListing(root)
    files = class_files(found, root, suffixes=(".png",), expected="Expected: ...")
    return found, sorted((str(path.relative_to(root)), label, split) for path, label, split in files)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("Training", "Testing"), {"train": "Training", "test": "Testing"}),
        (("seg_train", "seg_test", "seg_pred"), {"train": "seg_train", "test": "seg_test"}),
        (("train_set", "test_set"), {"train": "train_set", "test": "test_set"}),
        (("train2017", "val2017"), {"train": "train2017", "val": "val2017"}),
        (("TRAIN", "Valid"), {"train": "TRAIN", "val": "Valid"}),
        (("train", "dev", "test"), {"train": "train", "val": "dev", "test": "test"}),
        (("crash_test", "rollover"), {"": ""}),
        (("train_track", "test_tube"), {"": ""}),
        (("trainer", "tester"), {"": ""}),
        (("trainset", "testset"), {"train": "trainset", "test": "testset"}),
        (("cat", "dog"), {"": ""}),
    ],
)
def test_what_people_call_splits(tmp_path, names, splits):
    made(tmp_path, *(f"{name}/a/0.png" for name in names))
    folders, _ = split_folders(tmp_path, expected="")
    assert {split: path.name if split else "" for split, path in folders.items()} == splits


def test_splits_of_other_names_are_told_with_what_is_not_read(tmp_path):
    made(tmp_path, "seg_train/a/0.png", "seg_test/a/0.png", "seg_pred/a/0.png")
    _, notes = split_folders(tmp_path, expected="")
    assert notes == [
        f"{tmp_path}: not used as a split: seg_pred",
        f"{tmp_path}: seg_test is test, seg_train is train",
    ]


def test_two_folders_of_one_split_and_splits_without_train(tmp_path):
    made(tmp_path / "a", "val/x/0.png", "valid/x/0.png")
    with pytest.raises(RequestError, match="has two val folders: val and valid"):
        split_folders(tmp_path / "a", expected="")
    made(tmp_path / "b", "test/x/0.png")
    with pytest.raises(RequestError, match="has a folder test but none called train"):
        split_folders(tmp_path / "b", expected="")


def test_folders_that_all_hold_the_same_folders_are_no_classes(tmp_path):
    made(tmp_path, *(f"{outer}/{inner}/0.png" for outer in ("one", "two") for inner in ("cat", "dog")))
    with pytest.raises(RequestError, match=r"one, two all hold the folders cat, dog\. Which are the classes"):
        listed(tmp_path)
    made(tmp_path, "two/bird/0.png")  # classes with folders of their own
    assert [label for _, label, _ in listed(tmp_path)[1]] == ["one", "one", "two", "two", "two"]


def test_every_file_is_listed_or_named(tmp_path):
    made(tmp_path, "cat/0.png", "cat/in/1.png", "cat/a.heic", "cat/plain", "cat/.hidden", "dog/2.PNG", "readme.md")
    (tmp_path / "empty").mkdir()
    made(tmp_path, "loose.png")
    found, files = listed(tmp_path)
    assert files == [("cat/0.png", "cat", ""), ("cat/in/1.png", "cat", ""), ("dog/2.PNG", "dog", "")]
    assert found.notes == [
        f"{tmp_path}/cat: 2 files not read as images (.heic, no suffix), such as {tmp_path}/cat/a.heic",
        f"{tmp_path}: 1 file not read as images (.md), such as {tmp_path}/readme.md",
    ]
    assert [str(problem) for problem in found.problems] == [
        f"{tmp_path}/empty: class folder without images",
        f"{tmp_path}/loose.png: image outside of any class folder",
    ]


def test_a_link_that_leads_back_is_named_once_and_others_are_followed(tmp_path):
    made(tmp_path, "root/cat/0.png", "elsewhere/1.png")
    (tmp_path / "root" / "cat" / "again").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "dog").symlink_to(tmp_path / "elsewhere")
    found, files = listed(tmp_path / "root")
    assert files == [("cat/0.png", "cat", ""), ("dog/1.png", "dog", "")]
    link = tmp_path / "root" / "cat" / "again"
    assert found.notes == [f"{link}: a link that leads back to a folder it lies in; not followed"]
    assert walk(tmp_path / "root" / "cat") == ([tmp_path / "root" / "cat" / "0.png"], [link])


def test_links_that_lead_back_through_each_other(tmp_path):
    made(tmp_path, "root/a/0.png", "root/b/1.png")
    (tmp_path / "root" / "a" / "to_b").symlink_to(tmp_path / "root" / "b")
    (tmp_path / "root" / "b" / "to_a").symlink_to(tmp_path / "root" / "a")
    a = tmp_path / "root" / "a"
    assert walk(a) == ([a / "0.png", a / "to_b" / "1.png"], [a / "to_b" / "to_a"])


def test_a_class_folder_that_leads_back_and_links_to_what_is_gone_are_named(tmp_path):
    root = made(tmp_path / "root", "cat/0.png", "dog/1.png")
    (root / "loop").symlink_to(tmp_path)
    (root / "gone").symlink_to(tmp_path / "nowhere")
    (root / "dog" / "away").symlink_to(tmp_path / "nowhere")
    found, files = listed(root)
    assert files == [("cat/0.png", "cat", ""), ("dog/1.png", "dog", "")]
    assert found.notes == [
        f"{root}/dog/away: a broken link to {tmp_path}/nowhere; not read",
        f"{root}/loop: a link that leads back to a folder it lies in; not followed",
        f"{root}/gone: a broken link to {tmp_path}/nowhere; not read",
    ]
    assert found.problems == []


def test_files_beside_the_splits_are_named(tmp_path):
    made(tmp_path, "train/cat/0.png", "train/dog/1.png", "test/cat/2.png", "README", "loose.png")
    found, files = listed(tmp_path)
    assert len(files) == 3
    assert f"{tmp_path}: 2 files not read as images (.png, no suffix), such as {tmp_path}/README" in found.notes
