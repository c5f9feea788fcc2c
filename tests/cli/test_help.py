"""Help, versions, lists and completion: what a person sees before the first training."""

import json
import os
import pty
import subprocess
import sys

import pytest

import sensorium
from command import run_command
from sensorium.cli import configs
from sensorium.cli import help as help_pages
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


WRONG = [
    ["trian"],
    ["train", "sead=1"],
    ["train", "model=lenett"],
    ["train", "model=null"],
    ["train", "lr=abc"],
    ["train", "model.width=abc"],
    ["train", "model._target_=os.system"],
    ["train", "model._target_=sensorium.models.vision.lenet.LeNett"],
    ["train", "trainer.max_epoch=3"],
    ["train", "trainer.deterministic=maybe"],
    ["train", "~lr"],
    ["train", "resnet18"],
    ["train", "dataset=_hold_out"],
    ["train", "dataset=digitz", "--help"],
    ["train", "resume=run", "lr=abc"],
    ["eval", "ckpt=a.ckpt", "split=tset"],
    ["eval", "ckpt=a.ckpt", "chkpt=a"],
    ["eval"],
    ["eval", "ckpt=a.ckpt", "dataset=null"],
    ["predict", "ckpt=a.ckpt", "topk=3"],
    ["predict", "ckpt=a.ckpt", "input=photos/*.png", "top_k=0"],
    ["predict", "input=a.png"],
    ["list", "what=modls"],
    ["list", "model=lenett"],
    ["list", "num_classes=0"],
]
RIGHT = [
    ["list"],
    ["list", "what=models", "format=json"],
    ["train", "--cfg", "job"],
    ["predict", "ckpt=a", "--cfg=job"],
]


