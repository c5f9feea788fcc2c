"""scripts/make_shards.py: what it writes is what webdataset reads, and what a training on the dataset itself reads."""

import errno
import io
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from PIL import Image

from sensorium.data.base import SPLITS
from sensorium.data.shards.samples import names_of
from sensorium.errors import RunError
from shards import data_of

SCRIPTS = Path(__file__).parents[2] / "scripts"


def made(*arguments: str, cwd: Path) -> tuple[int, str]:
    """The script in this process, as a new one imports for seconds: exit status and what it wrote to stderr."""
    printed, errors = io.StringIO(), io.StringIO()
    with chdir(cwd), redirect_stdout(printed), redirect_stderr(errors), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["make_shards.py", *arguments])
        try:
            runpy.run_path(str(SCRIPTS / "make_shards.py"), run_name="__main__")
        except SystemExit as ended:
            return int(ended.code or 0), errors.getvalue()
    return 0, errors.getvalue()


def read_by_webdataset(folder: Path, split: str) -> list[dict[str, bytes]]:
    shards = sorted(map(str, folder.glob(f"{split}-*.tar")))
    return list(webdataset.WebDataset(shards, shardshuffle=False))


# What webdataset finds in a sample, and the same of the dataset itself.
TARGETS: dict[str, Callable[[dict[str, bytes]], Any]] = {
    **dict.fromkeys(("image_shards", "text_shards", "audio_shards"), lambda sample: int(sample["cls"])),
    "image_tagging_shards": lambda sample: json.loads(sample["json"]),
    "image_regression_shards": lambda sample: json.loads(sample["json"]),
    "text_regression_shards": lambda sample: json.loads(sample["json"]),
    "parallel_shards": lambda sample: (sample["source.txt"].decode(), sample["target.txt"].decode()),
    "detection_shards": lambda sample: [
        ([left, top, left + width, top + height], box["category"])
        for box in json.loads(sample["json"])["annotations"]
        for left, top, width, height in [box["bbox"]]
    ],
    "segmentation_shards": lambda sample: np.asarray(Image.open(io.BytesIO(sample["mask.png"]))).tolist(),
}
FEW_IMAGES = ("dataset.num_train=120", "dataset.num_val=20", "dataset.num_test=20")
BPE = ("dataset.tokenizer=bpe", "dataset.vocab_size=8000", "dataset.min_count=2")
FEW_TEXTS = ("dataset.train=200", "dataset.val=40", "dataset.test=40")


def expected_targets(split: Any, spec: Any) -> list[Any]:
    if hasattr(split, "references"):
        return list(zip(split.source_texts, split.references, strict=True))
    if hasattr(split, "boxes"):
        return [
            [(box.tolist(), spec.class_names[label]) for box, label in zip(boxes, labels, strict=True)]
            for boxes, labels in zip(split.boxes, split.labels, strict=True)
        ]
    if hasattr(spec, "target_names"):
        return [dict(zip(spec.target_names, numbers, strict=True)) for numbers in split.targets.tolist()]
    if hasattr(split, "targets"):
        return [{"tags": [spec.class_names[tag] for tag in np.flatnonzero(row)]} for row in split.targets]
    if hasattr(split, "masks"):
        return [mask.tolist() for mask in split.read_masks(np.arange(len(split)))]
    return split.labels.tolist()  # type: ignore[no-any-return]


