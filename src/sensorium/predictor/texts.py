"""Raw texts -> class names with probabilities, or translations. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from sensorium.evaluator.classification import Classifier
from sensorium.evaluator.settings import BeamSettings
from sensorium.evaluator.translation import Translator
from sensorium.predictor.classes import Prediction, check_top_k, top_classes
from sensorium.predictor.opened import Opened
from sensorium.specs import TextSpec, TranslationSpec
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import BOS, EOS, UNK, Tokenizer

_READ_AHEAD = 20  # batches of texts that are sorted by length together


class TextPredictor:
    """A text classifier, ready to answer.

    cut: how many texts so far were longer than the model reads; their ends were left out.
    """

    cut = 0

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, TextSpec)
        self.spec = opened.spec
        self.classifier = Classifier(spec=opened.spec, **opened.model_arguments)
        self.tokenizer = tokenizer_from_dict(opened.spec.tokenizer)

    def predict(self, texts: Iterable[str], *, top_k: int = 5, batch_size: int = 64) -> Iterator[Prediction]:
        """Answers in the order of the texts; memory stays flat however many there are.

        A text without any token is one unknown word.
        """
        check_top_k(top_k)
        spec = self.spec
        for group in _groups(texts, batch_size * _READ_AHEAD):
            answers: dict[int, tuple[tuple[str, float], ...]] = {}
            encoded = self.tokenizer.encode_many(group)
            self.cut += sum(len(ids) > spec.max_length for ids in encoded)
            tokens = [ids[: spec.max_length] or [UNK] for ids in encoded]
            for rows in _by_length(tokens, batch_size):
                batch, lengths = padded([tokens[row] for row in rows], spec.pad_id)
                found = self.classifier.probabilities(batch, lengths)
                answers |= zip(rows, top_classes(found, spec.class_names, top_k), strict=True)
            for row, text in enumerate(group):
                yield Prediction(text, answers[row])


@dataclass(frozen=True)
class Translated:
    """One text's translations, the best first, with their scores. attention: (U, S) of the best one, where asked."""

    input: str
    translations: tuple[tuple[str, float], ...]
    source_tokens: tuple[str, ...] = ()
    target_tokens: tuple[str, ...] = ()
    attention: Tensor | None = None


class TranslationPredictor:
    """A translation model, ready to answer."""

    def __init__(self, opened: Opened, settings: BeamSettings) -> None:
        assert isinstance(opened.spec, TranslationSpec)
        self.spec = opened.spec
        self.tokenizer = tokenizer_from_dict(opened.spec.source_tokenizer)
        self.translator = Translator(
            model=opened.model,
            spec=opened.spec,
            device=opened.device,
            precision=opened.precision,
            settings=settings,
        )

    def predict(self, texts: Iterable[str], *, batch_size: int = 64, attention: bool = False) -> Iterator[Translated]:
        """Answers in the order of the texts; memory stays flat however many there are. An empty text stays empty."""
        for group in _groups(texts, batch_size * _READ_AHEAD):
            answers: dict[int, Translated] = {}
            # The last token is EOS, as in training.
            tokens = [[*ids[: self.spec.max_length - 1], EOS] for ids in self.tokenizer.encode_many(group)]
            full = [row for row, text in enumerate(group) if text.strip()]
            for rows in _by_length(tokens, batch_size, full):
                source, lengths = padded([tokens[row] for row in rows], self.spec.pad_id)
                for row, found in zip(rows, self.translator.translate(source, lengths), strict=True):
                    pairs = tuple((self.translator.text(one), one.score) for one in found)
                    shown = self._attention(tokens[row], found[0].tokens) if attention else ()
                    answers[row] = Translated(group[row], pairs, *shown)
            for row, text in enumerate(group):
                yield answers.get(row, Translated(text, (("", 0.0),)))

    @torch.inference_mode()
    def _attention(self, source: list[int], target: list[int]) -> tuple[tuple[str, ...], tuple[str, ...], Tensor]:
        """The tokens of both, and how much each of the target's looked at each of the source's: (U, S)."""
        device = self.translator.device
        inputs = [torch.tensor([ids], device=device) for ids in (source, [BOS, *target])]
        lengths = torch.tensor([len(source)], device=device)
        weights = self.translator.model.attention(inputs[0], lengths, inputs[1])  # type: ignore[operator]
        names = (_shown(self.tokenizer, source), _shown(self.translator.target, [*target, EOS]))
        return *names, weights[0].float().cpu()


def padded(sequences: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids -> (B, T) int64 filled up with pad_id, and lengths (B,)."""
    lengths = torch.tensor([len(ids) for ids in sequences])
    batch = torch.full((len(sequences), int(lengths.max())), pad_id)
    for row, ids in enumerate(sequences):
        batch[row, : len(ids)] = torch.tensor(ids)
    return batch, lengths


def _shown(tokenizer: Tokenizer, ids: list[int]) -> tuple[str, ...]:
    names = tokenizer.tokens
    return tuple(tokenizer.decode([token]).strip() or names[token] for token in ids)


def _groups(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(texts)
    while group := list(islice(iterator, size)):
        yield group


def _by_length(tokens: list[list[int]], batch_size: int, rows: list[int] | None = None) -> Iterator[list[int]]:
    """Row numbers in batches of about one length."""
    chosen = range(len(tokens)) if rows is None else rows
    ordered = sorted(chosen, key=lambda row: len(tokens[row]))
    for start in range(0, len(ordered), batch_size):
        yield ordered[start : start + batch_size]