@pytest.mark.parametrize(("status", "requests"), [(2, WRONG), (0, RIGHT)], ids=["wrong", "right"])
def test_what_needs_no_model_is_answered_without_torch(status, requests, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("lr: 0.1\n")
    code = (
        f"import os, sys\nos.chdir({str(tmp_path)!r})\nfrom sensorium.cli.main import main\n"
        f"for arguments in {requests}:\n"
        f"    assert main(arguments) == {status}, arguments\n"
        "    assert not {'torch', 'lightning', 'numpy'} & set(sys.modules), arguments\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("sensorium: ") == (len(WRONG) if status else 0)


def test_a_line_says_that_something_is_loading_on_a_terminal_alone(tmp_path):
    ends = pty.openpty()
    command = [sys.executable, "-m", "sensorium", "predict", "ckpt=nowhere.ckpt", "input=a.png"]
    environment = os.environ | {"TERM": "xterm"}
    subprocess.run(command, stderr=ends[1], cwd=tmp_path, env=environment, check=False)
    shown = os.read(ends[0], 10_000).decode()
    assert shown.startswith("loading ...\r\x1b[2Ksensorium: There is no checkpoint nowhere.ckpt")
    assert "loading" not in subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False).stderr


def test_eval_and_predict_do_without_lightning():
    found = modules_after("import sensorium.cli.eval, sensorium.cli.predict, sensorium.cli.model_cost")
    assert "torch" in found
    assert "lightning" not in found


def test_the_full_version_is_what_a_bug_report_needs(tmp_path):
    lines = dict(line.split(": ", 1) for line in run_command(["--version", "full"], tmp_path).stdout.splitlines())
    assert lines["sensorium"] == sensorium.__version__
    assert lines["torch"].startswith("2.11")
    assert int(lines["cpu_cores"]) >= 1


def test_help_names_verbs_and_groups(tmp_path):
    overview = run_command(["--help"], tmp_path)
    assert (overview.status, overview.stderr) == (0, "")
    assert [verb for verb in VERBS if f"  {verb} " not in overview.stdout] == []
    train = run_command(["train", "--help"], tmp_path).stdout
    for group in set(configs.groups()) - {"task"}:
        assert f"  {group}=" in train
    assert "model=small_cnn  augment=crop" in train
    assert "hydra" not in train.split("Examples:")[0]


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_a_screen_and_explains_the_keys_set_most_often(verb):
    shown = help_pages.verb(verb).split("Examples:")[0]
    assert shown.count("\n") <= 45
    assert max(map(len, shown.splitlines()[3:])) <= 80
    for key in help_pages.COMMON[verb]:
        assert f"\n  {key}" in shown


@pytest.mark.parametrize("verb", VERBS)
def test_help_all_has_every_key(verb, tmp_path):
    shown = run_command([verb, "--help", "all"], tmp_path).stdout
    for line in (configs.FOLDER / f"{verb}.yaml").read_text().split("\nhydra:")[0].splitlines():
        if line and line[0].isalpha() and not line.startswith("defaults"):
            assert f"  {line}" in shown


def test_comments_of_a_yaml_belong_to_their_keys():
    body = ["a: 1  # one", "# above", "b: null", "c:  # a section", "  d: ${a}  # inside", "  # also", "  e: x"]
    assert help_pages.documented(body) == {
        "a": ("1", "one"),
        "b": ("null", "above"),
        "c": ("", "a section"),
        "c.d": ("${a}", "inside"),
        "c.e": ("x", "also"),
    }


def test_a_list_of_datasets_says_their_task_and_what_is_downloaded(tmp_path):
    rows = map(json.loads, run_command(["list", "datasets", "format=jsonl"], tmp_path).stdout.splitlines())
    found = {row["name"]: (row["task"], row["download"]) for row in rows}
    assert found["digits"] == ("image_classification", "")
    assert found["cifar10"] == ("image_classification", "yes")
    assert found["speech_manifest"] == ("speech_recognition", "")
    assert all(task in configs.options("task") for task, _ in found.values())


def test_a_list_for_a_task_has_its_datasets_and_models_alone(tmp_path):
    rows = map(json.loads, run_command(["list", "task=translation", "format=jsonl"], tmp_path).stdout.splitlines())
    found = [(row["group"], row["name"]) for row in rows]
    assert found[-2:] == [("model", "rnn_seq2seq"), ("model", "transformer_seq2seq")]
    assert {group for group, _ in found} == {"dataset", "model"}
    assert ("dataset", "multi30k") in found
    assert ("dataset", "digits") not in found
    wrong = run_command(["list", "models", "task=transltion"], tmp_path)
    assert wrong.status == 2
    assert "Did you mean translation?" in wrong.stderr
    for what, named in (("optimizers", "optimizer"), ("runs", "runs")):
        useless = run_command(["list", what, "task=translation"], tmp_path)
        assert useless.stderr == f"sensorium: task= is for datasets and models, not for {named}. Leave it out.\n"


def test_list(tmp_path):
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mine.yaml").write_text("# A model of my own [sic]\n_target_: mine.Net\n")
    rows = run_command(["list", "what=models", "format=jsonl"], tmp_path).stdout.splitlines()
    found = {row["name"]: row["what"] for row in map(json.loads, rows)}
    assert found == configs.options("model") | {"mine": "A model of my own [sic]"}
    table = run_command(["list"], tmp_path).stdout
    assert "A model of my own [sic]" in table
    names = {tuple(line.split()[:2]) for line in table.splitlines()[1:] if line.strip()}
    assert {(group, name) for group in configs.groups() for name in configs.options(group)} <= names


def test_list_needs_hydra_for_neither_names_nor_formats(tmp_path):
    found = modules_after("from sensorium.cli.main import main\nassert main(['list', 'what=models']) == 0")
    assert "rich" in found
    assert found.isdisjoint(set(HEAVY) - {"rich"})
    for plain, quoted in ((["what=models", "format=csv"], ["what='models'", "format=csv"]), ([], ["what='all'"])):
        assert run_command(["list", *plain], tmp_path) == run_command(["list", *quoted], tmp_path)


def test_list_counts_parameters_and_multiplications_by_hand(tmp_path):
    arguments = ["list", "model=perceptron", "image_size=4", "in_channels=1", "num_classes=3", "format=jsonl"]
    (row,) = map(json.loads, run_command(arguments, tmp_path).stdout.splitlines())
    assert (row["input"], row["parameters"], row["FLOPs"]) == ("1x4x4", 16 * 3 + 3, 2 * 16 * 3)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sensorium ", ["train", "eval", "predict", "explain", "export", "serve", "report", "check", "list"]),
        ("sensorium pr", ["predict"]),
        ("sensorium train acc", ["accelerator="]),
        ("sensorium train model=resnet", ["model=resnet18", "model=resnet20", "model=resnet8"]),
        ("sensorium train dataset=_", []),
        ("sensorium train dataset=cif", ["dataset=cifar10", "dataset=cifar100"]),
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
