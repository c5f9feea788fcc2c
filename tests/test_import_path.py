"""What lies in the working directory: it runs when it is named, never by itself, and hides nothing installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from command import run_command, run_process
from sensorium.import_path import find_named, leave_working_directory, without_working_directory

LEAVES_A_MARK = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()\n"
COMPLETION = {"COMP_LINE": "sensorium train model=le", "COMP_POINT": "24"}


def write(path: Path, text: str = LEAVES_A_MARK) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def marks(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.ran")]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["train", "--cfg", "job"], 0),
        (["train", "model=none"], 2),
        (["train", "resume=runs"], 2),
        (["eval", "ckpt=none.ckpt"], 2),
        (["predict", "ckpt=none.ckpt", "input=x"], 2),
        (["list", "what=dataset"], 0),
        (["-sc", "query=bash"], 0),
    ],
)
def test_no_verb_runs_plugins_of_the_working_directory(tmp_path: Path, arguments: list[str], status: int) -> None:
    write(tmp_path / "hydra_plugins" / "quick.py")
    write(tmp_path / "hydra_plugins" / "more" / "__init__.py")
    assert run_command(arguments, tmp_path, environment=COMPLETION).status == status
    assert marks(tmp_path) == []


def test_what_is_named_like_a_package_hides_none_under_python_m(tmp_path: Path) -> None:
    for name in ("rich", "omegaconf", "logging", "lightning"):
        write(tmp_path / name / "__init__.py")
    write(tmp_path / "numpy.py")
    write(tmp_path / "hydra_plugins" / "quick.py")
    result = run_process(["list", "what=model"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert "small_cnn" in result.stdout
    assert marks(tmp_path) == []


def test_installed_plugins_run(tmp_path: Path) -> None:
    write(tmp_path / "installed" / "hydra_plugins" / "quick.py")
    (tmp_path / "here").mkdir()
    code = (
        f"import sys; sys.path.append({str(tmp_path / 'installed')!r})\n"
        "from sensorium.cli.composition import load_plugins; load_plugins()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "here", check=True)
    assert marks(tmp_path) == ["quick.ran"]


def test_a_folder_called_datasets_is_not_the_package(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    result = run_process(["train", "dataset=sst2", "dataset.root=nowhere"], tmp_path)
    assert result.status == 2, result  # the package is missing, or has nothing there


def test_what_a_library_looks_for_in_vain_is_not_taken_from_the_working_directory(tmp_path: Path) -> None:
    """psutil, pandas and others are imported where they are installed, by scikit-learn, joblib and Lightning."""
    for name in ("typing", "re", "json", "pathlib", "random", "torch", "psutil", "pandas", "wandb", "cupy", "apex"):
        write(tmp_path / f"{name}.py", "open(f'{__file__}.ran', 'w').close()")
    tiny = ("model=mlp", "model.hidden=[8]", "threads=1", "accelerator=cpu", "trainer.max_epochs=1", "test=false")
    result = run_process(["train", *tiny], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert marks(tmp_path) == []


def test_the_working_directory_is_searched_last_and_only_for_what_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "link"), "/installed", str(tmp_path), "/more"])
    leave_working_directory()
    assert sys.path == ["/installed", "/more"]
    write(tmp_path / "own_nets.py")
    write(tmp_path / "own_package" / "nets.py")
    for nothing in ("own_nothing.Net", "hydra.Net", "../own_nets.Net", ""):  # of which hydra is installed
        find_named(nothing)
        assert sys.path == ["/installed", "/more"]
    for named in ("own_nets.Net", "own_package.nets.Net"):
        monkeypatch.setattr(sys, "path", ["/installed", "/more"])
        find_named(named)
        find_named(named)
        assert sys.path == ["/installed", "/more", str(tmp_path)]
    with without_working_directory():
        assert sys.path == ["/installed", "/more"]
    assert marks(tmp_path) == []  # to look for a module is not to run it


def test_a_working_directory_that_has_been_removed_is_in_nobody_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr(sys, "path", ["/installed"])
    leave_working_directory()
    assert sys.path == ["/installed"]
