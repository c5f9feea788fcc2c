"""metrics.csv: the numbers of each epoch, checked against the same sums made by hand."""

import csv
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from sensorium.data.order import BatchPlan
from sensorium.data.vision.splits import ImageSplit
from sensorium.runs import RunFolder
from sensorium.training.history import History
from sensorium.vision.normalise import Normalise
from trainings import TINY, config_in, data_of, model_for, opened, trained


def rows_of(run: RunFolder) -> list[dict[str, str]]:
    with run.history.open() as file:
        return list(csv.DictReader(file))


@torch.no_grad()
def by_hand(run: RunFolder, split: ImageSplit, rows: torch.Tensor) -> tuple[float, float]:
    """Loss and accuracy of the untrained model of a run on some rows of a split."""
    config = config_in(run)
    spec = data_of(config).spec
    model = model_for(config, spec).eval()
    (images,) = Normalise(mean=spec.mean, std=spec.std)(torch.from_numpy(split.images.read(rows.numpy())))
    labels = torch.from_numpy(split.labels)[rows]
    logits = model(images)
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())


# So small that no weight changes, and nothing random: the model stays as it was built.
STILL = (*TINY, "model.dropout=0", "augment=none", "optimizer=sgd", "optimizer.lr=1e-30", "optimizer.weight_decay=0")


def test_each_epoch_holds_the_means_over_its_examples(tmp_path: Path) -> None:
    run = trained(tmp_path, *STILL, "trainer.limit_val_batches=null", "eval_batch_size=50", "trainer.max_epochs=2")
    data = data_of(config_in(run))
    val = by_hand(run, data.val, torch.arange(len(data.val)))
    first, second = rows_of(run)
    for epoch, row in enumerate((first, second)):
        order = data.train.order(BatchPlan(size=16, shuffle=True, seed=0))
        order.set_epoch(epoch)
        seen = torch.cat([torch.from_numpy(batch) for batch in order.batches()])[: 6 * 16]
        train = by_hand(run, data.train, seen)
        assert (int(row["epoch"]), int(row["step"])) == (epoch + 1, 6 * (epoch + 1))
        assert (float(row["train/loss"]), float(row["train/accuracy"])) == pytest.approx(train, rel=1e-5)
        assert (float(row["val/loss"]), float(row["val/accuracy"])) == pytest.approx(val, rel=1e-5)
    assert first["train/loss"] != second["train/loss"]  # other batches


def test_batches_of_different_sizes_weigh_by_their_examples(tmp_path: Path) -> None:
    run = trained(tmp_path, *STILL, "trainer.limit_train_batches=null", "batch_size=1200", "trainer.max_epochs=1")
    data = data_of(config_in(run))
    expected = by_hand(run, data.train, torch.arange(len(data.train)))  # 1,200 and 95
    (row,) = rows_of(run)
    assert (float(row["train/loss"]), float(row["train/accuracy"])) == pytest.approx(expected, rel=1e-5)


def test_an_epoch_without_validation_shows_none(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2")
    assert [row["val/loss"] != "" for row in rows_of(run)] == [False, True, False, True]


def test_the_rate_is_that_of_the_last_step_of_the_epoch(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "scheduler=step", "scheduler.milestones=[0.5]", "scheduler.gamma=0.1",
                  "optimizer.lr=0.01", "trainer.max_epochs=2")  # fmt: skip
    assert [float(row["lr"]) for row in rows_of(run)] == pytest.approx([0.01, 0.001])


def test_the_checkpoint_holds_what_the_file_says(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "trainer.max_epochs=2")
    kept = opened(run.last)["callbacks"]["History"]["rows"]
    assert [{name: str(value) for name, value in row.items()} for row in kept] == rows_of(run)


def test_a_run_of_an_earlier_version_counts_on_from_one(tmp_path: Path) -> None:
    history = History(run=RunFolder(tmp_path))
    history.load_state_dict({"rows": [{"epoch": 0}, {"epoch": 1}], "validated": 1})
    assert [row["epoch"] for row in history.rows] == [1, 2]
    history.load_state_dict(history.state_dict())
    assert [row["epoch"] for row in history.rows] == [1, 2]
