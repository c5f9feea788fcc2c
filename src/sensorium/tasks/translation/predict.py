"""Raw texts -> their translations."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor

from sensorium.data.base import counted
from sensorium.data.text.labeled import cut_note
from sensorium.decoding.beam import Hypothesis
from sensorium.errors import listing
from sensorium.output import Record
from sensorium.specs import TranslationSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, Predictor, not_finite
from sensorium.tasks.decoding_settings import BeamSettings, settings_from
from sensorium.tasks.text_inputs import READ_AHEAD, UnreadableText, by_length, groups, padded
from sensorium.tasks.translation.evaluate import Translator
from sensorium.text.bpe import bytes_of
from sensorium.text.characters import CharTokenizer
from sensorium.text.tokenizer import EOS, UNK, Tokenizer
from sensorium.text.vocabulary import PieceTokenizer


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
        """One for each translation; where there is none, one that names the input."""
        if not self.translations:
            return [{"input": self.input, "rank": "", "translation": "", "score": ""}]
        return [
            {"input": self.input, "rank": rank, "translation": text, "score": score}
            for rank, (text, score) in enumerate(self.translations, start=1)
        ]

    def summary(self) -> Record:
        return {"input": self.input, "translation": self.translations[0][0]}


class TranslationPredictor(Predictor):
    """A translation model ready to predict. An empty text stays empty.

    truncated: how many texts so far were longer than the model reads; their ends were dropped. unended: how many
    translations were cut at their maximum length. unknown: words that the model does not know and that were lost.
    """

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.spec: TranslationSpec = model.spec
        self.attention, self.batch_size = options.attention is not None, options.batch_size
        self.truncated = self.unended = 0
        self.unknown: Counter[str] = Counter()
        self.translator = Translator(
            model=model.model,
            spec=self.spec,
            device=model.device,
            precision=model.precision,
            settings=settings_from(BeamSettings, {**model.decoding, **options.decoding}),
        )

    def predict(self, inputs: Iterable[str | bytes | UnreadableText]) -> Iterator[TranslationPrediction]:
        for group in groups(inputs, self.batch_size * READ_AHEAD):
            found: dict[int, TranslationPrediction] = {}
            full = [row for row, (text, error) in enumerate(group) if text.strip() and not error]
            tokens = self._encoded([text for text, _ in group], full)
            for rows in by_length(tokens, self.batch_size, full):
                source, lengths = padded([tokens[row] for row in rows], self.spec.pad_id)
                for row, hypotheses in zip(rows, self.translator.translate(source, lengths), strict=True):
                    found[row] = self._prediction(group[row][0], tokens[row], hypotheses)
            for row, (text, error) in enumerate(group):
                empty = TranslationPrediction(text, () if error else (("", 0.0),), error=error)
                yield found.get(row, empty)

    def notes(self) -> list[str]:
        notes = cut_note(self.truncated, self.spec.max_length)
        if self.unended:
            notes.append(f"truncated at twice the source tokens plus 10: {counted(self.unended, 'translation')}")
        if self.unknown:
            copies = self.translator.settings.copy_unknown
            hint = "they are lost" if copies else "decoding.copy_unknown=true copies them where the model can"
            unit = "character" if isinstance(self.translator.source, CharTokenizer) else "word"
            total = counted(self.unknown.total(), unit)
            words = listing((repr(word) for word, _ in self.unknown.most_common(3)), limit=3)
            notes.append(f"unknown to the model: {total}, such as {words}; {hint}")
        return notes

    def _encoded(self, texts: list[str], full: list[int]) -> list[list[int]]:
        """The tokens of each text, cut, with EOS behind them as in training. full: rows that count."""
        tokenizer = self.translator.source
        encoded = tokenizer.encode_many(texts)
        self.truncated += sum(len(encoded[row]) >= self.spec.max_length for row in full)
        return [[*ids[: self.spec.max_length - 1], EOS] for ids in encoded]

    def _prediction(self, text: str, tokens: list[int], found: list[Hypothesis]) -> TranslationPrediction:
        if not found:  # nothing that is not a number can be searched for
            return TranslationPrediction(text, error=not_finite(f"{text:.100}"))
        best = found[0].tokens
        self.unended += len(best) >= self.translator.limit(len(tokens))
        pairs = tuple((self.translator.text(one, text), one.score) for one in found)
        self._count_unknown(text, tokens, pairs[0][0])
        return TranslationPrediction(text, pairs, *(self._attention(tokens, best) if self.attention else ()))

    def _count_unknown(self, text: str, tokens: list[int], translation: str) -> None:
        """Counts the words of a text that the model does not know and that were not copied."""
        tokenizer = self.translator.source
        if UNK not in tokens or not isinstance(tokenizer, PieceTokenizer):
            return
        words = [word for word, token in zip(tokenizer.written(text), tokens, strict=False) if token == UNK]
        copied = translation if self.translator.settings.copy_unknown else ""
        self.unknown.update(word for word in words if word not in copied)

    def _attention(self, source: list[int], target: list[int]) -> tuple[tuple[str, ...], tuple[str, ...], Tensor]:
        """The tokens of both, and how much each of the target's looked at each of the source's: (U, S)."""
        names = (_shown(self.translator.source, source), _shown(self.translator.target, [*target, EOS]))
        return *names, self.translator.attention(source, target)


def _shown(tokenizer: Tokenizer, ids: list[int]) -> tuple[str, ...]:
    """Each token as text; a space as an open box, bytes amid a character as <C3>, a special token by its name."""
    names = tokenizer.tokens
    return tuple(_token_text(tokenizer.decode([token]), names[token]) for token in ids)


def _token_text(decoded: str, name: str) -> str:
    if "\N{REPLACEMENT CHARACTER}" in decoded:
        return "".join(f"<{byte:02X}>" for byte in bytes_of(name))
    return decoded.strip() or ("\N{OPEN BOX}" if decoded else name)
