"""Every file in configs/optimizer and configs/scheduler: instantiated, used, saved, loaded and used again."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sensorium.optim.groups import parameter_groups

CONFIGS = Path(__file__).parents[2] / "configs"
OPTIMIZERS = sorted((CONFIGS / "optimizer").glob("*.yaml"))
SCHEDULERS = sorted((CONFIGS / "scheduler").glob("*.yaml"))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(4 * 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


class Training:
    """A model, its optimizer and its scheduler, as a run has them."""

    def __init__(self, optimizer: Path, scheduler: Path) -> None:
        torch.manual_seed(0)
        self.model = Net()
        config = OmegaConf.load(optimizer)
        groups = parameter_groups(self.model, lr=config.lr, weight_decay=config.weight_decay)
        self.optimizer = instantiate(config)(groups)
        self.scheduler = instantiate(OmegaConf.load(scheduler))(self.optimizer, total_steps=10, steps_per_epoch=2)

    def steps(self, numbers: range) -> float:
        for number in numbers:
            generator = torch.Generator().manual_seed(number)
            images = torch.randn(8, 1, 4, 4, generator=generator)
            labels = torch.randint(3, (8,), generator=generator)
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(images), labels)
            loss.backward()
            self.optimizer.step()
            if isinstance(self.scheduler, ReduceLROnPlateau):
                self.scheduler.step(loss.item())
            else:
                self.scheduler.step()
        return loss.item()

    def parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_resumes(new: Callable[[], Training]) -> None:
    whole = new()
    start = {name: parameter.clone() for name, parameter in whole.model.named_parameters()}
    loss = whole.steps(range(10))
    half = new()
    half.steps(range(5))
    saved = through_a_file({name: part.state_dict() for name, part in half.parts().items()})
    resumed = new()
    for name, part in resumed.parts().items():
        part.load_state_dict(saved[name])
    assert resumed.steps(range(5, 10)) == loss
    for name, parameter in whole.model.named_parameters():
        assert not torch.equal(parameter, start[name]), f"{name} did not move"
        assert torch.equal(parameter, dict(resumed.model.named_parameters())[name])
    assert whole.scheduler.get_last_lr() == resumed.scheduler.get_last_lr()


def test_there_are_configs() -> None:
    assert {"adamw", "sgd"} <= {path.stem for path in OPTIMIZERS}
    assert {"constant", "cosine"} <= {path.stem for path in SCHEDULERS}


@pytest.mark.parametrize("path", OPTIMIZERS, ids=lambda path: path.stem)
def test_optimizer_resumes_bit_for_bit(path: Path) -> None:
    assert_resumes(lambda: Training(path, CONFIGS / "scheduler" / "cosine.yaml"))


@pytest.mark.parametrize("path", SCHEDULERS, ids=lambda path: path.stem)
def test_scheduler_resumes_bit_for_bit(path: Path) -> None:
    assert_resumes(lambda: Training(CONFIGS / "optimizer" / "sgd.yaml", path))


@pytest.mark.parametrize("path", SCHEDULERS, ids=lambda path: path.stem)
def test_scheduler_state_is_plain_numbers(path: Path) -> None:
    training = Training(CONFIGS / "optimizer" / "sgd.yaml", path)
    training.steps(range(3))
    for key, value in training.scheduler.state_dict().items():
        for item in value if isinstance(value, list) else [value]:
            assert type(item) in (int, float, bool, str, type(None)), key


@pytest.mark.parametrize("path", OPTIMIZERS + SCHEDULERS, ids=lambda path: path.stem)
def test_file_explains_itself(path: Path) -> None:
    first, *lines = path.read_text().splitlines()
    assert first.startswith("# ")
    for line in lines:
        assert line.startswith(("_target_:", "_partial_: true")) or "  # " in line, line
