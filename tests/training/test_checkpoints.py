"""best.ckpt and last.ckpt: what is in them, when they are written, and that a run goes on exactly from every one."""

import csv
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from sensorium import runs
from sensorium.cli.train import train
from sensorium.errors import RequestError, RunError
from sensorium.run_config import RunConfig
from sensorium.runs import RunFolder, read_summary
from sensorium.training.checkpoint_io import AtomicCheckpointIO
from sensorium.training.checkpoints import Checkpoints
from sensorium.training.interrupts import Interrupted
from trainings import TINY, TINY_TEXTS, config_of, differences, opened, trained


def rows(run: RunFolder) -> list[dict[str, str]]:
    with run.history.open() as file:
        return list(csv.DictReader(file))


def gone_on(run: RunFolder, **changes: Any) -> None:
    """`sensorium train resume=RUN` with some keys of the config changed."""
    train(RunConfig.from_dict(run.read_config() | changes), run, resume=run.last)


def trainer_keys(run: RunFolder, **changes: Any) -> dict[str, Any]:
    return {"trainer": run.read_config()["trainer"] | changes}


# -- every one of them restarts exactly


class Enough(BaseException):
    """The checkpoint that was waited for is written."""


class Recorder:
    """Copies each last.ckpt as it is written; raises Enough once one is further than (step, epoch) `until`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.until = folder, (10**9, 0)
        self.states: list[dict[str, Any]] = []
        write = AtomicCheckpointIO.save_checkpoint

        def save(io: AtomicCheckpointIO, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
            write(io, checkpoint, path, storage_options)
            if Path(path).name == "last.ckpt":
                self.states.append(opened(Path(path)))
                if place(self.states[-1]) > self.until:
                    raise Enough

        monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", save)
        monkeypatch.setattr(os, "fsync", lambda _: None)


def place(state: dict[str, Any]) -> tuple[int, int]:
    return state["global_step"], state["epoch"]


# Nothing improves by a whole 1, so patience alone says when it ends.
STOPPING = ("callbacks=ema_early_stopping", "callbacks.early_stopping.min_delta=1", "trainer.max_epochs=5")


@pytest.mark.parametrize(
    "variant",
    [
        (),
        ("callbacks=default",),
        ("trainer.accumulate_grad_batches=4",),
        ("scheduler=plateau", "scheduler.patience=0"),
        (*STOPPING, "callbacks.early_stopping.patience=1"),
        pytest.param(
            (*STOPPING, "callbacks.early_stopping.patience=0", "trainer.min_epochs=3"), marks=pytest.mark.slow
        ),
        (*STOPPING, "callbacks.early_stopping.patience=3", "trainer.val_check_interval=2"),
        pytest.param(("trainer.val_check_interval=4",), marks=pytest.mark.slow),
        pytest.param(("trainer.val_check_interval=4", "scheduler=plateau"), marks=pytest.mark.slow),
        ("trainer.check_val_every_n_epoch=2",),
        pytest.param(("trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=10"), marks=pytest.mark.slow),
        ("trainer.max_steps=11", "trainer.max_epochs=-1"),
        pytest.param(("trainer.limit_val_batches=0",), marks=pytest.mark.slow),
        pytest.param(("optimizer=muon", "trainer.gradient_clip_val=0.1"), marks=pytest.mark.slow),
        pytest.param(
            ("augment=mixup", "augment.transforms.flip=null", "trainer.limit_train_batches=null", "batch_size=250"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda variant: " ".join(variant) or "plain",
)
def test_each_checkpoint_leads_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: tuple[str, ...]
) -> None:
    """By induction, whatever the number of interruptions: the whole state, counters and history included."""
    _by_induction(tmp_path, monkeypatch, *TINY, *variant)


QUICK_TEXT = "classification"  # of the others a killed run is followed to its end by test_kills


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == QUICK_TEXT else [pytest.mark.slow]) for kind in TINY_TEXTS]
)
def test_each_checkpoint_of_texts_leads_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Batches by length, a state carried from batch to batch, a model's own guesses, samples."""
    _by_induction(tmp_path, monkeypatch, *TINY_TEXTS[kind])