def columns(split: object, count: int) -> list[np.ndarray]:
    return [tensor.numpy() for tensor in split.read(np.arange(count))]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("dataset", "shards", "more", "split_shards"),
    [
        ("digits", "image_shards", (), {"train": 13, "val": 2, "test": 4}),
        ("contrast_reviews", "text_shards", (*FEW_TEXTS, "dataset.max_length=400"), {"train": 2}),
        (
            "spoken_commands",
            "audio_shards",
            ("dataset.train_size=40", "dataset.val_size=20", "dataset.test_size=20"),
            {"train": 1},
        ),
        ("digit_tags", "image_tagging_shards", FEW_IMAGES, {"train": 2, "val": 1}),
        ("digit_pose", "image_regression_shards", FEW_IMAGES, {"train": 2, "val": 1}),
        ("price_texts", "text_regression_shards", (*FEW_TEXTS, "dataset.max_length=400"), {"train": 2}),
        ("number_words", "parallel_shards", (*FEW_TEXTS, *BPE), {"train": 2}),
        ("digit_scenes", "detection_shards", FEW_IMAGES, {"train": 2, "val": 1}),
        ("digit_scenes_masks", "segmentation_shards", FEW_IMAGES, {"train": 2, "val": 1}),
    ],
)
def test_batches_are_those_of_the_dataset(
    dataset: str, shards: str, more: tuple[str, ...], split_shards: dict[str, int], tmp_path: Path
) -> None:
    assert made("out", f"dataset={dataset}", *more, "--examples", "100", "--keep-order", cwd=tmp_path) == (0, "")
    out = tmp_path / "out"
    for split, count in split_shards.items():
        assert len(list(out.glob(f"{split}-*.tar"))) == count
    itself, ours = data_of(f"dataset={dataset}", *more), data_of(f"dataset={shards}", f"dataset.root={out}")
    assert ours.spec == itself.spec
    for split in SPLITS:
        expected = getattr(itself, split)
        for mine, other in zip(
            columns(getattr(ours, split), len(expected)), columns(expected, len(expected)), strict=True
        ):
            assert np.array_equal(mine, other)
        theirs = read_by_webdataset(out, split)
        assert [TARGETS[shards](sample) for sample in theirs] == expected_targets(expected, itself.spec)
        assert len({sample["__key__"] for sample in theirs}) == len(expected)


