"""lr=find and batch_size=find: sane values on real digits, and the rule by which a size is chosen."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from sensorium.data.base import Data
from sensorium.run_config import RunConfig
from sensorium.training import settings, tune
from trainings import TINY, config_of, data_of


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return settled(config_of(*TINY, "augment=crop", "model.hidden=[32]"))


def settled(config: RunConfig) -> RunConfig:
    return replace(config, memory_format="contiguous").with_values("trainer", precision="32-true")


@pytest.fixture(scope="module")
def data(config: RunConfig) -> Data:
    return data_of(config)


def test_a_rate_that_training_can_bear_is_found(config: RunConfig, data: Data) -> None:
    found = tune.find_lr(config, data=data)
    assert 1e-4 < found < 0.3
    assert tune.find_lr(config, data=data) == found  # nothing but the config decides


def test_another_optimiser_needs_another_rate(config: RunConfig, data: Data) -> None:
    sgd = settled(config_of(*TINY, "optimizer=sgd", "model.hidden=[32]"))
    assert tune.find_lr(sgd, data=data) > tune.find_lr(config, data=data)


def test_a_batch_size_is_found(config: RunConfig, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "SAMPLES_TO_TIME", 256)
    found = tune.find_batch_size(config, data=data)
    assert found in (32, 64, 128, 256, 512, 1024)


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ({32: 100, 64: 190, 128: 200}, 64),  # 128 gives less than a tenth more
        ({32: 100, 64: 111, 128: 300, 256: 329}, 128),
        ({32: 100, 64: 50}, 32),
        ({32: 1, 64: 2, 128: 4, 256: 8, 512: 16, 1024: 32}, 1024),  # 2,048 are more than there are
        ({32: 100, 64: 190, 128: None}, 64),  # memory ended
        ({32: None}, 32),
    ],
)
def test_the_size_is_doubled_while_that_pays(
    config: RunConfig, data: Data, monkeypatch: pytest.MonkeyPatch, speeds: dict[int, Any], expected: int
) -> None:
    def measured(config: RunConfig, data: Data) -> float:
        speed = speeds[config.step_size]
        if speed is None:
            raise torch.OutOfMemoryError
        return float(speed)

    monkeypatch.setattr(tune, "_samples_per_second", measured)
    assert tune.find_batch_size(config, data=data) == expected


def test_what_was_found_takes_the_place_of_the_words(
    config: RunConfig, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "find_batch_size", lambda config, data: 128)
    monkeypatch.setattr(tune, "find_lr", lambda config, data: 0.0123 * (config.batch_size == 128))
    said: list[str] = []
    tuned = tune.measured(replace(config, batch_size="find", lr="find"), data=data, say=said.append)
    assert (tuned.batch_size, tuned.lr) == (128, 0.0123)
    assert said == ["batch_size=find: 128", "lr=find: 0.012"]


def test_going_round_small_data_gives_new_orders(config: RunConfig, data: Data) -> None:
    large = replace(config, batch_size=600)
    batches = list(tune._batches(large, data, 7))
    assert [len(batch.labels) for batch in batches] == [600, 600, 95, 600, 600, 95, 600]
    assert not torch.equal(batches[0].indices, batches[3].indices)


def test_searching_changes_nothing_of_the_training_to_come(config: RunConfig, data: Data) -> None:
    before = str(config.to_dict())
    tune.find_lr(config, data=data)
    assert str(config.to_dict()) == before
    assert settings.cores() >= 1
