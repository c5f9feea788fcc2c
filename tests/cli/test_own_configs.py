"""A person's own configs, datasets and models: in configs/ of the working directory, by --config-dir, by name."""

import json
import re
from pathlib import Path

import pytest

from command import Result, run_command, stored_metrics

MODULE = '''
"""Two classes of images, dark and bright, and a model that looks at the mean."""
import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data, OnBad
from sensorium.data.vision.splits import ImageSplit
from sensorium.data.vision.store import ArrayStore, channel_statistics
from sensorium.specs import ImageClassificationSpec


class Shades:
    task = "classification"

    def __init__(self, *, per_class: int) -> None:
        self.per_class = per_class

    def load(self, *, on_bad: OnBad) -> Data:
        split = self._split()
        mean, std = channel_statistics(split.images)
        spec = ImageClassificationSpec(
            class_names=("dark", "bright"), in_channels=1, image_size=(4, 4), mean=mean, std=std
        )
        return Data(spec=spec, train=split, val=split, test=split)

    def _split(self) -> ImageSplit:
        labels = np.arange(2 * self.per_class) % 2
        pixels = np.broadcast_to((60 + 120 * labels)[:, None, None, None], (len(labels), 1, 4, 4)).astype(np.uint8)
        store = ArrayStore(pixels, image_size=None, channels="auto", resize="crop")
        return ImageSplit(store, labels, [f"shade{i}" for i in range(len(labels))])


class Mean(nn.Module):
    def __init__(self, *, in_channels: int, num_classes: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.head = nn.Linear(in_channels, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.gain * images.mean((2, 3)))
'''
DATASET = """# Dark and bright images
defaults: [/task@_global_.task: classification, _self_]
_target_: my_shades.Shades
per_class: 40  # of each
"""
MODEL = "# Looks at the mean\n_target_: my_shades.Mean\ngain: 2.0  # factor\n"
SHORT = ("trainer.max_epochs=8", "lr=0.1", "augment=none", "batch_size=8", "accelerator=cpu")


@pytest.fixture
def cwd(tmp_path) -> Path:
    (tmp_path / "my_shades.py").write_text(MODULE)
    return tmp_path


def write_configs(folder: Path) -> None:
    for group, name, text in (("dataset", "shades", DATASET), ("model", "mean", MODEL)):
        (folder / group).mkdir(parents=True)
        (folder / group / f"{name}.yaml").write_text(text)


def accuracy(cwd: Path) -> float:
    (path,) = (cwd / "runs" / "shades_mean").glob("*/metrics.json")
    return json.loads(path.read_text())["test/accuracy"]


@pytest.mark.parametrize("way", ["configs", "--config-dir"])
def test_own_dataset_and_model(way, cwd):
    folder = cwd / ("configs" if way == "configs" else "a folder")
    write_configs(folder)
    options = [] if way == "configs" else ["--config-dir", str(folder)]
    result = run_command(["train", "dataset=shades", "model=mean", *SHORT, *options], cwd)
    assert (result.status, result.stderr) == (0, "")
    assert accuracy(cwd) == 1.0
    wrong = run_command(["train", "dataset=shade", *options], cwd)
    assert "Did you mean shades?" in wrong.stderr
    assert "_hold_out" not in wrong.stderr
    wrong = run_command(["train", "dataset=shades", "model=mean", "model.gian=3", *options], cwd)
    assert "Did you mean model.gain?" in wrong.stderr
    wrong = run_command(["train", "dataset=shades", "dataset.per_clas=3", *options], cwd)
    assert "Did you mean dataset.per_class?" in wrong.stderr


def test_a_class_by_dotted_name_alone(cwd):
    write_configs(cwd / "configs")

    def train(model: str) -> Result:
        arguments = [f"model={model}", "model._target_=my_shades.Mean", "dataset=shades", "test=false"]
        return run_command(["train", *arguments, *SHORT], cwd)

    result = train("perceptron")
    assert (result.status, result.stderr) == (0, "")
    result = train("mlp")  # its yaml has keys that Mean does not take
    assert result.status == 2
    assert "'hidden'" in result.stderr


def test_own_classes_in_a_checkpoint_need_trust(cwd):
    write_configs(cwd / "configs")
    assert run_command(["train", "dataset=shades", "model=mean", *SHORT], cwd).status == 0
    (run,) = (cwd / "runs" / "shades_mean").iterdir()
    refused = run_command(["eval", f"ckpt={run}"], cwd)
    assert refused.status == 2
    assert "my_shades.Shades" in refused.stderr
    assert "trust=true" in refused.stderr
    trusted = run_command(["eval", f"ckpt={run}", "trust=true", "format=json"], cwd)
    assert json.loads(trusted.stdout) == stored_metrics(run / "metrics.json")


def test_an_own_experiment(cwd):
    write_configs(cwd / "configs")
    (cwd / "configs" / "experiment").mkdir()
    (cwd / "configs" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n# Mine\ndefaults:\n  - override /dataset: shades\n  - override /model: mean\n"
        "trainer:\n  max_epochs: 2\nmodel:\n  gain: 3.0\n"
    )
    result = run_command(["train", "experiment=mine", "test=false", "augment=none"], cwd)
    assert (result.status, result.stderr) == (0, "")
    assert re.search(r"^ *2/2 ", result.stdout, re.MULTILINE)
    listed = run_command(["list", "what=experiment"], cwd).stdout
    assert "mine" in listed
    assert "digits_cnn" in listed


def test_groups_of_ones_own_do_not_hide_the_keys_of_other_verbs(cwd):
    for group in ("accelerator", "model"):
        (cwd / "configs" / group).mkdir(parents=True, exist_ok=True)
        (cwd / "configs" / group / "mine.yaml").write_text("# Mine\n")
    refused = run_command(["eval", "ckpt=nowhere.ckpt", "accelerator=cpu"], cwd).stderr
    assert "nowhere.ckpt" in refused
    assert "no key" not in refused
    assert run_command(["list", "model=lenet"], cwd).status == 0
