"""What works where only the packages of `dependencies` are installed, none of an extra: pip install sensorium."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from sensorium import cli

# Its first argument: the names of modules that are to be missing.
BLOCK = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in names else self.finder.find_spec(name, path, target)

names = set(sys.argv[1].split(","))
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
IMPORT = f"{BLOCK}\nimport importlib\nfor name in sys.argv[2:]: importlib.import_module(name)"
COMMAND = f"""{BLOCK}
from sensorium.cli.main import main
sys.argv = ["sensorium", *sys.argv[2:]]
raise SystemExit(main())
"""
DIGITS = ["dataset=digits", "model=perceptron", "trainer.max_epochs=1"]


def normalized(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def core() -> set[str]:
    """The distributions that `dependencies` bring, with all that these bring."""
    found: set[str] = set()
    queue = ["sensorium"]
    while queue:
        name = normalized(queue.pop())
        if name in found:
            continue
        try:
            further = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue
        found.add(name)
        queue += [one.name for one in further if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def missing() -> list[str]:
    """Modules that are installed here, and would not be."""
    there = core()
    found = packages_distributions().items()
    return sorted(module for module, owners in found if not there & {normalized(owner) for owner in owners})


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", COMMAND, ",".join(missing()), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_what_an_extra_brings_is_missing_in_these_tests() -> None:
    found = missing()
    assert {"optuna", "sqlalchemy", "tokenizers", "captum", "fastapi", "onnx", "pandas", "pytest"} <= set(found)
    assert not {"torch", "lightning", "hydra", "sklearn", "matplotlib", "yaml", "sensorium"} & set(found)


@pytest.mark.slow
def test_a_training_predicts_and_is_resumed(tmp_path) -> None:
    done = run(tmp_path, "train", *DIGITS)
    assert done.returncode == 0, done.stderr
    (checkpoint,) = tmp_path.glob("runs/*/*/checkpoints/best.ckpt")
    folder = checkpoint.parents[1]
    for arguments in (
        ["predict", f"ckpt={checkpoint}", f"input={folder / 'plots'}"],
        ["train", f"resume={folder}", "trainer.max_epochs=2"],
    ):
        done = run(tmp_path, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"


def test_every_verb_can_be_imported(tmp_path) -> None:
    verbs = [f"sensorium.cli.{path.stem}" for path in Path(cli.__file__).parent.glob("[a-z]*.py")]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, ",".join(missing()), *verbs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_needs_an_extra_names_it(tmp_path) -> None:
    for arguments, extra in (
        (["train", "-m", "search=random", "lr=0.1,0.2", *DIGITS], "search"),
        (["train", "dataset=number_words"], "text"),
        (["serve", "ckpt=missing.ckpt"], "serve"),
    ):
        done = run(tmp_path, *arguments)
        assert (done.returncode, f"sensorium[{extra}]" in done.stderr) == (2, True), f"{arguments}: {done.stderr}"
