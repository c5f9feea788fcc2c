"""Trainings small enough for tests, in the process of the tests, and the comparison of what they leave behind."""

from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from torch import nn

from sensorium import checkpoint, runs
from sensorium.build import build_model, load_data
from sensorium.cli import configs
from sensorium.cli.app import plain
from sensorium.cli.train import train
from sensorium.data.base import Data
from sensorium.run_config import RunConfig
from sensorium.runs import RunFolder
from sensorium.specs import Spec
from sensorium.training import launch

# For tests of trainer.devices=2 on the CPU, which is refused where there is one core.
two_cores = pytest.mark.skipif(launch.cores() < 2, reason="two processes on the CPU need two cores")

# 6 steps an epoch, no reading ahead.
SHORT = (
    "batch_size=16",
    "workers=0",
    "threads=1",
    "accelerator=cpu",
    "trainer.max_epochs=3",
    "+trainer.limit_train_batches=6",
    "+trainer.limit_val_batches=2",
    "test=false",
)
# A second or less: a network of one hidden layer.
TINY = ("model=mlp", "model.hidden=[8]", "model.dropout=0.3", *SHORT)
_NARROW = ("model.embedding_size=8", "model.hidden_size=8")
_FEW = ("dataset.train=200", "dataset.val=40", "dataset.test=40")
# Of each kind of text, with lengths, a carried state, and guesses in the place of references.
TINY_TEXTS = {
    "classification": (*SHORT, "dataset=contrast_reviews", *_FEW, *_NARROW, "batch_tokens=200"),
    "language": (*SHORT, "dataset=python_source", "dataset.max_bytes=60000", "dataset.tokenizer=char", *_NARROW),
    "translation": (*SHORT, "dataset=number_words", *_FEW, *_NARROW, "task.scheduled_sampling=0.5"),
}


def config_of(*overrides: str) -> RunConfig:
    """The config of `sensorium train OVERRIDES`, with what is "auto" still open."""
    overrides = tuple(
        f"++{item.lstrip('+')}" if item.lstrip("+").startswith("trainer.") else item for item in overrides
    )
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(configs.FOLDER)):
        composed = hydra.compose("train", overrides=list(overrides), return_hydra_config=True)
    choices = composed.hydra.runtime.choices
    names = {"dataset_name": choices["dataset"], "model_name": choices["model"]}
    del composed.hydra
    return RunConfig.from_dict(plain(composed, "train") | names)


def trained(folder: Path, *overrides: str) -> RunFolder:
    """A run trained in this process from its start to its end."""
    config = config_of(*overrides)
    run = runs.create(folder, "run")
    runs.record(run, config.to_dict(), list(overrides))
    train(config, run, resume=None)
    return run


def bare_config(**values: Any) -> RunConfig:
    """A config of empty sections but for these values."""
    sections = ("dataset", "model", "trainer", "optimizer", "scheduler", "task", "callbacks")
    return RunConfig(**{name: {} for name in sections} | values)


def config_in(run: RunFolder) -> RunConfig:
    """The config of a run, as it was resolved."""
    return RunConfig.from_dict(run.read_config())


def data_of(config: RunConfig) -> Data:
    return load_data(config.dataset, on_bad=config.on_bad)


def model_for(config: RunConfig, spec: Spec) -> nn.Module:
    return build_model(config.model, spec, seed=config.seed, name=config.model_name)


def stored_calibration(path: Path) -> dict[str, Any] | None:
    """What a checkpoint says of its confidence."""
    found: dict[str, Any] | None = opened(path)[checkpoint.KEY].get("calibration")
    return found


def opened(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=True)


def differences(a: Any, b: Any, at: str = "") -> list[str]:
    """Places at which two nested values are not the same to the last bit."""
    if isinstance(a, torch.Tensor):
        return [] if isinstance(b, torch.Tensor) and torch.equal(a, b) else [at]
    if isinstance(a, dict) and isinstance(b, dict):
        missing = [f"{at}.{key} is in one only" for key in a.keys() ^ b.keys()]
        return missing + [place for key in a.keys() & b.keys() for place in differences(a[key], b[key], f"{at}.{key}")]
    if isinstance(a, list | tuple) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return [place for number, (x, y) in pairs for place in differences(x, y, f"{at}[{number}]")]
    return [] if a == b else [f"{at}: {a!r} is not {b!r}"]