def test_files_are_copied_and_train_is_shuffled(tmp_path: Path) -> None:
    from images import write_picture_folder

    write_picture_folder(tmp_path / "photos", per_class=12)
    command = ["make_shards.py", "out", "dataset=image_folder", "dataset.root=photos", "--mb", "0.01"]
    done = subprocess.run([sys.executable, SCRIPTS / command[0], *command[1:]], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    originals = {path.read_bytes() for path in (tmp_path / "photos").rglob("*.*") if path.is_file()}
    samples = [sample for split in SPLITS for sample in read_by_webdataset(tmp_path / "out", split)]
    contents = [next(value for key, value in sample.items() if key in ("png", "jpg")) for sample in samples]
    assert set(contents) <= originals
    assert len(contents) == len(set(contents))
    labels = [int(sample["cls"]) for sample in read_by_webdataset(tmp_path / "out", "train")]
    assert labels != sorted(labels)


def test_nothing_is_overwritten_or_half_written(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert made("out", "dataset=digits", cwd=tmp_path) == (
        2, "make_shards: out is there already; nothing is overwritten. Name another folder.\n"
    )  # fmt: skip
    few = ("dataset.train_size=40", "dataset.val_size=20", "dataset.test_size=20")
    assert made("new", "dataset=spoken_commands", *few, "dataset.cache=features", cwd=tmp_path) == (
        2, "make_shards: dataset.cache=features keeps no samples to write. Set dataset.cache=samples.\n"
    )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["out"]
    assert made("new", "dataset=digits", "--examples", "0", cwd=tmp_path)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("out",), "Shards of which dataset? Give dataset=NAME and its keys, as for sensorium train."),
        (("out", "dataset=digts"), "There is no dataset 'digts'. Did you mean digits?\nAllowed: "),
        (("out", "dataset=digits", "nonsense=1"), "nonsense"),
        (("out", "dataset=digits", "a=["), "'a=[' cannot be read"),
        (("out", "dataset=digits,logic"), "dataset=digits,logic are several values"),
        (("dataset=digits", "out"), "The folder comes first: python scripts/make_shards.py FOLDER dataset=digits"),
        (("out", "dataset=digits", "--mb", "nan"), "A shard needs a size: give --mb or --examples above 0."),
        (("out", "dataset=digits", "--mb", "inf"), "A shard needs a size"),
        (("file/out", "dataset=digits"), "file/out cannot be written: "),
        (("x" * 300, "dataset=digits"), " cannot be written: File name too long."),
        (("link", "dataset=digits"), "link is there already; nothing is overwritten. Name another folder."),
    ],
)
def test_wrong_requests_are_answered_in_words(
    arguments: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    monkeypatch.setattr(sys, "argv", ["make_shards.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / "make_shards.py"), run_name="__main__")
    assert ended.value.code == 2
    answer = capsys.readouterr().err
    assert answer.startswith("make_shards: ")
    assert told in answer
    assert answer.count("\n") <= 2
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "link", "cache"}


def test_a_full_disk_is_a_failed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = runpy.run_path(str(SCRIPTS / "make_shards.py"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(script["make"].__globals__, "write_split", full)
    with pytest.raises(RunError, match=r"out cannot be written: No space left on device\."):
        script["make"](tmp_path / "out", ["dataset=digits"], shard_bytes=1e6, examples=None, keep_order=False)
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


@pytest.mark.parametrize(
    ("names", "file"),
    [
        (["cat", "dög", "a b"], "classes.txt"),
        (["0", "1"], "classes.txt"),
        (["a\u2028b", "c\x0cd"], "classes.txt"),
        (["a\nb", "c"], "classes.json"),
        ([" g", "g"], "classes.json"),
        (["c ", "d"], "classes.json"),
        (["\x0cf", "d"], "classes.json"),
        (["\ufeffa", "d"], "classes.json"),
        (["\udcff\udcfe", "d"], "classes.json"),
    ],
)
def test_class_names_are_read_back_as_they_were(names: list[str], file: str, tmp_path: Path) -> None:
    runpy.run_path(str(SCRIPTS / "make_shards.py"))["write_names"](tmp_path, "classes", names)
    (written,) = tmp_path.iterdir()
    assert written.name == file
    assert names_of(file, written.read_bytes()) == names


@pytest.mark.parametrize("dataset", ["digit_scenes", "digit_scenes_masks"])
def test_boxes_and_masks_are_written_with_images_of_their_size_alone(dataset: str, tmp_path: Path) -> None:
    few = ("dataset.num_train=20", "dataset.num_val=5", "dataset.num_test=5")
    assert made("out", f"dataset={dataset}", *few, "dataset.image_size=32", cwd=tmp_path) == (
        2,
        "make_shards: The images are no files, and dataset.image_size brings them to another size than their boxes or"
        " masks.\nLeave it at null here; a training on the shards may set it.\n",
    )
    assert not (tmp_path / "out").exists()


def test_masks_of_files_are_written_as_class_numbers(tmp_path: Path) -> None:
    from scenes import write_mask, write_picture

    colors = np.array([[128, 64, 128], [0, 0, 0], [0, 0, 142]], np.uint8)
    for number, split in enumerate(SPLITS):
        drawn = np.random.default_rng(number).integers(0, 3, (4, 6))
        write_picture(tmp_path / "streets" / split / "images" / "a.png", number, size=(4, 6))
        write_mask(tmp_path / "streets" / split / "masks" / "a.png", colors[drawn])
    chosen = (
        "dataset=segmentation_folder", "dataset.root=streets", "dataset.ignore_index=void",
        "dataset.colours={road: [128,64,128], void: [0,0,0], car: [0,0,142]}",
    )  # fmt: skip
    assert made("out", *chosen, cwd=tmp_path) == (0, "")
    ours = data_of("dataset=segmentation_shards", f"dataset.root={tmp_path}/out")
    itself = data_of(*(one.replace("streets", f"{tmp_path}/streets") for one in chosen))
    assert ours.spec == itself.spec  # class names and colors too, without a setting
    for split in SPLITS:
        for mine, other in zip(columns(getattr(ours, split), 1), columns(getattr(itself, split), 1), strict=True):
            assert np.array_equal(mine, other)