# Few labels: labelled and unlabelled rows in passes that do not end with an epoch, what a task keeps beside the model.
FEW_LABELS = (
    "labels_per_class=2",
    "epoch_batches=4",
    "trainer.limit_train_batches=null",
    "batch_size=7",
    "trainer.max_epochs=2",
)
LEARNING = {
    "supervised": (*TINY, *FEW_LABELS, "augment=crop"),
    "fixmatch": (*TINY, *FEW_LABELS, "learning.align=true", "learning.threshold=0.1", "learning.ramp=0.5"),
    "mean_teacher": (*TINY, *FEW_LABELS),
    "simclr": (*TINY, *FEW_LABELS),
    "pseudo_label": (*TINY_TEXTS["classification"], *FEW_LABELS, "batch_tokens=null", "augment=tokens"),
}


@pytest.mark.parametrize(
    "learning",
    [pytest.param(name, marks=[] if name in ("fixmatch", "pseudo_label") else [pytest.mark.slow]) for name in LEARNING],
)
def test_each_checkpoint_with_few_labels_leads_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learning: str
) -> None:
    """Stopped after any step, in the middle of an epoch too."""
    _by_induction(tmp_path, monkeypatch, *LEARNING[learning], f"learning={learning}")


def _by_induction(folder: Path, monkeypatch: pytest.MonkeyPatch, *settings: str) -> None:
    recorder = Recorder(folder, monkeypatch)
    whole = trained(folder, "callbacks=ema", "callbacks.checkpoints.every_n_steps=1", *settings)
    states = recorder.states
    assert len(states) > 5
    for state, following in pairwise(states):
        recorder.states, recorder.until = [], place(state)
        shutil.rmtree(whole.checkpoints)
        whole.checkpoints.mkdir()
        torch.save(state, whole.last)
        with pytest.raises(Enough):
            gone_on(whole)
        assert place(recorder.states[-1]) == place(following)
        reached = recorder.states[-1] | {"seconds": following["seconds"]}  # the time it took is its own
        assert differences(following, reached) == []

    # From the last but one to the end, and from the end to nowhere.
    history = whole.history.read_text()
    recorder.until = (10**9, 0)
    torch.save(states[-2], whole.last)
    gone_on(whole)
    assert whole.history.read_text() == history
    recorder.states = []
    gone_on(whole)
    assert recorder.states == []
    assert whole.history.read_text() == history


def test_a_finished_run_trains_on_when_it_is_given_more_epochs(tmp_path: Path) -> None:
    settings = (*TINY, "scheduler=constant", "augment=crop")
    whole = trained(tmp_path, *settings)
    run = trained(tmp_path, *settings, "trainer.max_epochs=2")
    gone_on(run, **trainer_keys(run, max_epochs=3))
    assert differences(opened(whole.last)["state_dict"], opened(run.last)["state_dict"]) == []
    assert run.history.read_text() == whole.history.read_text()


def test_a_run_that_stopped_early_trains_on_only_without_early_stopping(tmp_path: Path) -> None:
    stopping = (
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=0",
        "callbacks.early_stopping.min_delta=1",
    )
    run = trained(tmp_path, *TINY, *stopping, "trainer.max_epochs=4")
    assert len(rows(run)) == 2
    gone_on(run)
    assert len(rows(run)) == 2
    gone_on(run, callbacks=run.read_config()["callbacks"] | {"early_stopping": None})
    assert len(rows(run)) == 4


# -- what is in them


# Four epochs at a rate that is far too high: the last is not the best.
WILD = (*TINY, "optimizer.lr=0.3", "trainer.max_epochs=4", "scheduler=constant")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    by_loss = ("callbacks.checkpoints.monitor=val/loss", "callbacks.checkpoints.mode=min")
    return trained(tmp_path_factory.mktemp("run"), *WILD, *by_loss)


