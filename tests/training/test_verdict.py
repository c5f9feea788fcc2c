"""The line that ends a training: the metric, how sure it is, and what a constant answer would get."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium import verdict
from sensorium.data.base import Data
from sensorium.runs import Summary
from sensorium.tasks.classification.evaluate import ClassificationEvaluation
from trainings import TINY, config_of, data_of, trained

SUMMARY = Summary(
    monitor="val/accuracy",
    mode="max",
    best=0.75,
    best_epoch=1,
    epochs=25,
    headline="test/accuracy",
    parameters=1,
    seconds=1,
)


@pytest.fixture(scope="module")
def data() -> Data:
    """Ten zeros and thirty ones to learn from, five zeros and fifteen ones in the test."""
    digits = data_of(config_of("dataset=digits"))
    zeros, ones = (np.flatnonzero(digits.train.labels == label) for label in (0, 1))
    train = digits.train.subset(np.concatenate([zeros[:10], ones[:30]]))
    test = digits.train.subset(np.concatenate([zeros[10:15], ones[30:45]]))
    return replace(digits, train=train, test=test)


def evaluation_of(data: Data, right: int) -> ClassificationEvaluation:
    """A model that is right about the first so many test examples, and takes the others for a nine."""
    labels = torch.from_numpy(data.test.labels)
    predicted = torch.where(torch.arange(len(labels)) < right, labels, 9)
    return ClassificationEvaluation(torch.nn.functional.one_hot(predicted, 10).float(), labels, 1.0)


def test_the_line_names_metric_interval_size_and_constant_answer(data: Data) -> None:
    """Wilson's interval for 19 of 20: center (0.95 + 0.096) / 1.192, half width 0.1136."""
    found = verdict.verdict(evaluation_of(data, 19), data)
    assert found.line == (
        'test accuracy: 0.95 (95% interval 0.7639 to 0.9911, 20 examples); always "1" would score 0.75'
    )
    assert found.beaten  # 0.7639 is more than 0.75


def test_a_result_that_luck_can_explain_does_not_beat_the_constant(data: Data) -> None:
    assert not verdict.verdict(evaluation_of(data, 18), data).beaten  # 0.9, and 0.699 is possible
    assert not verdict.verdict(evaluation_of(data, 18), data).behind
    worse = verdict.verdict(evaluation_of(data, 5), data)  # 0.25, at most 0.469
    assert (worse.beaten, worse.behind) == (False, True)


def test_without_a_test_the_line_says_so(data: Data) -> None:
    assert verdict.untested(SUMMARY, data) == (
        "val/accuracy: 0.75 (143 examples, by which the checkpoint was chosen); test=false"
    )
    assert "this model has no evaluation" in verdict.untested(replace(SUMMARY, best=None, best_epoch=None), data)


def test_the_epoch_of_the_best_checkpoint_is_told() -> None:
    line = "best.ckpt is from epoch 1 of 25, by val/accuracy 0.7500; test metrics are those of best.ckpt"
    assert verdict.chosen(SUMMARY) == line
    rows = [{"epoch": epoch, "val/accuracy": value, "val/loss": 0.5} for epoch, value in enumerate((0.75, 0.5, 0.75))]
    assert "0.7500 (2 epochs are equal; the lowest val/loss decides); test" in verdict.chosen(SUMMARY, rows)
    assert verdict.chosen(SUMMARY, rows[:2]) == line
    assert "(2 epochs are equal; the last decides)" in verdict.chosen(
        SUMMARY, [{"val/accuracy": 0.75}, {"val/accuracy": 0.75}]
    )
    assert verdict.chosen(replace(SUMMARY, best=None, best_epoch=None)).endswith("nothing was validated")
    assert "by the validation loss (val/accuracy was undefined)" in verdict.chosen(replace(SUMMARY, best=None))


def test_a_training_begins_with_its_data_and_ends_with_its_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path, *TINY, "test=true", "trainer.max_epochs=1", "dataset.val_fraction=0.01")
    out = capsys.readouterr().out
    table, result = out.index("examples  "), out.index("\ntest accuracy: ")
    warning = out.index("WARNING: validation has")
    assert table < warning < result < out.index("1 warning about the data: see above")
    assert "examples); always " in out[result:]
    assert run.log.read_text().count("WARNING: validation has") == 1
