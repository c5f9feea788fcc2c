"""Raw texts -> their translations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sensorium.data.text.labelled import cut_note
from sensorium.output import Record
from sensorium.specs import TranslationSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, Predictor
from sensorium.tasks.decoding_settings import BeamSettings, settings_from
from sensorium.tasks.text_inputs import READ_AHEAD, by_length, groups, padded
from sensorium.tasks.translation.evaluate import Translator
from sensorium.text.bpe import bytes_of
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import BOS, EOS, Tokenizer


@dataclass(frozen=True)
class TranslationPrediction(Prediction):
    """translations: texts with their scores, the best first. attention: (U, S) of the best one, where asked for."""

    translations: tuple[tuple[str, float], ...] = ()
    source_tokens: tuple[str, ...] = ()
    target_tokens: tuple[str, ...] = ()
    attention: Tensor | None = None

    def to_dict(self) -> Record:
        best = [{"text": text, "score": score} for text, score in self.translations]
        return {"input": self.input, "translations": best} | ({"error": self.error} if self.error else {})

    def rows(self) -> list[Record]:
        return [
            {"input": self.input, "rank": rank, "translation": text, "score": score}
            for rank, (text, score) in enumerate(self.translations, start=1)
        ]

    def summary(self) -> Record:
        return {"input": self.input, "translation": self.translations[0][0]}


class TranslationPredictor(Predictor):
    """A translation model ready to predict. An empty text stays empty."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.spec: TranslationSpec = model.spec
        self.attention, self.batch_size = options.attention is not None, options.batch_size
        self.truncated = 0
        self.tokenizer = tokenizer_from_dict(self.spec.source_tokenizer)
        self.translator = Translator(
            model=model.model,
            spec=self.spec,
            device=model.device,
            precision=model.precision,
            settings=settings_from(BeamSettings, {**model.decoding, **options.decoding}),
        )

    def predict(self, inputs: Iterable[str | bytes]) -> Iterator[TranslationPrediction]:
        for group in groups(inputs, self.batch_size * READ_AHEAD):
            answers: dict[int, TranslationPrediction] = {}
            # The last token is EOS, as in training.
            encoded = self.tokenizer.encode_many([text for text, _ in group])
            self.truncated += sum(len(ids) >= self.spec.max_length for ids in encoded)
            tokens = [[*ids[: self.spec.max_length - 1], EOS] for ids in encoded]
            full = [row for row, (text, error) in enumerate(group) if text.strip() and not error]
            for rows in by_length(tokens, self.batch_size, full):
                source, lengths = padded([tokens[row] for row in rows], self.spec.pad_id)
                for row, found in zip(rows, self.translator.translate(source, lengths), strict=True):
                    pairs = tuple((self.translator.text(one), one.score) for one in found)
                    shown = self._attention(tokens[row], found[0].tokens) if self.attention else ()
                    answers[row] = TranslationPrediction(group[row][0], pairs, *shown)
            for row, (text, error) in enumerate(group):
                empty = TranslationPrediction(text, () if error else (("", 0.0),), error=error)
                yield answers.get(row, empty)

    def notes(self) -> list[str]:
        return cut_note(self.truncated, self.spec.max_length)

    @torch.inference_mode()
    def _attention(self, source: list[int], target: list[int]) -> tuple[tuple[str, ...], tuple[str, ...], Tensor]:
        """The tokens of both, and how much each of the target's looked at each of the source's: (U, S)."""
        device = self.translator.device
        inputs = [torch.tensor([ids], device=device) for ids in (source, [BOS, *target])]
        lengths = torch.tensor([len(source)], device=device)
        weights = self.translator.model.attention(inputs[0], lengths, inputs[1])
        names = (_shown(self.tokenizer, source), _shown(self.translator.target, [*target, EOS]))
        return *names, weights[0].float().cpu()


def _shown(tokenizer: Tokenizer, ids: list[int]) -> tuple[str, ...]:
    """Each token as text; a space as an open box, bytes amid a character as <C3>, a special token by its name."""
    names = tokenizer.tokens
    return tuple(_token_text(tokenizer.decode([token]), names[token]) for token in ids)


def _token_text(decoded: str, name: str) -> str:
    if "\N{REPLACEMENT CHARACTER}" in decoded:
        return "".join(f"<{byte:02X}>" for byte in bytes_of(name))
    return decoded.strip() or ("\N{OPEN BOX}" if decoded else name)
