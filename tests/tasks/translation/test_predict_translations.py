"""Sentences are read as they are translated, and those that lose their ends are counted."""

from itertools import islice

import torch
from torch import Tensor, nn

from sensorium.models.text.rnn_seq2seq import RNNSeq2Seq
from sensorium.specs import TranslationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.translation.predict import TranslationPredictor
from sensorium.tasks.translation.report import one_line
from sensorium.tasks.translation.task import _lines
from sensorium.text.build_tokenizer import train_tokenizer
from sensorium.text.tokenizer import EOS, UNK
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
    assert found.notes()[0] == "truncated to 9 tokens (dataset.max_length): 2 texts"


class Scripted(nn.Module):
    """Writes these tokens and looks at the source as told, whatever it reads. attention: (U, S)."""

    def __init__(self, tokens: list[int], attention: list[list[float]]) -> None:
        super().__init__()
        self.tokens, self.weights = tokens, torch.tensor([attention])

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        return (source,), (torch.zeros(len(source), dtype=torch.long),)

    def step(
        self, tokens: Tensor, memory: tuple[Tensor, ...], state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits = torch.full((len(tokens), 20), -9.0)
        for row, place in enumerate(state[0].tolist()):
            logits[row, self.tokens[place] if place < len(self.tokens) else EOS] = 9.0
        return logits, (state[0] + 1,)

    def attention(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        return self.weights


def scripted(tokens: list[int], attention: list[list[float]], **decoding: object) -> TranslationPredictor:
    words = train_tokenizer("word", ["we saw a dog in town"], vocab_size=20, min_count=1, lowercase=True)
    spec = TranslationSpec(
        source_tokenizer=words.to_dict(),
        target_tokenizer=words.to_dict(),
        source_vocab_size=20,
        target_vocab_size=20,
        pad_id=0,
        max_length=9,
    )
    model = LoadedModel(spec, Scripted(tokens, attention), torch.device("cpu"), "32-true", "contiguous", {})
    return TranslationPredictor(model, PredictOptions(decoding={"beam_size": 1, **decoding}))


def test_unknown_words_are_copied_from_where_the_model_looks() -> None:
    """Source "we saw Köln in Wien": the first unknown word of the translation looks at Wien, the second at Köln, most
    of all at "we", which the model knows.
    """
    words = train_tokenizer("word", ["we saw a dog in town"], vocab_size=20, min_count=1, lowercase=True)
    tokens = [*words.encode("we saw"), UNK, *words.encode("in"), UNK]
    even = [0.2] * 5 + [0.0]
    looks = [even, even, [0.1, 0.1, 0.2, 0.1, 0.5, 0.0], even, [0.5, 0.1, 0.3, 0.0, 0.1, 0.0], even]
    given = ["we saw Köln in Wien"]
    copying = scripted(tokens, looks, copy_unknown=True)
    (found,) = copying.predict(given)
    assert found.translations[0][0] == "we saw Wien in Köln"
    assert copying.notes() == []
    lossy = scripted(words.encode("we saw a dog"), looks, copy_unknown=True)
    (found,) = lossy.predict(given)
    assert found.translations[0][0] == "we saw a dog"
    assert lossy.notes() == ["unknown to the model: 2 words, such as 'Köln', 'Wien'; they are lost"]
    plain = scripted(tokens, looks)
    (found,) = plain.predict(given)
    assert found.translations[0][0] == "we saw in"
    assert plain.notes() == [
        "unknown to the model: 2 words, such as 'Köln', 'Wien'; decoding.copy_unknown=true copies them"
        " where the model can"
    ]


def test_translations_that_never_end_are_counted() -> None:
    """Of "we" with its end 2 * 2 + 10 tokens may be written."""
    found = scripted([5] * 99, [])
    (one,) = found.predict(["we"])
    assert len(one.translations[0][0].split()) == 14
    assert found.notes() == ["truncated at twice the source tokens plus 10: 1 translation"]


def test_what_is_not_a_number_is_an_error_that_names_the_text() -> None:
    found = predictor()
    for weight in found.translator.model.parameters():
        weight.data.fill_(torch.nan)
    first, empty = found.predict(["ab", ""])
    assert str(first.error).startswith("ab: the model's output is not a number")
    assert (first.translations, empty.error) == ((), None)
    assert first.rows() == [{"input": "ab", "rank": "", "translation": "", "score": ""}]
    assert [_lines(one, False) for one in (first, empty)] == ["\n", "\n"]


def test_a_line_is_what_the_model_wrote() -> None:
    """No-break spaces and runs of spaces stay; a line end would make two lines of it."""
    assert one_line("oui\u202f! \xa0 non\r\nsi ") == "oui\u202f! \xa0 non si "
