"""On a GPU: training, evaluation to the last digit, and a resumed run, as on the CPU."""

import json
from pathlib import Path

import pytest
import torch

from command import run_command

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and there is none"),
]

SMALL = ["accelerator=gpu", "trainer.max_epochs=3", "run_root=runs"]


def only_run(root: Path) -> Path:
    (run,) = root.glob("*/*")
    return run


def test_a_training_on_the_gpu_is_evaluated_to_the_last_digit(tmp_path: Path) -> None:
    trained = run_command(["train", *SMALL], tmp_path)
    assert trained.status == 0, trained.stderr
    run = only_run(tmp_path / "runs")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/accuracy"] > 0.8
    again = run_command(["eval", f"ckpt={run}", "accelerator=gpu", "format=json"], tmp_path)
    assert json.loads(again.stdout) == metrics


def test_a_checkpoint_from_the_gpu_predicts_alike_on_the_cpu(tmp_path: Path) -> None:
    assert run_command(["train", *SMALL, "trainer.precision=32-true"], tmp_path).status == 0
    run = only_run(tmp_path / "runs")
    answers = [
        json.loads(run_command(["eval", f"ckpt={run}", f"accelerator={name}", "format=json"], tmp_path).stdout)
        for name in ("gpu", "cpu")
    ]
    assert answers[0]["test/loss"] == pytest.approx(answers[1]["test/loss"], abs=1e-3)
