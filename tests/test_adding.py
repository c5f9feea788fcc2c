"""docs/adding.md is true: its examples train as they stand, for an installed user and in the repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import run_command

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "adding.md").read_text()
NAME = r"`((?:src|configs)/\S+\.(?:py|yaml))`"
BLOCK = re.compile(rf"{NAME}(?:(?!{NAME}).)*?```\w+\n(.*?)```", re.DOTALL)
FILES: dict[str, str] = {found[0]: found[-1] for found in BLOCK.findall(PAGE)}
QUICK = ("trainer.max_epochs=1", "threads=1", "accelerator=cpu")


def own(path: str) -> tuple[Path, str]:
    """Where a user without the repository puts a file of the page, and what it then holds."""
    text = re.sub(r"_target_: sensorium\.[\w.]+\.(\w+\.\w+)\n", r"_target_: \1\n", FILES[path])
    return (Path(path) if path.startswith("configs") else Path(Path(path).name)), text


def test_the_page_has_the_files():
    assert sorted(FILES) == [
        "configs/dataset/moods.yaml",
        "configs/model/my_net.yaml",
        "src/sensorium/data/text/moods.py",
        "src/sensorium/models/vision/my_net.py",
    ]


@pytest.fixture
def user(tmp_path, monkeypatch) -> Path:
    """A working directory with the page's files; what it imports is forgotten again."""
    for path in FILES:
        name, text = own(path)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    yield tmp_path
    for module in ("my_net", "moods"):
        sys.modules.pop(module, None)


def pasted(output: str, verb: str) -> list[str]:
    """The arguments of the command that a training prints for what to do next."""
    line = next(line for line in output.splitlines() if line.startswith(f"sensorium {verb} "))
    return line.split()[1:]


def test_a_model_of_ones_own_trains_and_the_printed_commands_work(user):
    trained = run_command(["train", "model=my_net", "model.width=16", *QUICK], user)
    assert (trained.status, trained.stderr) == (0, "")
    assert "my_net: 2,650 parameters" in trained.stdout  # 9 * 16 + 16, 9 * 16 * 16 + 16, 16 * 10 + 10
    evaluated = run_command([*pasted(trained.stdout, "eval"), "format=json"], user)
    assert evaluated.status == 0, evaluated.stderr
    listed = run_command(["list", "what=model"], user).stdout
    assert re.search(r"my_net +Two convolutions, to show how a model is added", listed)


def test_a_dataset_of_ones_own_needs_no_other_override(user):
    trained = run_command(["train", "dataset=moods", *QUICK], user)
    assert (trained.status, trained.stderr) == (0, "")
    assert "lstm_classifier: " in trained.stdout  # the task's own
    predict = pasted(trained.stdout, "predict")
    answer = run_command([*predict[:-1], "text=day 3 was sunny", "format=csv"], user)
    assert answer.status == 0, answer.stderr
    assert answer.stdout.splitlines()[1].startswith("day 3 was sunny,")


@pytest.mark.slow
def test_in_the_repository_they_pass_every_check_with_three_files(tmp_path):
    for folder in ("src", "configs", "tests", "docs", "scripts"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for path, text in FILES.items():
        (tmp_path / path).write_text(text)
    contract = tmp_path / "tests" / "models" / "test_vision_models.py"
    row = '    "my_net": Case(3, (32, 32), 10_474),\n'  # 27 * 32 + 32, 288 * 32 + 32, 32 * 10 + 10
    contract.write_text(contract.read_text().replace("CASES = {\n", "CASES = {\n" + row, 1))
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"}
    catalog = [sys.executable, "scripts/model_catalog.py"]  # what `sensorium list models` shows of it
    subprocess.run(catalog, cwd=tmp_path, env=environment, check=True)
    checks = ["tests/test_architecture.py", "tests/test_configs.py", "tests/models/test_vision_models.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *checks],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
