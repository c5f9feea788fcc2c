"""The regression step against numbers by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import ImageRegressionBatch
from sensorium.errors import RequestError
from sensorium.tasks.preprocessing import AsStored, Preparation
from sensorium.tasks.regression.module import RegressionModule
from sensorium.vision.augment import Augment
from sensorium.vision.mix import MixUp

# Standardized, of targets 30, 10, 50 (mean 20, std 10) and 1, 2, 2 (mean 1, std 0.5).
TARGETS = torch.tensor([[1.0, 0.0], [-1.0, 2.0], [3.0, 2.0]])
OUTPUTS = [[0.5, 0.0], [-1.0, 1.0], [1.0, 4.0]]  # so the errors are -0.5, 0, -2 and 0, -1, 2


class Fixed(nn.Module):
    """Its outputs are what the images hold."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) * self.scale


def module_of(augment: Augment | None = None, **changes: Any) -> RegressionModule:
    preparation = Preparation(prepare=AsStored(), augment=augment or Augment(transforms={}, mix=None))
    settings: dict[str, Any] = {"loss": "mse", "delta": 1.0} | changes
    module = RegressionModule(
        model=Fixed(),
        num_classes=2,
        target_std=(10.0, 0.5),
        preparation=preparation,
        recipe=plain_recipe(),
        **settings,
    )
    module._trainer = SimpleNamespace(world_size=1, current_epoch=0)
    return module


def batch_of(rows: slice = slice(None)) -> ImageRegressionBatch:
    images = torch.tensor(OUTPUTS)[:, :, None, None]
    return ImageRegressionBatch(images[rows], TARGETS[rows], torch.arange(3)[rows])


@pytest.mark.parametrize("training", [True, False])
def test_the_mean_squared_error_is_of_standardized_targets(training: bool) -> None:
    loss, sums = module_of().step(batch_of(), 0, training=training)
    assert loss.item() == pytest.approx((0.25 + 0 + 4 + 0 + 1 + 4) / 6)
    assert sums.tolist() == pytest.approx([9.25 / 2, 3])  # the mean of three examples, three times


def test_hubers_loss_grows_linearly_from_delta_on() -> None:
    loss = module_of(loss="huber", delta=1.0).step(batch_of(), 0, training=True).loss
    assert loss.item() == pytest.approx((0.125 + 0 + 1.5 + 0 + 0.5 + 1.5) / 6)  # e^2 / 2, then e - 1 / 2
    loss = module_of(loss="huber", delta=0.5).step(batch_of(), 0, training=True).loss
    assert loss.item() == pytest.approx((0.125 + 0 + 0.875 + 0 + 0.375 + 0.875) / 6)  # (e - 1 / 4) / 2


def test_validation_is_exact_over_batches_and_in_own_units() -> None:
    module = module_of()
    module.on_validation_epoch_start()
    module.step(batch_of(), 0, training=True)  # does not count
    for rows in (slice(0, 2), slice(2, 3)):
        module.step(batch_of(rows), 0, training=False)
    found = module.validation_metrics()
    assert found["mae"] == pytest.approx(((5 + 0 + 20) / 3 + (0 + 0.5 + 1) / 3) / 2)
    assert found["rmse"] == pytest.approx((((25 + 400) / 3) ** 0.5 + ((0.25 + 1) / 3) ** 0.5) / 2)
    # Squared deviations from the mean 30: 0, 400, 400; from 5 / 3: 4 / 9, 1 / 9, 1 / 9.
    assert found["r2"] == pytest.approx(((1 - 425 / 800) + (1 - 1.25 / (6 / 9))) / 2)
    assert set(found) == set(module.validation_metric_names)


def test_r2_is_undefined_where_all_targets_are_the_same() -> None:
    module = module_of()
    module.on_validation_epoch_start()
    module.step(batch_of(slice(1, 3)), 0, training=False)  # the second target is 2 twice
    assert module.validation_metrics()["r2"] == pytest.approx(1 - 400 / 800)


def test_mixing_images_mixes_standardized_targets() -> None:
    """The outputs are linear in the images, so a model without error stays one."""
    module = module_of(Augment(transforms={}, mix=MixUp(alpha=1.0)))
    exact = torch.tensor([[1.0, 0.0], [-1.0, 2.0], [3.0, 2.0]])[:, :, None, None]
    batch = ImageRegressionBatch(exact, TARGETS, torch.arange(3))
    assert module.step(batch, 0, training=True).loss.item() == pytest.approx(0, abs=1e-10)


def test_settings_that_are_refused() -> None:
    with pytest.raises(RequestError, match=r"no loss \(task.loss\) .*'mae'"):
        module_of(loss="mae")
    for delta in (0, -1.0, float("nan"), True):
        with pytest.raises(RequestError, match=r"task.delta=.* is not possible"):
            module_of(loss="huber", delta=delta)
