"""Help, versions, lists and completion: what a person sees before the first training."""

import json
import subprocess
import sys

import pytest

from command import run_command
from sensorium.cli import configs
from sensorium.cli.main import VERBS

HEAVY = ("torch", "hydra", "omegaconf", "lightning", "numpy", "rich", "PIL")


def modules_after(code: str) -> set[str]:
    """Names of the top-level packages that a new interpreter has imported after running this code."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "-h"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments):
    found = modules_after(f"from sensorium.cli.main import main\nassert main({arguments}) == 0")
    assert "sensorium" in found
    assert found.isdisjoint(HEAVY)


def test_eval_and_predict_do_without_lightning():
    found = modules_after("import sensorium.cli.eval, sensorium.cli.predict, sensorium.cli.list")
    assert "torch" in found
    assert "lightning" not in found


def test_help_names_verbs_groups_choices_and_keys(tmp_path):
    overview = run_command(["--help"], tmp_path)
    assert (overview.status, overview.stderr) == (0, "")
    assert [verb for verb in VERBS if f"  {verb} " not in overview.stdout] == []
    train = run_command(["train", "--help"], tmp_path).stdout
    for group in set(configs.groups()) - {"task"}:
        assert f"  {group}=" in train
    assert "model=small_cnn   or airbench_cnn" in train
    assert "label_smoothing: 0.0  # share of each target spread evenly" in train
    assert "hydra" not in train.split("Examples:")[0]
    for verb in ("eval", "predict", "list"):
        shown = run_command([verb, "--help"], tmp_path).stdout
        for line in (configs.FOLDER / f"{verb}.yaml").read_text().split("\nhydra:")[0].splitlines():
            if line and line[0].isalpha() and not line.startswith("defaults"):
                assert f"  {line}" in shown


def test_list(tmp_path):
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mine.yaml").write_text("# A model of my own [sic]\n_target_: mine.Net\n")
    rows = run_command(["list", "what=models", "format=json"], tmp_path).stdout.splitlines()
    found = {row["name"]: row["what"] for row in map(json.loads, rows)}
    assert found == configs.options("model") | {"mine": "A model of my own [sic]"}
    table = run_command(["list"], tmp_path).stdout
    assert "A model of my own [sic]" in table
    names = {tuple(line.split()[:2]) for line in table.splitlines()[1:] if line.strip()}
    assert {(group, name) for group in configs.groups() for name in configs.options(group)} <= names


def test_list_counts_parameters_and_multiplications_by_hand(tmp_path):
    arguments = ["list", "model=perceptron", "image_size=4", "in_channels=1", "num_classes=3", "format=json"]
    (row,) = map(json.loads, run_command(arguments, tmp_path).stdout.splitlines())
    assert (row["input"], row["parameters"], row["FLOPs"]) == ("1x4x4", 16 * 3 + 3, 2 * 16 * 3)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sensorium ", ["train", "eval", "predict", "list"]),
        ("sensorium pr", ["predict"]),
        ("sensorium train acc", ["accelerator="]),
        ("sensorium train model=resnet", ["model=resnet18", "model=resnet20", "model=resnet8"]),
        ("sensorium train trainer.max_", ["trainer.max_epochs=", "trainer.max_steps="]),
        ("sensorium predict to", ["top_k=", "top_p="]),
    ],
)
def test_completion(line, offered, tmp_path):
    environment = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9", "COMP_KEY": "9"}
    result = run_command(["-sc", "query=bash"], tmp_path, environment=environment)
    assert (result.status, result.stderr) == (0, "")
    assert sorted(result.stdout.split()) == sorted(offered)


def test_the_completion_script(tmp_path):
    result = run_command(["-sc", "install=bash"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert "complete" in result.stdout
    assert "sensorium" in result.stdout
