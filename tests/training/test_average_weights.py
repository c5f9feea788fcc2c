"""The average of the weights against its closed form, and where it is used."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn

from sensorium.training.average import AverageWeights
from trainings import TINY, opened, trained


class Falling(pl.LightningModule):
    """One weight, which falls by `lr` at each step, as the loss is the weight itself."""

    def __init__(self, *, lr: float) -> None:
        super().__init__()
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.model.weight, 1.0)
        self.lr = lr
        self.seen_in_validation: list[float] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.model.weight.sum()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.seen_in_validation.append(float(self.model.weight))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def fitted(callback: AverageWeights, **options: Any) -> tuple[Falling, pl.Trainer]:
    module = Falling(lr=0.1)
    loader = torch.utils.data.DataLoader(torch.zeros(6, 1))
    trainer = pl.Trainer(
        max_epochs=1, callbacks=[callback], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", num_sanity_val_steps=0, **options,
    )  # fmt: skip
    trainer.fit(module, loader, loader)
    return module, trainer


def closed_form(decay: float, steps: int) -> float:
    """d^n w_0 + (1 - d) * sum of d^(n-k) w_k, with w_k = 1 - 0.1 k."""
    return decay**steps + (1 - decay) * sum(decay ** (steps - k) * (1 - 0.1 * k) for k in range(1, steps + 1))


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 6), (3, 2)])
def test_the_average_is_of_optimiser_steps(tmp_path: Path, accumulate: int, steps: int) -> None:
    callback = AverageWeights(decay=0.8, warmup=False)
    module, trainer = fitted(callback, accumulate_grad_batches=accumulate)
    trainer.save_checkpoint(tmp_path / "it.ckpt")
    checkpoint = opened(tmp_path / "it.ckpt")
    last, average = 1 - 0.1 * steps, closed_form(0.8, steps)
    assert float(module.model.weight) == pytest.approx(last)
    assert float(checkpoint["training_weights"]["weight"]) == pytest.approx(last)
    assert float(checkpoint["state_dict"]["model.weight"]) == pytest.approx(average)
    assert module.seen_in_validation == pytest.approx([average] * 6)


def test_the_first_averages_are_of_few_steps_when_it_warms_up() -> None:
    callback = AverageWeights(decay=0.999, warmup=True)
    module, _ = fitted(callback)
    average = 1.0
    for update in range(6):
        decay = (1 + update) / (10 + update)
        average = decay * average + (1 - decay) * (1 - 0.1 * (update + 1))
    assert module.seen_in_validation == pytest.approx([average] * 6)


def test_saving_leaves_the_weights_in_training_as_they_are(tmp_path: Path) -> None:
    module, trainer = fitted(AverageWeights(decay=0.8, warmup=False))
    before = float(module.model.weight)
    trainer.save_checkpoint(tmp_path / "it.ckpt")
    trainer.save_checkpoint(tmp_path / "it.ckpt")
    assert float(module.model.weight) == before


def test_best_holds_the_average_that_was_validated(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "callbacks=ema", "callbacks.ema.decay=0.5", "callbacks.ema.warmup=false",
                  "trainer.max_epochs=1")  # fmt: skip
    best, last = opened(run.best), opened(run.last)
    for name, value in last["training_weights"].items():
        assert torch.equal(best["state_dict"][f"model.{name}"], last["average"]["average"][name])
        assert not torch.equal(best["state_dict"][f"model.{name}"], value)
