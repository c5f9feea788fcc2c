"""What lies in the working directory: it runs when it is named, never by itself, and hides nothing installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from command import run_command, run_process
from sensorium.import_path import without_working_directory, working_directory_last

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


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "link"), "/installed", str(tmp_path), "/more"])
    working_directory_last()
    assert sys.path == ["/installed", "/more", str(tmp_path)]
    with without_working_directory():
        assert sys.path == ["/installed", "/more"]
    assert sys.path == ["/installed", "/more", str(tmp_path)]


def test_a_working_directory_that_has_been_removed_is_in_nobody_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr(sys, "path", ["/installed"])
    working_directory_last()
    assert sys.path == ["/installed"]
