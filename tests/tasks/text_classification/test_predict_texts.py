"""Texts are read as they are classified, so that memory stays flat on a stream of any length."""

from itertools import islice

import torch

from sensorium.models.text.bag_of_embeddings import BagOfEmbeddings
from sensorium.specs import TextClassificationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.text_classification.predict import TextPredictor
from sensorium.tasks.text_inputs import UnreadableText
from sensorium.text.build_tokenizer import train_tokenizer
from text_streams import BATCH, Stream, check_lazy

TOKENIZER = train_tokenizer("char", ["abc "], vocab_size=20, min_count=1, lowercase=False)


def predictor() -> TextPredictor:
    spec = TextClassificationSpec(
        class_names=("x", "y"), tokenizer=TOKENIZER.to_dict(), vocab_size=TOKENIZER.vocab_size, pad_id=0, max_length=9
    )
    bag = BagOfEmbeddings(**spec.offers).eval()
    model = LoadedModel(spec, bag, torch.device("cpu"), "32-true", "contiguous", {})
    return TextPredictor(model, PredictOptions(batch_size=BATCH))


def test_a_classifier_reads_no_further_than_it_predicts() -> None:
    found, stream = predictor(), Stream()
    check_lazy(stream, found.predict(stream))
    order = [prediction.input for prediction in islice(found.predict(Stream()), 90)]
    assert order == [stream.text(number) for number in range(1, 91)]


def test_what_is_not_a_number_is_an_error_that_names_the_text() -> None:
    found = predictor()
    with torch.no_grad():
        for weight in found.classifier.model.parameters():
            weight.fill_(torch.nan)
    (one,) = found.predict(["abc"])
    assert one.to_dict() == {
        "input": "abc",
        "classes": [],
        "error": "abc: the model's output is not a number (NaN or infinite); its weights are damaged, or this input is",
    }


def test_an_unreadable_text_says_where_and_why() -> None:
    first, second = predictor().predict([UnreadableText("a.csv:3", "2 cells where the first line has 3"), "a"])
    assert (first.input, first.error) == ("a.csv:3", "a.csv:3: 2 cells where the first line has 3")
    assert (first.classes, len(second.classes), second.error) == ((), 2, None)


def test_truncated_texts_are_counted() -> None:
    found = predictor()
    assert found.notes() == []
    assert len(list(found.predict(["abcabcabc", "abcabcabca", "a", "abcabcabcabc"]))) == 4  # 9, 10, 1, 12 characters
    assert found.notes() == ["truncated to 9 tokens (dataset.max_length): 2 texts"]


def test_tokens_that_are_mostly_unknown_are_noted() -> None:
    found = predictor()
    list(found.predict(["abc", "xyz"]))  # three of six: no majority
    assert found.notes() == []
    list(found.predict(["x"]))
    assert found.notes() == ["unknown to the model: 4 of 7 tokens; predictions are unreliable"]
