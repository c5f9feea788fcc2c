"""The nets that it came from, through the command: logic, the perceptron's rule, spikes, a trace."""

import json

import pytest
from PIL import Image

from command import run_command


def trained(folder, *arguments):
    result = run_command(["train", "threads=1", *arguments], folder)
    assert (result.status, result.stderr) == (0, "")
    (run,) = (folder / "runs").glob("*/*")
    return result, run, json.loads((run / "metrics.json").read_text())


def test_the_perceptron_learns_and_by_rosenblatt_s_rule(tmp_path):
    arguments = ("dataset=logic", "dataset.function=and", "model=perceptron", "optimizer=rosenblatt", "batch_size=1")
    result, run, metrics = trained(tmp_path, *arguments, "trainer.max_epochs=8")
    assert metrics["test/accuracy"] == 1
    assert "the same four examples" in result.stdout
    assert Image.open(run / "plots" / "boundary.png").width > 300
    history = (run / "metrics.csv").read_text().splitlines()
    assert float(history[-1].split(",")[3]) == 0  # no mistake is left: the criterion is at its end


@pytest.mark.parametrize("function", ["and", pytest.param("not", marks=pytest.mark.slow)])
def test_a_threshold_unit_is_measured_and_does_not_learn(function, tmp_path):
    arguments = ("dataset=logic", f"dataset.function={function}", "model=threshold_unit", f"model.function={function}")
    result, run, metrics = trained(tmp_path, *arguments, "trainer.max_epochs=1")
    assert metrics["test/accuracy"] == 1
    assert "threshold_unit has no trainable parameters: the epochs only evaluate it\n" in result.stdout
    again = run_command(["eval", f"ckpt={run}/checkpoints/best.ckpt", "format=json"], tmp_path)
    assert json.loads(again.stdout)["test/accuracy"] == 1
    other = "or" if function == "and" else "and_not"
    again = run_command(
        ["eval", f"ckpt={run}/checkpoints/best.ckpt", f"dataset.function={other}", "format=json"], tmp_path
    )
    assert json.loads(again.stdout)["test/accuracy"] == {"and": 0.5, "not": 0.25}[function]


def test_spikes_stand_beside_accuracy(tmp_path):
    few = (
        "model=spiking_cnn",
        "model.width=2",
        "model.steps=2",
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=2",
    )
    result, _, metrics = trained(tmp_path, *few)
    assert metrics["test/spikes"] > 0
    assert f"{metrics['test/spikes']:.4f}" in result.stdout


def test_a_trace_is_printed_and_leaves_nothing(tmp_path):
    result = run_command(["train", "dataset=logic", "model.hidden=[2]", "debug=trace", "threads=1"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert "\nFORWARD\ninput (1x1x2)\n          1           1\n" in result.stdout
    assert "CHECK: 12 gradients against finite differences" in result.stdout
    assert not list(tmp_path.rglob("*.*"))


def test_rosenblatt_s_rule_needs_its_criterion(tmp_path):
    result = run_command(["train", "optimizer=rosenblatt", "task.criterion=cross_entropy"], tmp_path)
    assert result.status == 2
    assert result.stderr == (
        "sensorium: This optimizer works on the criterion perceptron, and task.criterion is cross_entropy.\n"
        "Take another optimizer.\n"
    )
