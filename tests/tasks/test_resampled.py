"""Metrics of resampled examples equal those of an evaluation of these examples alone, for every task."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sensorium.errors import RequestError
from sensorium.metrics.detection import DetectedBoxes, GroundTruth
from sensorium.metrics.uncertainty import metric_intervals, paired_bootstrap
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation
from sensorium.tasks.classification.evaluate import ClassificationEvaluation
from sensorium.tasks.image_tagging.evaluate import TaggingEvaluation
from sensorium.tasks.language_modeling.evaluate import LanguageEvaluation
from sensorium.tasks.object_detection.evaluate import DetectionEvaluation
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.semantic_segmentation.evaluate import SegmentationEvaluation
from sensorium.tasks.speech_recognition.evaluate import RecognitionEvaluation
from sensorium.tasks.translation.evaluate import TranslationEvaluation

N = 12
Of = Callable[[np.ndarray], Evaluation]
WORDS = ("the", "cat", "sat", "on", "a", "mat", "while", "dogs", "ran", "past", "old", "green", "doors")


def classification(random: np.random.Generator) -> Of:
    p = torch.from_numpy(random.dirichlet(np.ones(7), N)).float()
    labels, spikes = p.argmax(1), torch.from_numpy(random.random(N))
    labels[::3] = 0
    return lambda rows: ClassificationEvaluation(p[rows], labels[rows], 1.0, {"spikes": spikes[rows]})


def tagging(random: np.random.Generator) -> Of:
    p, targets, losses = random.random((N, 3)), random.integers(0, 2, (N, 3)).astype(np.uint8), random.random(N)
    return lambda rows: TaggingEvaluation(p[rows], targets[rows], losses[rows], 1.0)


def regression(random: np.random.Generator) -> Of:
    found, targets = random.normal(size=(N, 2)), random.normal(size=(N, 2))
    return lambda rows: RegressionEvaluation(found[rows], targets[rows], np.array([1.0, 2.0]), 1.0)


def segmentation(random: np.random.Generator) -> Of:
    matrices, nats = random.integers(0, 9, (N, 3, 3)), random.random(N)
    areas = np.stack([np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(2), matrices.sum(1)], axis=1)
    return lambda rows: SegmentationEvaluation(
        matrices[rows].sum(0), np.ones(len(rows)), np.ones(len(rows)), nats[rows], areas[rows], (), 1.0
    )


def detection(random: np.random.Generator) -> Of:
    boxes = [np.array([[0, 0, 20, 20], [30, 30, 70, 80]], np.float32) + random.uniform(0, 60) for _ in range(N)]
    truths = [GroundTruth(of, random.integers(0, 2, 2), np.zeros(2, dtype=bool)) for of in boxes]
    found = [
        DetectedBoxes((of + random.normal(0, 2, (2, 4))).astype(np.float32), random.integers(0, 2, 2), random.random(2))
        for of in boxes
    ]
    return lambda rows: DetectionEvaluation(
        found=[found[row] for row in rows], truths=[truths[row] for row in rows], num_classes=2, seconds=1.0
    )


def sentences(random: np.random.Generator) -> tuple[list[str], list[str]]:
    references = [" ".join(random.choice(WORDS, int(random.integers(3, 9)))) for _ in range(N)]
    changed = [
        [word if random.random() < 0.7 else str(random.choice(WORDS)) for word in text.split()] for text in references
    ]
    return [" ".join(words) for words in changed], references


def translation(random: np.random.Generator) -> Of:
    pytest.importorskip("sacrebleu")
    (found, references), nats, tokens = sentences(random), random.random(N) * 9, random.integers(1, 9, N)

    def of(rows: np.ndarray) -> Evaluation:
        texts, truths = [found[row] for row in rows], [references[row] for row in rows]
        return TranslationEvaluation(truths, texts, truths, nats[rows], tokens[rows], 1.0)

    return of


def recognition(random: np.random.Generator) -> Of:
    pytest.importorskip("jiwer")
    (found, references), nats, tokens = sentences(random), random.random(N) * 9, random.integers(1, 9, N)

    def of(rows: np.ndarray) -> Evaluation:
        texts, truths = [found[row] for row in rows], [references[row] for row in rows]
        return RecognitionEvaluation(texts, truths, [""] * len(rows), nats[rows], tokens[rows], 1.0, 1.0)

    return of


def language(random: np.random.Generator) -> Of:
    stretches = np.stack([random.random(N) * 30, np.full(N, 10.0)], axis=1)  # alike, so that characters scale exactly
    return lambda rows: LanguageEvaluation(
        float(stretches[rows, 0].sum()), 10 * len(rows), 40 * len(rows), 50 * len(rows), 1.0, stretches[rows]
    )


TASKS = (classification, tagging, regression, segmentation, detection, translation, recognition, language)
NOT_OF_EXAMPLES = {"real_time_factor", "substitutions", "insertions", "deletions"}


@pytest.mark.parametrize("make", TASKS)
def test_metrics_of_resamples_are_those_of_the_examples_alone(make: Callable[[np.random.Generator], Of]) -> None:
    random = np.random.default_rng(3)
    of = make(random)
    whole = of(np.arange(N))
    assert whole.size == N
    measure = whole.measure()
    for rows in (np.arange(N), *(random.integers(0, N, size) for size in (N, N, 5))):
        alone = {name: value for name, value in of(rows).metrics.items() if name not in NOT_OF_EXAMPLES}
        assert dict(measure(rows)) == pytest.approx(alone)


@pytest.mark.parametrize("make", TASKS)
def test_intervals_hold_the_metric_and_no_model_differs_from_itself(make: Callable[[np.random.Generator], Of]) -> None:
    whole = make(np.random.default_rng(1))(np.arange(N))
    headline = whole.compared_by[0]
    intervals = whole.intervals(100)
    low, high = intervals[headline]
    assert low <= whole.metrics[headline] <= high
    assert low < high
    assert set(intervals) <= set(whole.metrics)
    same = whole.compared(whole, 50)
    assert (same["difference"], same["p_value"]) == (0, 1)
    assert same[f"{headline}_a"] == same[f"{headline}_b"] == pytest.approx(whole.metrics[headline])


def test_the_first_metric_of_a_comparison_is_the_one_that_the_task_monitors() -> None:
    kinds = {
        "image_classification": ClassificationEvaluation,
        "image_tagging": TaggingEvaluation,
        "regression/text": RegressionEvaluation,
        "semantic_segmentation": SegmentationEvaluation,
        "object_detection": DetectionEvaluation,
        "translation": TranslationEvaluation,
        "speech_recognition": RecognitionEvaluation,
        "language_modeling": LanguageEvaluation,
    }
    for name, kind in kinds.items():
        assert registry.get(name).headline.name == kind.compared_by[0], name


def test_a_paired_comparison_by_hand() -> None:
    """Errors of a are 1 and 3, of b 2 and 2 on each pair: differences of -1 and +1, as a coin falls."""
    a, b = np.array([1.0, 3.0]), np.array([2.0, 2.0])
    found = paired_bootstrap(
        lambda rows: {"mae": a[rows].mean()}, lambda rows: {"mae": b[rows].mean()}, 2, names=("mae",), resamples=2000
    )
    assert (found["mae_a"], found["mae_b"], found["difference"]) == (2, 2, 0)
    assert (found["low"], found["high"], found["p_value"]) == (-1, 1, 1)


def test_what_pairs_differ_by_is_seen_where_examples_differ_more() -> None:
    """b is wrong by 0.1 more at each example, whose errors lie between 0 and 10: certain, as pairs show."""
    random = np.random.default_rng(0)
    errors = random.uniform(0, 10, 40)
    found = paired_bootstrap(
        lambda rows: {"mae": errors[rows].mean(), "only_a": 1.0},
        lambda rows: {"mae": (errors + 0.1)[rows].mean()},
        40,
        names=("mae", "only_a"),
        resamples=200,
    )
    assert found["difference"] == pytest.approx(-0.1)
    assert (found["low"], found["high"]) == (pytest.approx(-0.1), pytest.approx(-0.1))
    assert found["p_value"] == pytest.approx(1 / 201)
    assert "only_a_a" not in found
    low, high = metric_intervals(lambda rows: {"mae": errors[rows].mean()}, 40, resamples=500)["mae"]
    assert high - low == pytest.approx(2 * 1.96 * errors.std() / math.sqrt(40), rel=0.15)


def test_texts_read_in_other_segments_are_not_paired() -> None:
    one = LanguageEvaluation(3.0, 3, 3, 3, 1.0, np.array([[1.0, 1.0], [2.0, 2.0]]))
    other = LanguageEvaluation(3.0, 3, 3, 3, 1.0, np.array([[3.0, 3.0]]))
    with pytest.raises(RequestError, match="different segments"):
        one.compared(other)


def test_undefined_values_of_a_resample_are_left_out() -> None:
    """One positive tag in three images: a resample without it has no mAP."""
    targets = np.array([[1], [0], [0]], dtype=np.uint8)
    found: Any = TaggingEvaluation(np.array([[0.9], [0.1], [0.2]]), targets, np.zeros(3), 1.0)
    assert "map" not in found.measure()(np.array([1, 2, 2]))
    assert "map" not in found.intervals(50)  # 1 of every resample that has it
