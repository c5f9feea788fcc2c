"""Warnings with what to try: each where it belongs, and not where it does not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sensorium.data.base import Data
from sensorium.tasks.base import ConstantAnswer, SplitFacts
from sensorium.training import advice, overview
from sensorium.training.overview import SPLITS
from sensorium.verdict import Verdict
from trainings import bare_config, config_of, data_of


@pytest.fixture(scope="module")
def digits() -> Data:
    return data_of(config_of("dataset=digits"))


def warned(data: Data, dataset: dict[str, Any] | None = None, **facts: SplitFacts) -> list[str]:
    """What is warned of, where every split but those in `facts` has nothing special about it."""
    known = {name: facts.get(name, SplitFacts()) for name in SPLITS}
    config = bare_config() if dataset is None else replace(bare_config(), dataset=dataset)
    return [" ".join(found) for found in advice.about_data(config, data, known)]


def test_nothing_is_warned_of_where_all_is_well(digits: Data) -> None:
    assert advice.about_data(config_of("dataset=digits"), digits, overview.facts_of(digits)) == []


def test_a_validation_of_fewer_than_thirty(digits: Data) -> None:
    few = replace(digits, val=digits.val.subset(np.arange(29)))
    (line,) = warned(few, {"val_fraction": 0.1})
    assert line == (
        "validation has only 29 examples, each 3.4% of it: the choice of the best checkpoint is uncertain."
        " Try dataset.val_fraction=0.3, or more data."
    )
    assert warned(few) == [line.replace("dataset.val_fraction=0.3, or ", "")]
    assert warned(replace(digits, val=digits.val.subset(np.arange(30)))) == []


def test_a_split_that_lacks_a_class(digits: Data) -> None:
    (line,) = warned(digits, val=SplitFacts(classes={"cat": 3, "dog": 0}))
    assert line.startswith("val has no examples of class dog: it has no say in the choice of the best checkpoint.")
    (line,) = warned(digits, train=SplitFacts(classes={"cat": 0, "dog": 1}, counted="boxes"))
    assert "train has no boxes of class cat: it cannot be learned." in line
    assert warned(digits, val=SplitFacts(classes={"cat": 3, "dog": 0}, sampled=True)) == []


def test_labels_that_are_mostly_one_class(digits: Data) -> None:
    (line,) = warned(digits, train=SplitFacts(classes={"cat": 75, "dog": 25}))
    assert line.startswith('75% of the training labels are "cat"')
    assert "class_weights=balanced" in line
    assert warned(digits, train=SplitFacts(classes={"cat": 74, "dog": 26})) == []
    assert warned(digits, train=SplitFacts(classes={"sky": 99, "road": 1}, counted="pixels")) == []


def test_tokens_that_are_mostly_unknown(digits: Data) -> None:
    (line,) = warned(digits, {"min_count": 2, "tokenizer": "word"}, test=SplitFacts(unknown=0.6))
    assert line == (
        "60% of the tokens of test are unknown: the model does not see them. "
        "Try dataset.tokenizer=bpe or dataset.min_count=1 or more data."
    )
    assert warned(digits, test=SplitFacts(unknown=0.5)) == []


def row(epoch: int, train: float, val: float) -> dict[str, float | int | str]:
    return {"epoch": epoch, "train/loss": train, "val/loss": val}


def test_train_and_validation_that_diverge() -> None:
    rows = [row(0, 0.7, 0.6), row(1, 0.4, 0.4), row(2, 0.1, 0.61)]
    (found,) = advice.about_result(rows, None)
    assert found.what == (
        "train and validation diverge: val/loss rose from 0.4 at epoch 2 to 0.61, while train/loss fell to 0.1."
    )
    assert advice.about_result([*rows[:2], row(2, 0.1, 0.59)], None) == []
    assert advice.about_result([*rows[:2], row(2, 0.5, 0.9)], None) == []  # both are worse: another fault
    assert advice.about_result([{"epoch": 0, "train/loss": 0.7}], None) == []


def test_a_result_that_is_no_better_than_a_constant_answer() -> None:
    constant = ConstantAnswer(0.5, 'always "cat"')
    (found,) = advice.about_result([], Verdict("", constant, beaten=False))
    assert found.what.startswith('the result is not significantly better than always "cat"')
    assert advice.about_result([], Verdict("", constant, beaten=True)) == []
    (found,) = advice.about_result([], Verdict("", constant, beaten=False, behind=True))
    assert found.what == 'the result is significantly worse than always "cat".'


def test_a_warning_is_in_bold_and_in_two_lines() -> None:
    said: list[tuple[str, str]] = []
    advice.show([advice.Advice("few.", "Try more.")], lambda line, style: said.append((line, style)))
    assert said == [("WARNING: few.\n         Try more.", "bold yellow")]


def test_the_table_has_examples_classes_and_lengths(digits: Data) -> None:
    many = {f"class {number}": 10 - number for number in range(10)}
    facts = SplitFacts(classes=many, lengths=np.array([1, 2, 9]), unit="tokens")
    table = overview.table(digits, dict.fromkeys(SPLITS, facts))
    names, train = (list(table.columns[place].cells) for place in (0, 1))
    assert names == ["examples", "class 0", "class 1", "class 2", "class 8", "class 9", "and 5 other classes",
                     "tokens, median (most)"]  # fmt: skip
    assert train == ["1,295", "10", "9", "8", "2", "1", "", "2 (9)"]
