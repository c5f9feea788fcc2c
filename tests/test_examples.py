"""The folder examples/ runs as its README says."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from command import run_command

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"


@pytest.mark.parametrize("name", ["own_model/my_net.py", "own_dataset/moods.py"])
def test_the_files_are_those_of_the_manual(name):
    assert (EXAMPLES / name).read_text() in (REPOSITORY / "docs" / "adding.md").read_text()


def test_the_readme_names_every_example():
    named = set(re.findall(r"^\| `([\w.]+)/?` ", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert named == {path.name for path in EXAMPLES.iterdir()} - {"README.md"}


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "choice"), [("own_model", "model=my_net"), ("own_dataset", "dataset=moods")])
def test_an_own_model_and_an_own_dataset_train(folder, choice, tmp_path):
    shutil.copytree(EXAMPLES / folder, tmp_path / folder)
    result = run_command(["train", choice, "trainer.max_epochs=1", "threads=1"], tmp_path / folder)
    assert (result.status, result.stderr) == (0, "")
    assert "run folder: runs/" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python_api.py", "quickstart.ipynb"])
def test_the_scripts_run(name, tmp_path, monkeypatch):
    text = (EXAMPLES / name).read_text()
    if name.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        text = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name])
    exec(compile(text, name, "exec"), {"__name__": "__main__"})
    assert len(list((tmp_path / "runs").glob("digits_small_cnn/*/checkpoints/best.ckpt"))) == 1
