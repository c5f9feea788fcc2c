"""The cost of a training step, by hand for a model of one layer."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from sensorium.build import load_data
from sensorium.cli.app import composed
from sensorium.run_config import RunConfig
from sensorium.tasks.base import LoadedModel
from sensorium.training import step_cost


class OneLayer(nn.Module):
    """8 x 8 images -> 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images.flatten(1))
        return logits


class Same(nn.Module):
    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor]:
        return (values,)


def test_one_layer():
    config = composed("train", ["dataset=digits", "batch_size=50"])
    data = load_data(config["dataset"], on_bad="fail")
    model = LoadedModel(
        spec=data.spec,
        model=OneLayer(),
        device=torch.device("cpu"),
        precision="32-true",
        memory_format="contiguous",
        decoding={},
    )
    longest, memory, epoch = step_cost.measured(model, data, RunConfig.from_dict(config))
    assert longest.what == "longest batch: 50 x 1 x 8 x 8"
    # Four copies of 640 weights, and the 50 x 64 inputs that the weights' gradient needs, of four bytes each.
    assert (4 * 640 + 50 * 64) * 4 == 23_040
    assert memory.what.startswith("memory of its training step, about: 0 MB")
    assert epoch.what.startswith("an epoch of 26 steps on cpu, about: ")  # 1,295 images
    batch = SimpleNamespace(inputs=(torch.zeros(50, 1, 8, 8),))
    assert step_cost._kept(OneLayer(), Same(), batch, torch.device("cpu")) == 50 * 64 * 4


def test_the_longest_batch_is_that_of_the_most_tokens_with_padding():
    class Split:
        def read(self, rows: np.ndarray) -> SimpleNamespace:
            return SimpleNamespace(inputs=(torch.zeros(len(rows), int(lengths[rows].max())),))

    lengths = np.array([1, 1, 1, 9, 2, 4])
    batches = [np.array([0, 1, 2]), np.array([3]), np.array([4, 5])]

    _, size = step_cost._longest(Split(), batches, lengths, Same(), torch.device("cpu"))
    assert size == "1 x 9"
