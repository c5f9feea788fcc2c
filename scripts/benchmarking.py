"""What the benchmarks share: two contenders in turn in one process, and the ratio of their medians.

Absolute seconds differ from machine to machine and from minute to minute; the ratio of two things measured in turn
does so far less.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from omegaconf import OmegaConf
from rich.console import Console
from torch import nn

from sensorium import runs
from sensorium.build import build_model, load_data
from sensorium.cli import composition
from sensorium.data.base import Data
from sensorium.run_config import RunConfig
from sensorium.training import fit, settings


def alternate(contenders: dict[str, Callable[[], float]], *, rounds: int) -> dict[str, list[float]]:
    """Runs each contender once to warm up, then all in turn; the seconds each of them reports."""
    for contender in contenders.values():
        contender()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            seconds[name].append(contender())
            print(f"  round {number + 1}: {name} {seconds[name][-1]:.2f} s", flush=True)
    return seconds


def show(title: str, seconds: dict[str, list[float]], *, baseline: str) -> None:
    """Median, spread and the ratio to the baseline, round by round."""
    print(f"\n{title}: {torch.get_num_threads()} threads, torch {torch.__version__}, {runs.environment()['processor']}")
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, seconds[baseline], strict=True)]
        print(
            f"  {name:<42} {statistics.median(values):7.2f} s  ({min(values):.2f} to {max(values):.2f})"
            f"   ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def compose(*overrides: str) -> RunConfig:
    """The config of `sensorium train OVERRIDES`, with what is "auto" still open."""
    return RunConfig.from_dict(OmegaConf.to_container(composition.compose("train", overrides), resolve=True))


class _Clock(pl.Callback):
    """Seconds from the start of the first epoch to its last training step."""

    def __init__(self) -> None:
        self.started = self.ended = 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.ended = time.perf_counter()


class Contender:
    """Sensorium itself: the Trainer, callbacks and checkpoints of a real training, one epoch at a time."""

    def __init__(self, *overrides: str, data: Data | None = None) -> None:
        config = compose(*overrides)
        self.data = data if data is not None else load_data(config.dataset, on_bad=config.on_bad)
        self.model = self.fresh_model(config)
        self.config = settings.resolve(config, data=self.data, model=self.model, say=print)

    def fresh_model(self, config: RunConfig) -> nn.Module:
        """The model with its first weights."""
        return build_model(config.model, self.data.spec, seed=config.seed)

    def epoch(self) -> float:
        """Seconds of one epoch of training steps, from fresh weights."""
        clock = _Clock()
        with tempfile.TemporaryDirectory() as folder:
            training = fit.assemble(
                self.config,
                data=self.data,
                model=copy.deepcopy(self.model),
                run=runs.create(Path(folder), "bench"),
                console=Console(quiet=True),
            )
            training.trainer.callbacks.insert(0, clock)
            training.run(None)
        return clock.ended - clock.started


def plain_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, loader: Iterable[Any], *, prepare: Callable[..., Any]
) -> float:
    """The loop that everybody writes by hand."""
    model.train()
    started = time.perf_counter()
    for batch in loader:
        images, labels = prepare(*batch)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - started
