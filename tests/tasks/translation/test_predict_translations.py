"""Sentences are read as they are translated, and those that lose their ends are counted."""

from itertools import islice

import torch

from sensorium.models.text.rnn_seq2seq import RNNSeq2Seq
from sensorium.specs import TranslationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.translation.predict import TranslationPredictor
from sensorium.text.build_tokenizer import train_tokenizer
from text_streams import BATCH, Stream, check_lazy

TOKENIZER = train_tokenizer("char", ["abc "], vocab_size=20, min_count=1, lowercase=False)


def predictor() -> TranslationPredictor:
    spec = TranslationSpec(
        source_tokenizer=TOKENIZER.to_dict(),
        target_tokenizer=TOKENIZER.to_dict(),
        source_vocab_size=TOKENIZER.vocab_size,
        target_vocab_size=TOKENIZER.vocab_size,
        pad_id=0,
        max_length=9,
    )
    network = RNNSeq2Seq(**spec.offers, embedding_size=4, hidden_size=4).eval()
    model = LoadedModel(spec, network, torch.device("cpu"), "32-true", "contiguous", {})
    return TranslationPredictor(model, PredictOptions(batch_size=BATCH, decoding={"beam_size": 1}))


def test_a_translator_reads_no_further_than_it_predicts() -> None:
    found, stream = predictor(), Stream()
    check_lazy(stream, found.predict(stream))
    order = [prediction.input for prediction in islice(found.predict(Stream()), 90)]
    assert order == [stream.text(number) for number in range(1, 91)]


def test_truncated_sentences_are_counted() -> None:
    """Of nine tokens the end of a sentence is one."""
    found = predictor()
    assert found.notes() == []
    assert len(list(found.predict(["abcabcab", "abcabcabc", "a", "abcabcabcabc"]))) == 4  # 8, 9, 1, 12 characters
    assert found.truncated == 2
    assert found.notes() == ["cut to 9 tokens (dataset.max_length): 2 texts"]
