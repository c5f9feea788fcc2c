"""Texts are read as they are answered, so that memory stays flat on a stream of any length."""

from collections.abc import Iterator
from itertools import islice

import torch
from sensorium.tasks.loaded import LoadedModel
from torch import nn

from sensorium.models.text.bag_of_embeddings import BagOfEmbeddings
from sensorium.models.text.rnn_seq2seq import RNNSeq2Seq
from sensorium.specs import Spec, TextSpec, TranslationSpec
from sensorium.tasks.decoding_settings import BeamSettings
from sensorium.tasks.text_classification.predict import TextPredictor, TranslationPredictor
from sensorium.text.build_tokenizer import train_tokenizer

TOKENIZER = train_tokenizer("char", ["abc "], vocab_size=20, min_count=1, lowercase=False)
BATCH, AHEAD = 2, 40  # texts at a step; texts that are sorted by length together


class Stream:
    """1,000 texts of 1 to 5 characters; counts how many were taken."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        while self.read < 1000:
            self.read += 1
            yield self.text(self.read)

    def text(self, number: int) -> str:
        return "abcab"[: 1 + number % 5]


def opened(spec: Spec, model: nn.Module) -> LoadedModel:
    return LoadedModel(spec, model.eval(), torch.device("cpu"), "32-true", "contiguous", {})


def check_lazy(stream: Stream, answers: Iterator[object]) -> None:
    assert stream.read == 0
    next(answers)
    assert stream.read == AHEAD
    for _ in range(AHEAD - 1):
        next(answers)
    assert stream.read == AHEAD  # no more before the last of them is answered
    next(answers)
    assert stream.read == 2 * AHEAD


def test_a_classifier_reads_no_further_than_it_answers() -> None:
    spec = TextSpec(
        class_names=("x", "y"), tokenizer=TOKENIZER.to_dict(), vocab_size=TOKENIZER.vocab_size, pad_id=0, max_length=9
    )
    predictor = TextPredictor(opened(spec, BagOfEmbeddings(**spec.offers)))
    stream = Stream()
    check_lazy(stream, predictor.predict(stream, batch_size=BATCH))
    order = [answer.input for answer in islice(predictor.predict(Stream(), batch_size=BATCH), 90)]
    assert order == [stream.text(number) for number in range(1, 91)]


def test_a_translator_reads_no_further_than_it_answers() -> None:
    spec = TranslationSpec(
        source_tokenizer=TOKENIZER.to_dict(),
        target_tokenizer=TOKENIZER.to_dict(),
        source_vocab_size=TOKENIZER.vocab_size,
        target_vocab_size=TOKENIZER.vocab_size,
        pad_id=0,
        max_length=9,
    )
    model = RNNSeq2Seq(**spec.offers, embedding_size=4, hidden_size=4)
    predictor = TranslationPredictor(opened(spec, model), BeamSettings(beam_size=1))
    stream = Stream()
    check_lazy(stream, predictor.predict(stream, batch_size=BATCH))
    order = [answer.input for answer in islice(predictor.predict(Stream(), batch_size=BATCH), 90)]
    assert order == [stream.text(number) for number in range(1, 91)]
