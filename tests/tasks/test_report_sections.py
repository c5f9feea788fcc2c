"""What each task adds to a report, from results small enough to count by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sensorium.report_sections import Gallery, Matrix, Table
from sensorium.tasks import registry
from sensorium.tasks.classification.evaluate import ClassificationEvaluation
from sensorium.tasks.classification.sections import classification_sections
from sensorium.tasks.image_tagging.evaluate import TaggingEvaluation
from sensorium.tasks.image_tagging.sections import tagging_sections
from sensorium.tasks.language_modeling.evaluate import LanguageEvaluation
from sensorium.tasks.language_modeling.sections import language_sections
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.regression.sections import regression_sections
from sensorium.tasks.semantic_segmentation.evaluate import ImageResult, SegmentationEvaluation
from sensorium.tasks.semantic_segmentation.sections import segmentation_sections
from sensorium.tasks.speech_recognition.evaluate import RecognitionEvaluation
from sensorium.tasks.speech_recognition.sections import recognition_sections
from sensorium.tasks.translation.evaluate import TranslationEvaluation
from sensorium.tasks.translation.sections import translation_sections


def plain(rows: np.ndarray) -> list[dict]:
    return [{} for _ in rows]


def of_title(sections, title):
    (found,) = [section for section in sections if section.title == title]
    return found


def test_classification():
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.05, 0.95]])
    found = ClassificationEvaluation(probabilities, torch.tensor([0, 1, 1, 0]), 1.0)
    sections = classification_sections(found, class_names=("a", "b"), names="wxyz", looks=plain)
    matrix, per_class, chart, worst, examples = sections
    assert isinstance(matrix, Matrix)
    assert matrix.counts == [[1, 1], [1, 1]]
    assert [row[:4] for row in per_class.rows] == [["a", 0.5, 0.5, 0.5], ["b", 0.5, 0.5, 0.5]]
    assert [one.name for one in worst.examples] == ["z", "y"]  # the surest error first
    assert (worst.examples[0].target, worst.examples[0].predicted, worst.examples[0].score) == ("a", "b", 0.95)
    assert [one.name for one in examples.examples] == ["z", "y", "w", "x"]
    assert sorted(y for _, y in chart.series[0].points) == [0, 0, 1, 1]


def test_tagging():
    found = TaggingEvaluation(
        probabilities=np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.99]]),
        targets=np.array([[1, 0], [1, 1], [0, 0]], dtype=np.uint8),
        losses=np.zeros(3),
        seconds=1.0,
    )
    sections = tagging_sections(found, class_names=("red", "blue"), names="xyz", looks=plain)
    worst = of_title(sections, "Worst errors").examples
    assert [(one.name, one.target, one.predicted) for one in worst] == [
        ("z", "no tag", "blue"),
        ("y", "red, blue", "blue"),
    ]
    assert of_title(sections, "Predictions").examples[-1].correct
    assert [row[1] for row in of_title(sections, "Tags").rows] == [1.0, 0.5]


def test_regression():
    found = RegressionEvaluation(np.array([[1.0], [2.0], [9.0]]), np.array([[1.0], [3.0], [3.0]]), np.ones(1), 1.0)
    sections = regression_sections(found, target_names=("size",), names="xyz", looks=plain)
    assert [(one.name, one.target, one.predicted) for one in of_title(sections, "Largest errors").examples] == [
        ("z", "3", "9"),
        ("y", "3", "2"),
        ("x", "1", "1"),
    ]
    table = of_title(sections, "Targets")
    assert table.rows[0][table.columns.index("MAE")] == pytest.approx(7 / 3)
    assert of_title(sections, "Predicted against true").series[1].points == [[1, 1], [3, 2], [3, 9]]


def test_segmentation():
    mask = np.zeros((4, 4), dtype=np.uint8)
    found = SegmentationEvaluation(
        confusion=np.array([[12, 4], [0, 16]]),
        iou=np.array([0.5, 1.0]),
        pixel_accuracy=np.array([0.75, 1.0]),
        nats=1.0,
        areas=np.zeros((2, 3, 2), dtype=np.int64),
        worst=(ImageResult(1, 0.5, mask),),
        seconds=1.0,
    )
    sections = segmentation_sections(
        found,
        class_names=("ground", "sky"),
        palette=(0, 0, 0, 255, 0, 0),
        names="xy",
        read=lambda rows: (np.zeros((len(rows), 1, 4, 4), np.uint8), np.ones((len(rows), 4, 4), np.uint8)),
    )
    assert [row[1] for row in of_title(sections, "Classes").rows] == [12 / 16, 16 / 20]
    (example,) = of_title(sections, "Worst errors").examples
    assert (example.name, example.predicted) == ("y", "mean IoU 0.500")
    assert example.image.startswith("data:image/jpeg")
    assert sum(count for _, count in of_title(sections, "Images by mean IoU").series[0].points) == 2


def test_translation_and_speech():
    sources, references, hypotheses = ["one", "two"], ["ein Haus", "zwei"], ["ein Hund", "zwei"]
    sections = translation_sections(
        TranslationEvaluation(sources, hypotheses, references, 1.0, 4, 1.0), names=("first", "second")
    )
    (worst,) = of_title(sections, "Worst errors").examples
    assert (worst.name, worst.score, worst.correct) == ("first", 0.5, False)
    assert worst.passages[2].pieces == [("ein", ""), ("Hund", "wrong")]
    spoken = RecognitionEvaluation(hypotheses, references, ["ann", "bob"], 1.0, 4, 1.0, 1.0)
    sections = recognition_sections(spoken, names=("first", "second"), looks=plain)
    assert of_title(sections, "Word errors").rows == [["all utterances", 1 / 3, 1, 0, 0, 3]]
    assert [row[:2] for row in of_title(sections, "Speakers").rows] == [["ann", 0.5], ["bob", 0.0]]
    assert of_title(sections, "Worst errors").examples[0].predicted == "1 of 2 words wrong"
    assert of_title(sections, "Transcripts").grouped == "speaker"


def test_language_modeling():
    stretches = np.array([[2.0, 2.0], [0.0, 2.0]])
    along, spread = language_sections(LanguageEvaluation(2.0, 4, 9, 9, 1.0, stretches))
    assert along.series[0].points == [[1.0, pytest.approx(math.e)], [3.0, 1.0]]
    assert sum(count for _, count in spread.series[0].points) == 2


def test_an_empty_result_of_errors_is_shown_as_none():
    found = ClassificationEvaluation(torch.tensor([[0.9, 0.1]]), torch.tensor([0]), 1.0)
    sections = classification_sections(found, class_names=("a", "b"), names="x", looks=plain)
    worst = of_title(sections, "Worst errors")
    assert isinstance(worst, Gallery)
    assert (worst.examples, worst.total) == ([], 0)
    assert isinstance(of_title(sections, "Classes"), Table)


@pytest.mark.parametrize("name", sorted(registry.TASKS))
def test_every_task_has_sections_and_scores_of_its_own(name):
    task = registry.get(name)
    for hook in ("report_sections", "seen_examples", "example_scores"):
        assert getattr(type(task), hook).__qualname__.partition(".")[0] != "Reported", hook


def test_a_task_without_anything_to_say_says_nothing():
    plain_task = SimpleNamespace()
    reported = registry.get("translation").__class__.__mro__[-4:]
    (base,) = [one for one in reported if one.__name__ == "Reported"]
    assert base.report_sections(plain_task, None, split=None, spec=None) == []
    assert base.example_scores(plain_task, None, None) is None
    assert base.looks(plain_task, None, np.arange(2), None) == [{}, {}]
