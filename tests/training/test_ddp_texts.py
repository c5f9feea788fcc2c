"""Two real processes train on texts as one does: batches by length are shared out, and each text counts once."""

import csv
import json
import random
from pathlib import Path

import pytest
import torch

from command import run_command, run_process, stored_metrics
from sensorium.runs import RunFolder
from trainings import opened, trained, two_cores

# No dropout, plain SGD, all digits: two processes of 8 must do what one of 16 does.
SETTINGS = (
    "dataset=text_csv", "dataset.max_length=200", "model=transformer_classifier", "model.width=8", "model.depth=1",
    "model.heads=2", "model.dropout=0", "model.word_dropout=0", "optimizer=sgd", "scheduler=constant", "lr=0.05",
    "workers=1", "threads=1", "accelerator=cpu", "trainer.precision=32-true", "trainer.max_epochs=2",
    "eval_batch_size=16", "run_root=runs",
)  # fmt: skip


def write_reviews(path: Path) -> None:
    """70 + 21 + 21 texts of 1 to 150 words: the processes read some that differ much in length at the same time."""
    draw = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "split"])
        for number in range(112):
            part = "train" if number < 70 else "val" if number < 91 else "test"
            words = [draw.choice(("film", "plot", ("fine", "dull")[number % 2])) for _ in range(draw.randint(1, 150))]
            writer.writerow([f"{number} {' '.join(words)}", ("good", "bad")[number % 2], part])


@two_cores
@pytest.mark.slow
def test_it_ends_like_one_process_with_both_their_batches(tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.csv")
    data = f"dataset.path={tmp_path / 'reviews.csv'}"
    arguments = ["train", *SETTINGS, data, "strategy=ddp", "trainer.devices=2", "batch_size=8"]
    result = run_process(arguments, tmp_path)
    assert (result.status, result.stderr) == (0, ""), result.stderr
    (folder,) = (tmp_path / "runs").glob("*/*")
    two, one = RunFolder(folder), trained(tmp_path / "alone", *SETTINGS, data, "batch_size=16")

    weights = [opened(run.last)["state_dict"] for run in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        assert torch.allclose(weights[1][name], value, rtol=1e-4, atol=1e-6), name
    rows = [list(csv.DictReader(run.history.open())) for run in (one, two)]
    assert len(rows[0]) == len(rows[1]) == 2
    for mine, theirs in zip(*rows, strict=True):
        for name, number in mine.items():
            assert float(theirs[name]) == pytest.approx(float(number), rel=1e-4), name

    found = json.loads(run_command(["eval", f"ckpt={two.best}", "format=json", "accelerator=cpu"], tmp_path).stdout)
    assert found == stored_metrics(two.metrics)
    assert len((two.folder / "predictions.csv").read_text().splitlines()) == 1 + 21
