"""What every task says about a split before training, and what its constant answer would get: by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sensorium.data.base import Data
from sensorium.tasks import registry
from sensorium.tasks.classification.evaluate import ClassificationEvaluation
from sensorium.tasks.image_tagging.evaluate import TaggingEvaluation
from sensorium.tasks.language_modeling.evaluate import LanguageEvaluation
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.semantic_segmentation.evaluate import SegmentationEvaluation
from sensorium.tasks.speech_recognition.evaluate import RecognitionEvaluation
from sensorium.tasks.translation.evaluate import TranslationEvaluation
from trainings import config_of, data_of

TEXTS = ("dataset.train=200", "dataset.val=40", "dataset.test=40")
SCENES = ("dataset.num_train=60", "dataset.num_val=20", "dataset.num_test=20")


def stub(train: Any = None, test: Any = None, **spec: Any) -> Any:
    """Data of which a constant answer needs no more than this."""
    return Data(SimpleNamespace(to_dict=lambda: spec), train, None, test)  # type: ignore[arg-type]


def task(name: str) -> Any:
    return registry.get(name)


def test_tagging_gets_the_mean_share_of_the_tags() -> None:
    targets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=np.uint8)
    found = TaggingEvaluation(np.full((4, 3), 0.5, np.float32), targets, np.zeros(4), 1.0)
    assert task("image_tagging").constant_answer(stub(), found).value == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert found.metrics["map"] == pytest.approx((3 / 4 + 1 / 4) / 2)  # what one score for all images does get
    low, high = found.headline_interval()  # type: ignore[misc]
    assert 0.25 <= low < 0.5 < high <= 1


def test_regression_gets_the_r2_of_the_training_mean() -> None:
    targets = np.array([[1.0], [5.0]])
    found = RegressionEvaluation(targets.copy(), targets, np.ones(1), 1.0)
    data = stub(train=SimpleNamespace(targets=np.array([[0.0], [2.0], [4.0]])))
    constant = task("regression/image").constant_answer(data, found)
    assert constant.value == pytest.approx(1 - (1 + 9) / (4 + 4))
    assert found.headline_interval() is None  # all resamples are alike
    wrong = RegressionEvaluation(targets + np.array([[1.0], [2.0]]), targets, np.ones(1), 1.0)
    assert wrong.headline_interval() is None  # 0.375 of both; of one of the two alone it is undefined


def test_language_gets_the_perplexity_of_frequencies() -> None:
    """Counts 4 and 2 of the training text, one added to each: 5/8 and 3/8."""
    train, test = SimpleNamespace(tokens=np.array([0, 0, 1, 0, 1, 0])), SimpleNamespace(tokens=np.array([1, 0, 0, 1]))
    found = LanguageEvaluation(3.0, 3, 3, 3, 1.0, np.array([[1.0, 1.0], [2.0, 2.0]]))
    constant = task("language_modeling").constant_answer(stub(train, test, vocab_size=2), found)
    assert constant.value == pytest.approx(math.exp(-(2 * math.log(5 / 8) + math.log(3 / 8)) / 3))
    assert found.headline_interval() is None  # one nat a token, in both stretches


def test_translation_gets_the_bleu_of_the_most_frequent_sentence() -> None:
    pytest.importorskip("sacrebleu")
    train = SimpleNamespace(references=["a cat sat on a mat", "who goes there now", "a cat sat on a mat"])
    references = ["a cat sat on a mat", "it rains all day long"]
    found = TranslationEvaluation(["", ""], references, references, np.ones(2), np.ones(2, int), 1.0)
    constant = task("translation").constant_answer(stub(train), found)
    assert 0 < constant.value < 100  # right about one of two
    assert found.headline_interval() is None


def test_a_translation_of_short_sentences_is_not_compared_by_bleu() -> None:
    pytest.importorskip("sacrebleu")
    references = ["le chat dort", "oui ."]
    short = TranslationEvaluation(["", ""], references, references, np.ones(2), np.ones(2, int), 1.0)
    assert short.metrics["bleu"] == 0  # although all is right
    assert short.headline_caveat() == "no reference has the four tokens that BLEU needs; chrF is 100"
    references = ["le chat dort.", "oui ."]  # the full stop is a token
    long = TranslationEvaluation(["", ""], references, references, np.ones(2), np.ones(2, int), 1.0)
    assert long.metrics["bleu"] > 0
    assert long.headline_caveat() is None


def test_recognition_gets_one_for_an_empty_transcript() -> None:
    pytest.importorskip("jiwer")
    found = RecognitionEvaluation(["", ""], ["yes no", "yes"], ["", ""], np.ones(2), np.ones(2, int), 1.0, 1.0)
    assert task("speech_recognition").constant_answer(stub(), found).value == found.metrics["wer"] == 1
    assert found.headline_interval() is None  # all resamples are alike
    half = RecognitionEvaluation(["yes no", ""], ["yes no", "yes no"], ["", ""], np.ones(2), np.ones(2, int), 1.0, 1.0)
    assert half.headline_interval() == (0.0, 1.0)


def test_segmentation_gets_the_share_of_the_largest_class_over_the_classes() -> None:
    """Six pixels of sky and two of road: IoU 6/8 of the one, 0 of the other; the third class does not occur."""
    confusion = np.diag([6, 2, 0])
    areas = np.array([[[3, 1, 0]] * 3, [[3, 1, 0]] * 3])
    found = SegmentationEvaluation(confusion, np.ones(2), np.ones(2), np.zeros(2), areas, (), 1.0)
    constant = task("semantic_segmentation").constant_answer(stub(class_names=["sky", "road", "tree"]), found)
    assert constant.value == pytest.approx(6 / 8 / 2)
    assert constant.what == '"sky" everywhere'
    assert found.headline_interval() is None  # all resamples are alike


def test_detection_gets_nothing_for_no_box() -> None:
    assert task("object_detection").constant_answer(stub(), None).value == 0


def test_accuracy_has_wilsons_interval() -> None:
    labels = torch.zeros(10, dtype=torch.long)
    probabilities = torch.tensor([[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5)
    found = ClassificationEvaluation(probabilities, labels, 1.0)
    assert found.headline_interval() == pytest.approx((0.23659, 0.76341), abs=1e-5)


@pytest.mark.parametrize(
    ("overrides", "counted", "unit"),
    [
        (("dataset=digits",), "examples", ""),
        (("dataset=contrast_reviews", *TEXTS), "examples", "tokens"),
        (("dataset=number_words", *TEXTS), "", "tokens"),
        (("dataset=price_texts", *TEXTS), "", "tokens"),
        (("dataset=digit_tags", *SCENES), "tags", ""),
        (("dataset=digit_scenes", *SCENES), "boxes", "boxes of an image"),
        (("dataset=digit_scenes_masks", *SCENES), "pixels", ""),
    ],
)
def test_facts_of_a_split(overrides: tuple[str, ...], counted: str, unit: str) -> None:
    data = data_of(config_of(*overrides))
    facts = registry.of(data.spec).facts(data.train, data.spec)
    assert bool(facts.classes) == bool(counted)
    assert facts.unit == unit
    if counted:
        assert facts.counted == counted
        assert list(facts.classes) == list(data.spec.to_dict()["class_names"])
    if counted == "examples":
        assert sum(facts.classes.values()) == len(data.train)
    if unit:
        assert np.shape(facts.lengths) == (len(data.train),)
    if counted == "boxes":
        assert np.sum(facts.lengths) == sum(facts.classes.values())