def test_best_is_the_epoch_whose_validation_was_best(run: RunFolder, tmp_path: Path) -> None:
    losses = [float(row["val/loss"]) for row in rows(run)]
    best = losses.index(min(losses))
    assert best != len(losses) - 1
    assert place(opened(run.best)) == (6 * (best + 1), best)
    assert opened(run.last)["global_step"] == 24

    by_accuracy = trained(tmp_path, *WILD)
    accuracies = [float(row["val/accuracy"]) for row in rows(by_accuracy)]
    assert opened(by_accuracy.best)["epoch"] == accuracies.index(max(accuracies)) != accuracies.index(min(accuracies))


def test_the_summary_says_which_epoch_is_best_and_counts_seconds_over_resumes(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY)
    first = read_summary(run)
    values = [float(row["val/accuracy"]) for row in csv.DictReader(run.history.open())]
    losses = [float(row["val/loss"]) for row in csv.DictReader(run.history.open())]
    best = max(range(3), key=lambda epoch: (values[epoch], -losses[epoch], epoch))
    assert (first["best_epoch"], first["epochs"]) == (best + 1, 3)
    kept = opened(run.last)
    torch.save(kept | {"seconds": 1000.0}, run.last)
    gone_on(run)
    again = read_summary(run)
    assert 1000 < again["seconds"] < 1100
    assert again["best_epoch"] == first["best_epoch"]


def test_best_holds_what_predicting_needs_and_nothing_else(run: RunFolder) -> None:
    best, last = opened(run.best), opened(run.last)
    assert {"optimizer_states", "lr_schedulers", "loops", "callbacks"} <= last.keys()
    assert not {"optimizer_states", "lr_schedulers", "loops", "callbacks", "average", "training_weights"} & best.keys()
    assert best["sensorium"]["config"] == run.read_config()
    weights = sum(tensor.numel() * 4 for tensor in best["state_dict"].values())
    assert run.last.stat().st_size - run.best.stat().st_size > 2 * weights  # AdamW keeps two numbers more for each


def test_previous_is_the_one_before_last(run: RunFolder) -> None:
    assert opened(run.previous)["global_step"] == 18
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt", "previous.ckpt"]


def test_without_validation_the_last_weights_are_the_best(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "trainer.limit_val_batches=0", "trainer.max_epochs=1")
    assert differences(opened(run.best)["state_dict"], opened(run.last)["state_dict"]) == []
    assert rows(run)[0].keys() == {"epoch", "step", "train/accuracy", "train/loss", "lr"}


def test_the_clock_too_decides_when_last_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path, monkeypatch)
    trained(tmp_path, *TINY, "callbacks.checkpoints.every_seconds=0", "trainer.max_epochs=1")
    assert [place(state) for state in recorder.states] == [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 1)]


def test_best_cannot_be_monitored_by_what_is_known_later(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"'train/loss'. Did you mean val/loss\?\nAllowed: val/accuracy, val/loss\."):
        trained(tmp_path, *TINY, "callbacks.checkpoints.monitor=train/loss")


class Reported:
    """A trainer whose validation found something else."""

    def __init__(self, trainer: pl.Trainer, found: dict[str, torch.Tensor]) -> None:
        self.trainer, self.callback_metrics = trainer, found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)


def report(monkeypatch: pytest.MonkeyPatch, accuracies: list[float], losses: list[float | None]) -> None:
    """Makes the checkpoints of a training go by these numbers, one an epoch; the loss None for one not logged."""
    keep = Checkpoints.on_validation_end

    def told(checkpoints: Checkpoints, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        values = {"val/accuracy": accuracies[trainer.current_epoch], "val/loss": losses[trainer.current_epoch]}
        found = {name: torch.tensor(value) for name, value in values.items() if value is not None}
        keep(checkpoints, Reported(trainer, found), module)  # type: ignore[arg-type]

    monkeypatch.setattr(Checkpoints, "on_validation_end", told)


@pytest.mark.parametrize(
    ("accuracies", "losses", "best"),
    [
        ([0.9, 0.9, 0.9], [0.5, 0.4, 0.6], 1),  # the lower loss
        ([0.9, 0.9, 0.8], [0.4, 0.4, 0.1], 1),  # equal: the later
        ([0.9, 0.9, 0.9], [0.4, 0.6, 0.5], 0),
        ([0.8, 0.9, 0.9], [0.1, 0.7, 0.7], 2),  # the metric first, then the loss
        ([0.9, 0.9, 0.9], [0.5, float("nan"), 0.6], 0),
        ([1.0, 1.0, 0.9], [None, None, None], 1),
    ],
)
def test_of_equals_the_best_is_the_one_with_the_lower_loss_then_the_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accuracies: list[float], losses: list[float | None], best: int
) -> None:
    report(monkeypatch, accuracies, losses)
    assert opened(trained(tmp_path, *TINY).best)["epoch"] == best


