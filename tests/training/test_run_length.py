"""batch_size=auto and trainer.max_epochs=auto: the numbers that the number of examples gives, and what else counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sensorium.data.base import Data
from sensorium.training import run_length
from trainings import TINY, config_of, data_of, trained


@pytest.mark.parametrize(
    ("examples", "batch"),
    [(1, 4), (4, 4), (54, 4), (79, 4), (80, 8), (159, 8), (160, 16), (360, 32), (639, 32), (640, 64), (10**6, 64)],
)
def test_a_batch_leaves_an_epoch_ten_steps(examples: int, batch: int) -> None:
    assert run_length.batch_for(examples) == batch


@pytest.mark.parametrize(
    ("steps_of_epoch", "epochs"),
    [(1, 100), (6, 100), (7, 86), (14, 43), (21, 29), (60, 10), (61, 10), (100_000, 10)],
)
def test_there_are_epochs_for_six_hundred_steps(steps_of_epoch: int, epochs: int) -> None:
    assert run_length.epochs_for(steps_of_epoch, steps=600) == epochs


@pytest.fixture(scope="module")
def data() -> Data:
    return data_of(config_of("dataset=digits"))


def auto(data: Data, *overrides: str, size: int = 1295) -> tuple[object, object]:
    """Batch size and epochs that a training on `size` digits gets."""
    few = replace(data, train=data.train.subset(np.arange(size)))
    found = run_length.resolved(config_of("dataset=digits", *overrides), data=few)
    return found.batch_size, found.trainer["max_epochs"]


def test_both_follow_from_the_number_of_training_examples(data: Data) -> None:
    assert auto(data) == (64, 29)  # 21 steps of an epoch: 600 / 21
    assert auto(data, size=54) == (4, 43)  # 14 steps
    assert auto(data, size=200) == (16, 47)  # 13 steps


def test_a_number_that_is_given_stays_and_the_other_goes_by_it(data: Data) -> None:
    assert auto(data, "batch_size=18", size=54) == (18, 100)  # 3 steps of an epoch
    assert auto(data, "trainer.max_epochs=7", size=54) == (4, 7)
    assert auto(data, "trainer.max_epochs=-1", size=54) == (4, -1)


def test_steps_that_are_asked_for_are_taken(data: Data) -> None:
    """trainer.max_steps decides alone: neither ten epochs at least nor a hundred at most."""
    assert auto(data, "trainer.max_steps=30", size=54) == (4, 3)
    assert auto(data, "trainer.max_steps=14000", size=54) == (4, 1000)


def test_what_makes_epochs_shorter_makes_more_of_them(data: Data) -> None:
    assert auto(data, "trainer.limit_train_batches=7") == (64, 86)
    assert auto(data, "trainer.limit_train_batches=0.5") == (64, 60)  # 10 of 21 batches
    assert auto(data, "trainer.accumulate_grad_batches=3") == (64, 86)
    assert auto(data, "epoch_batches=30") == (64, 20)
    assert auto(data, "+trainer.overfit_batches=6") == (64, 100)


def test_the_batch_is_shared_among_processes(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_length.distributed, "world_size", lambda: 2)
    assert auto(data) == (32, 29)
    assert auto(data, size=54) == (2, 43)


def test_stretches_are_the_examples_of_running_text() -> None:
    config = config_of("dataset=python_source", "dataset.max_bytes=60000", "dataset.tokenizer=char")
    data = data_of(config)
    assert run_length.examples_in(data) == -(-(len(data.train.tokens) - 1) // config.dataset["context"])


def test_the_numbers_are_in_the_run_folder_and_a_resume_takes_them(tmp_path: Path) -> None:
    settings = [item for item in TINY if not item.startswith(("batch_size", "trainer.max_epochs"))]
    run = trained(tmp_path, *settings, "trainer.max_steps=12")
    kept = run.read_config()
    assert (kept["batch_size"], kept["trainer"]["max_epochs"]) == (64, 2)  # 6 steps an epoch
