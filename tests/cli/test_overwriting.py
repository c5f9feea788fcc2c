"""output= and the keys that name folders: nothing that a command reads is lost, whatever name it goes by."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from command import run_command
from images import write_picture_folder
from sensorium.cli import overwriting
from sensorium.errors import RequestError


def test_an_explanation_that_was_drawn_is_replaced_when_asked_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("why.png", "photo.png", "photo.jpg"):
        Path(name).write_bytes(b"an image")
    given = {"output": "why.png", "overwrite": True, "input": "photo.png"}
    overwriting.check(given, dataset={}, drawn=True)
    with pytest.raises(RequestError, match=r"output=why\.png already exists; overwrite=true replaces it"):
        overwriting.check(given | {"overwrite": False}, dataset={}, drawn=True)
    with pytest.raises(RequestError, match=r"output=photo\.png is read by this command"):
        overwriting.check(given | {"output": "photo.png"}, dataset={}, drawn=True)
    for changes, drawn in (({"output": "photo.jpg"}, True), ({}, False)):
        with pytest.raises(RequestError, match="is an image that already exists"):
            overwriting.check(given | changes, dataset={}, drawn=drawn)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, trained_run: Path) -> Path:
    """A checkpoint under several names, a run, images, and a table of them."""
    root = tmp_path_factory.mktemp("world")
    shutil.copytree(trained_run, root / "run")
    shutil.copy(trained_run / "checkpoints" / "best.ckpt", root / "my.ckpt")
    shutil.copy(trained_run / "checkpoints" / "best.ckpt", root / "other.ckpt")
    os.link(root / "my.ckpt", root / "hard.json")
    (root / "soft.json").symlink_to(root / "my.ckpt")
    (root / "folder").mkdir()
    write_picture_folder(root / "photos", size=8)
    with (root / "list.csv").open("w", newline="") as file:
        images = sorted((root / "photos").rglob("*.png"))
        csv.writer(file).writerows([("path", "label"), *((path.relative_to(root), "3") for path in images)])
    (root / "link.png").hardlink_to(root / "photos" / "class_0" / "000.png")
    for path in (root / "photos" / "notes.json", root / "there.json"):
        path.write_text("a person's own")
    return root


PREDICT = "predict ckpt=my.ckpt input=photos/class_0/000.png"
EVAL = "eval ckpt=my.ckpt"
TABLE = "dataset=image_csv dataset.path=list.csv"
CASES = [
    (f"{PREDICT} output=my.ckpt", "output=my.ckpt is the checkpoint; choose another name."),
    (f"{PREDICT} output=folder/../my.ckpt", "output=folder/../my.ckpt is the checkpoint; choose another name."),
    (f"{PREDICT} output=hard.json", "output=hard.json is the checkpoint; choose another name."),
    (f"{PREDICT} output=soft.json", "output=soft.json is the checkpoint; choose another name."),
    (f"{PREDICT} output=other.ckpt", "output=other.ckpt is a checkpoint that already exists"),
    (f"{PREDICT} output=photos/class_0/000.png", "is read by this command (input=photos/class_0/000.png)"),
    (
        "predict ckpt=my.ckpt input=photos output=photos/class_0/001.png",
        "class_0/001.png is an image that already exists",
    ),
    ("predict ckpt=run input=photos output=run/checkpoints/best.ckpt", "best.ckpt is the checkpoint"),
    (f"{PREDICT} overlay=my.ckpt", "cannot be written to my.ckpt, which is a file. Set overlay=OTHER."),
    (f"{PREDICT} masks=soft.json", "cannot be written to soft.json, which is a file. Set masks=OTHER."),
    (f"{EVAL} output=hard.json", "output=hard.json is the checkpoint"),
    (f"{EVAL} compare=other.ckpt output=other.ckpt", "output=other.ckpt is the checkpoint"),
    ("eval ckpt=other.ckpt,my.ckpt average=true output=soft.json", "output=soft.json is the checkpoint"),
    (f"{EVAL} {TABLE} output=list.csv", "output=list.csv is read by this command (dataset.path=list.csv)"),
    (f"{EVAL} {TABLE} folder=.", "folder=. is where the data is (dataset.path=list.csv); choose another folder."),
    (
        f"{EVAL} dataset=image_folder dataset.root=photos output=photos/notes.json",
        "a file among the data (dataset.root=",
    ),
    (f"{EVAL} dataset=image_folder dataset.root=photos folder=photos", "folder=photos is where the data is"),
    (f"{PREDICT} output=link.png overwrite=true", "output=link.png is read by this command"),
    ("predict ckpt=my.ckpt input=photos/*/*.png output=photos/class_0/001.png overwrite=true", "is read by this"),
    (f"{PREDICT} output=there.json", "output=there.json already exists; overwrite=true replaces it"),
    (f"{PREDICT} output=run/metrics.json overwrite=true", "output=run/metrics.json is a file of a run"),
    (f"{PREDICT} output=run/checkpoints/last.ckpt overwrite=true", "run/checkpoints/last.ckpt is a file of a run"),
    (f"{EVAL} output=there.json", "output=there.json already exists; overwrite=true replaces it"),
    ("list output=there.json", "output=there.json already exists; overwrite=true replaces it"),
    ("list what=model output=there.json", "output=there.json already exists; overwrite=true replaces it"),
    (f"{EVAL} folder=run overwrite=true", "folder=run holds the files of a run"),
    (f"{EVAL} folder=run/plots overwrite=true", "folder=run/plots holds the files of a run"),
    (f"{EVAL} folder=photos", "folder=photos holds class_0, class_1"),
    (f"{EVAL} folder=my.ckpt", "cannot be written to my.ckpt, which is a file. Set folder=OTHER."),
]


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("command", "message"), CASES, ids=[command for command, _ in CASES])
def test_nothing_that_is_read_is_written_over(world: Path, command: str, message: str) -> None:
    before = contents(world)
    result = run_command(command.split(), world)
    assert result.status == 2, result
    assert message in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert contents(world) == before


def test_a_file_that_is_there_is_replaced_when_that_is_asked_for(world: Path) -> None:
    """A link stays a link, and what it leads to keeps its permissions."""
    (world / "real.json").write_text("of before")
    (world / "real.json").chmod(0o640)
    (world / "result.json").symlink_to("real.json")
    result = run_command([*PREDICT.split(), "output=result.json", "overwrite=true"], world)
    assert (result.status, result.stderr) == (0, "1 prediction written to result.json\n")
    assert (world / "result.json").readlink() == Path("real.json")
    assert "000.png" in (world / "real.json").read_text()
    assert (world / "real.json").stat().st_mode & 0o777 == 0o640
    for name in ("real.json", "result.json"):
        (world / name).unlink()


def test_an_evaluation_replaces_what_an_evaluation_wrote_and_nothing_else(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    given = ["eval", "ckpt=my.ckpt", f"folder={folder}"]
    assert run_command(given, world).status == 0
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(json.loads((folder / "evaluation.json").read_text())["files"]) == written - {"evaluation.json"}
    for path in (folder / "predictions.csv", folder / "notes.txt", folder / "predictions.jsonl"):
        path.write_text("own")
    assert run_command(given, world).status == 0  # its own files again, beside those of a person
    assert (folder / "predictions.csv").read_text() != "own"
    before = contents(folder)
    result = run_command([*given, "predictions=jsonl"], world)
    assert result.status == 2
    assert f"{folder} holds predictions.jsonl, which no evaluation wrote." in result.stderr
    assert contents(folder) == before
    assert run_command([*given, "predictions=jsonl", "overwrite=true"], world).status == 0
    assert (folder / "predictions.jsonl").read_text() != "own"
    assert (folder / "notes.txt").read_text() == "own"


def test_files_in_folders_are_checked_when_their_names_are_known(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_text("read")
    (tmp_path / "out").mkdir()
    hard, soft, other = (tmp_path / "out" / name for name in ("hard.png", "soft.png", "other.png"))
    hard.hardlink_to(image)
    soft.symlink_to(image)
    other.touch()
    for path in (hard, soft):
        with pytest.raises(RequestError, match=f"{path.name} is read by this command"):
            overwriting.check_targets([path], {"overwrite": True}, [image])
    with pytest.raises(RequestError, match=r"other\.png is already there"):
        overwriting.check_targets([tmp_path / "new.png", other], {"overwrite": False}, [image])
    overwriting.check_targets([tmp_path / "new.png", other], {"overwrite": True}, [image])


@pytest.mark.parametrize("name", ["train.de", "[a].txt", "words.txt"])
def test_the_files_of_a_text_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Parallel texts are named without their ends; a lexicon is read too."""
    monkeypatch.chdir(tmp_path)
    for file in ("train.de", "train.en", "[a].txt", "words.txt"):
        (tmp_path / file).touch()
    config = {"output": name, "decoding": {"lexicon": "words.txt", "language_model": None}}
    dataset = {"_target_": "x.Y", "train": "train", "val": "[a]", "source": "", "max_length": 9}
    with pytest.raises(RequestError, match="is read by this command"):
        overwriting.check(config, dataset=dataset)
    overwriting.check(config | {"output": "new.json"}, dataset=dataset)
    overwriting.check(config | {"output": "x" * 5000}, dataset=dataset | {"val": "y" * 5000})