def test_equals_on_both_sides_of_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, [0.9, 0.9, 0.9], [0.4, 0.6, 0.3])
    run = trained(tmp_path, *TINY, "trainer.max_epochs=1")
    gone_on(run, **trainer_keys(run, max_epochs=2))
    assert opened(run.best)["epoch"] == 0
    gone_on(run, **trainer_keys(run, max_epochs=3))
    assert opened(run.best)["epoch"] == 2


def test_a_run_begun_before_losses_were_remembered_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, [0.9, 0.9, 0.8], [0.4, 0.6, 0.1])
    run = trained(tmp_path, *TINY, "trainer.max_epochs=1")
    state = opened(run.last)
    assert state["callbacks"]["Checkpoints"].pop("best_loss") == pytest.approx(0.4)
    torch.save(state, run.last)
    gone_on(run, **trainer_keys(run, max_epochs=3))
    assert opened(run.best)["epoch"] == 1  # how good the first was is not known


# -- what must not take their place


class Poison(pl.Callback):
    """Makes the weights NaN after a step whose loss was sound."""

    def __init__(self, *, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: Any) -> None:
        if trainer.global_step == self.step:
            with torch.no_grad():
                next(pl_module.model.parameters()).fill_(float("nan"))


@pytest.mark.parametrize("step", [4, 6, 12])
def test_weights_that_are_not_numbers_are_not_kept(tmp_path: Path, step: int) -> None:
    # At the end of an epoch validation meets them first.
    met = (
        rf"loss became nan at step {step + 1}, in the batch of: digits\[" if step == 4 else "validation loss became nan"
    )
    with pytest.raises(RunError, match=f"^The {met}"):
        trained(
            tmp_path, *TINY, "callbacks.checkpoints.every_n_steps=1",
            "+callbacks.poison._target_=test_checkpoints.Poison", f"+callbacks.poison.step={step}",
        )  # fmt: skip
    (folder,) = (tmp_path / "run").iterdir()
    run = RunFolder(folder)
    assert opened(run.last)["global_step"] == step - 1
    kept = [path for path in (run.last, run.previous, run.best) if path.exists()]
    assert len(kept) == (3 if step == 12 else 2)
    for path in kept:
        assert all(bool(tensor.isfinite().all()) for tensor in opened(path)["state_dict"].values())


class Ask(pl.Callback):
    """Sends this process a signal at a step."""

    def __init__(self, *, step: int, number: int) -> None:
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer: pl.Trainer, *rest: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(
    ("asked_in", "accumulate", "stops_at"),
    [(0, 1, (1, 0)), (2, 1, (3, 0)), (5, 1, (6, 1)), (11, 1, (12, 2)), (0, 3, (1, 0)), (1, 3, (2, 1))],
)
def test_asked_to_stop_it_ends_where_it_can_go_on(
    tmp_path: Path, asked_in: int, accumulate: int, stops_at: tuple[int, int]
) -> None:
    config = config_of(
        *TINY, "trainer.max_epochs=2", f"trainer.accumulate_grad_batches={accumulate}",
        "+callbacks.ask._target_=test_checkpoints.Ask", f"+callbacks.ask.step={asked_in}", "+callbacks.ask.number=15",
    )  # fmt: skip
    run = runs.create(tmp_path, "run")
    runs.record(run, config.to_dict(), [])
    with pytest.raises(Interrupted, match=f"Stopped at step {stops_at[0]}. Resume with: .*{run.folder}$") as caught:
        train(config, run, resume=None)
    assert caught.value.exit_status == 143
    assert place(opened(run.last)) == stops_at
