"""Which source words each word of a translation comes from: by gradients, and by the model's own attention."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, ClassVar

import numpy as np
import torch
from rich.text import Text
from torch import Tensor, nn

from sensorium.output import Record
from sensorium.specs import TranslationSpec
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.decoding_settings import BeamSettings, settings_from
from sensorium.tasks.explaining import AttributionExplainer, Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, TargetMap
from sensorium.tasks.marked_text import html_table, strengths
from sensorium.tasks.plots import draw_word_maps
from sensorium.tasks.text_explanations import TextExplanation, html_faithfulness, text_explanation, token_subject
from sensorium.tasks.text_inputs import as_text
from sensorium.tasks.translation.evaluate import Translator
from sensorium.text.spans import Span, word_spans
from sensorium.text.tokenizer import BOS, EOS, Tokenizer

METHODS = ("occlusion", "integrated_gradients", "gradient_shap")


@dataclass(frozen=True, kw_only=True)
class TranslationExplanation(TextExplanation):
    """A target for each word of the translation, or each piece of a translation that is one word. The attention to each
    source word is in its details, (W,).
    """

    formats: ClassVar[tuple[str, ...]] = (".html", ".png", ".json")

    def content(self, suffix: str) -> bytes | str:
        if suffix != ".png":
            return super().content(suffix)
        words = [word.text for word in self.words]
        return draw_word_maps(self.matrices(), source=words, target=[one.target for one in self.targets])

    def matrices(self) -> dict[str, np.ndarray]:
        """(U, W) by what they show, for U target words and W source words."""
        found = {self.method: np.stack([self.word_values(one) for one in self.targets])}
        return found | {"attention": np.array([one.details["attention"] for one in self.targets])}

    def _record(self, one: TargetMap) -> Record:
        return super()._record(one) | {"source_word": self._first(self.word_values(one))}

    def _first(self, values: np.ndarray) -> str:
        return self.words[int(values.argmax())].text

    def marked(self) -> Text:
        """A line for each target word: the source word that it comes from by either measure."""
        lines = [
            f"{one.target:<20} {self.method}: {self._first(self.word_values(one)):<20} "
            f"attention: {self._first(np.array(one.details['attention']))}"
            for one in self.targets
        ]
        return Text("\n".join(lines))

    def _html(self) -> Iterator[str]:
        yield f"<h1>{escape(self.input)}</h1><p>{escape(' '.join(one.target for one in self.targets))}</p>"
        rows, columns = [one.target for one in self.targets], [word.text for word in self.words]
        for name, values in self.matrices().items():
            shares = np.stack([strengths(row) for row in values.tolist()])
            yield f"<h2>{escape(name)} <small>each row by its strongest</small></h2>"
            yield html_table(rows, columns, shares)
        for one in self.targets:
            yield f"<h2>{escape(one.target)} <small>{one.score:.3f}</small></h2>{html_faithfulness(one)}"


class TranslationExplainer(AttributionExplainer):
    """Maps over the source of the log-probability of each target word, given those before it; curves of its
    probability.
    """

    form = TranslationExplanation

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        self.spec: TranslationSpec = model.spec
        self.translator = Translator(
            model=model.model,
            spec=self.spec,
            device=model.device,
            precision=model.precision,
            settings=settings_from(BeamSettings, model.decoding),
        )
        self.device = model.device
        super().__init__(options, METHODS, self.translator.model)  # type: ignore[arg-type]

    def prepare(self, inputs: Iterable[Any]) -> Iterator[Prepared]:
        for given in inputs:
            text, error = as_text(given.raw if isinstance(given, Example) else given)
            name = given.name if isinstance(given, Example) else text
            if error is None and not text.strip():
                error = "an empty text has no translation to explain"
            yield Prepared(name=name, error=error) if error else self._prepared(name, text)

    def _prepared(self, name: str, text: str) -> Prepared:
        ids = [*self.translator.source.encode(text)[: self.spec.max_length - 1], EOS]
        spans = word_spans(self.translator.source, ids[:-1], text)
        (hypotheses,) = self.translator.translate(torch.tensor([ids]), torch.tensor([len(ids)]))
        if not hypotheses:  # nothing that is not a number can be searched for
            return Prepared(name=name, error=not_finite(f"{name:.100}"))
        best = hypotheses[0]
        words = _target_words(self.translator.target, best.tokens)
        if not words:
            return Prepared(name=name, error=f"{name:.60}: the translation is empty")
        attention = self.translator.attention(ids, best.tokens)
        measure = partial(_by_word, target=best.tokens, words=words)
        subject, _ = token_subject(
            self.network,
            ids,
            spans,
            call=_forced(best.tokens),
            score=measure,
            measure=lambda logits: measure(logits).exp(),
            device=self.device,
            batch_size=self.options.batch_size,
        )
        probabilities = subject.measured(torch.ones(1, subject.count, dtype=torch.bool))[0].tolist()
        targets = tuple(
            Target(word.text, probability, {"attention": _attention(attention, word, spans)})
            for word, probability in zip(words, probabilities, strict=True)
        )
        return Prepared(name=name, subject=subject, targets=targets, shown=tuple(spans))

    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> TranslationExplanation:
        found = text_explanation(prepared, method, maps)
        return TranslationExplanation(
            input=found.input, method=method, targets=found.targets, error=found.error, words=found.words
        )


def _target_words(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[Span]:
    """The words of a translation; its pieces where it is one word, such as a compound, or a text without spaces."""
    words = word_spans(tokenizer, tokens)
    if len(words) != 1:
        return words
    return [Span(tokenizer.decode([token]), place, place + 1, "") for place, token in enumerate(tokens)]


def _forced(target: tuple[int, ...] | list[int]) -> Callable[[nn.Module, Tensor], Tensor]:
    """Source (N, S) -> logits (N, U, V) of a translation that is given."""

    def call(network: nn.Module, source: Tensor) -> Tensor:
        rows = len(source)
        lengths = torch.full((rows,), source.shape[1], device=source.device)
        target_in = torch.tensor([[BOS, *target[:-1]]], device=source.device).expand(rows, -1)
        found: Tensor = network(source, lengths, target_in).float()
        return found

    return call


def _by_word(logits: Tensor, *, target: list[int], words: list[Span]) -> Tensor:
    """Logits (N, U, V) -> (N, W): the log-probability of each word of the translation, given those before it."""
    index = torch.tensor(list(target), device=logits.device)[None, :, None].expand(len(logits), -1, 1)
    found = logits.log_softmax(2).gather(2, index)[:, :, 0]  # (N, U)
    return torch.stack([found[:, word.start : word.end].sum(1) for word in words], dim=1)


def _attention(weights: Tensor, word: Span, spans: list[Span]) -> list[float]:
    """How much a target word attends to each source word: the mean over its tokens of the sum over the source's."""
    row = weights[word.start : word.end].mean(dim=0)
    return [float(row[span.start : span.end].sum()) for span in spans]
