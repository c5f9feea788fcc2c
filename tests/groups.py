"""What tests of several processes share: a training they can all afford, and callbacks that watch or disturb it."""

import csv
import json
from pathlib import Path

import pytest
import torch

from sensorium.runs import RunFolder
from trainings import opened, trained

# No norms, no dropout, plain SGD: two processes of 16 must do what one of 32 does.
SETTINGS = (
    "model=mlp", "model.hidden=[32]", "augment=none", "optimizer=sgd", "scheduler=cosine", "workers=1", "threads=1",
    "trainer.max_epochs=2", "trainer.limit_train_batches=20", "eval_batch_size=32", "run_root=runs",
)  # fmt: skip

WATCHER = '''
import json
import os
import time
import lightning.pytorch as pl


class Watch(pl.Callback):
    """Writes down which examples this process sees, and the sum of the weights it ends with."""

    def __init__(self):
        self.train, self.val = [], []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.train.append([trainer.current_epoch, batch.indices.tolist()])

    def on_validation_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.val.append([trainer.current_epoch, batch.indices.tolist()])

    def on_train_end(self, trainer, module):
        weights = [float(value.double().sum()) for value in module.model.state_dict().values()]
        seen = {"train": self.train, "val": self.val, "weights": weights}
        with open(f"seen_{trainer.global_rank}.json", "w") as file:
            json.dump(seen, file)


class Signal(pl.Callback):
    """The first process sends a signal to itself, or to the one that started it."""

    def __init__(self, *, step, number, parent):
        self.step, self.number, self.parent = step, number, parent

    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == self.step and trainer.global_rank == 0:
            os.kill(os.getppid() if self.parent else os.getpid(), self.number)


class Wait(pl.Callback):
    """Every process stops at a step until there is a file, and says that it is there."""

    def __init__(self, *, step):
        self.step = step

    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == self.step:
            open(f"reached_{trainer.global_rank}", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.1)


class Hang(pl.Callback):
    """The first process stops at a step and never goes on, so that the other waits for it in a collective."""

    def __init__(self, *, step):
        self.step = step

    def on_train_batch_end(self, trainer, *rest):
        while trainer.global_step == self.step and trainer.global_rank == 0:
            time.sleep(1)
'''
WATCHED = "+callbacks.watch._target_=watcher.Watch"


def sent(number: int, *, step: int, parent: bool) -> tuple[str, ...]:
    options = {"_target_": "watcher.Signal", "step": step, "number": int(number), "parent": str(parent).lower()}
    return tuple(f"+callbacks.signal.{key}={value}" for key, value in options.items())


def run_of(folder: Path) -> RunFolder:
    (found,) = (folder / "runs").glob("*/*")
    return RunFolder(found)


def rows_of(run: RunFolder) -> list[dict[str, str]]:
    with run.history.open() as file:
        return list(csv.DictReader(file))


def seen(folder: Path, stage: str) -> tuple[list[list[int]], list[list[int]]]:
    """For each process its batches of the last epoch."""
    both = [json.loads((folder / f"seen_{rank}.json").read_text())[stage] for rank in (0, 1)]
    first, second = ([rows for epoch, rows in batches if epoch == 1] for batches in both)
    return first, second


def assert_like_one_process(two: RunFolder, folder: Path) -> None:
    """That two processes with SETTINGS and 16 examples each ended with the weights and metrics of one with 32."""
    one = trained(folder, *SETTINGS, "accelerator=cpu", "batch_size=32")
    weights = opened(two.last)["state_dict"]
    for name, value in opened(one.last)["state_dict"].items():
        assert torch.allclose(weights[name], value, rtol=1e-4, atol=1e-6), name
    for mine, theirs in zip(rows_of(one), rows_of(two), strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert float(theirs[name]) == pytest.approx(float(value), rel=1e-4), name
