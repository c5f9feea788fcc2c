"""Explanations of texts, for every task whose inputs are tokens: how each word supports or opposes a target."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy as np
import torch
from rich.text import Text
from torch import Tensor, nn

from sensorium.attribution.embeddings import embedded_as, embedding_of
from sensorium.attribution.subject import Subject
from sensorium.output import Record
from sensorium.report_sections import Mark, Passage
from sensorium.specs import TextClassificationSpec, TextRegressionSpec
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import AttributionExplainer, Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, Explanation, TargetMap, neighbor_line
from sensorium.tasks.inference import InferenceModel
from sensorium.tasks.marked_text import html_page, html_text, strengths, terminal_text
from sensorium.tasks.text_inputs import TextEncoder, as_text
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.spans import Span, word_spans
from sensorium.text.tokenizer import UNK

METHODS = ("integrated_gradients", "occlusion", "gradient_shap", "rollout")
MARKED = 0.25  # of the strongest word, from which a report marks a word
Call = Callable[[nn.Module, Tensor], Any]
"""A network and tokens (N, T) -> what the network gives for them."""


@dataclass(frozen=True, kw_only=True)
class TextExplanation(Explanation):
    """words: W of the text. Attributions are (T,), a number a token; `word_values` has them by word. Saved as .html, or
    .json.
    """

    formats: ClassVar[tuple[str, ...]] = (".html", ".json")

    words: tuple[Span, ...] = ()

    def word_values(self, one: TargetMap) -> np.ndarray:
        """(W,): what the tokens of each word say together."""
        return np.array([one.attribution[word.start : word.end].sum() for word in self.words])

    def _record(self, one: TargetMap) -> Record:
        values = self.word_values(one).tolist()
        words = [{"word": word.text, "attribution": value} for word, value in zip(self.words, values, strict=True)]
        return super()._record(one) | {"words": words}

    def marked(self) -> Text:
        """The words in colors, a paragraph for each target."""
        shown = Text()
        for number, one in enumerate(self.targets):
            shown.append("\n" if number else "")
            shown.append(f"{one.target} {one.score:.3f}: ", style="bold")
            shown.append_text(terminal_text(self.words, self.word_values(one).tolist()))
        return shown

    def card(self, one: TargetMap) -> dict[str, Any]:
        pieces: list[tuple[str, Mark]] = [
            (word.text, "" if abs(strength) < MARKED else "right" if strength > 0 else "missing")
            for word, strength in zip(self.words, strengths(self.word_values(one).tolist()), strict=True)
        ]
        return {"passages": [Passage(label="", pieces=pieces)]}

    @classmethod
    def file_name(cls, name: str) -> str:
        return f"{name[:40].strip() or 'text'}".replace("/", " ")

    def content(self, suffix: str) -> bytes | str:
        return html_page(f"{self.method}: {self.input:.60}", "\n".join(self._html()))

    def _html(self) -> Iterator[str]:
        yield f"<h1>{escape(self.method)}</h1>"
        yield '<p class="note">Red words support the target, blue words oppose it.</p>'
        for one in self.targets:
            yield f"<h2>{escape(one.target)} <small>{one.score:.3f}</small></h2>"
            yield html_text(self.words, self.word_values(one).tolist())
            yield html_faithfulness(one)
        if self.neighbors:
            yield "<h2>training examples that are most alike</h2>"
            yield "".join(f"<p>{escape(neighbor_line(one, longest=2000))}</p>" for one in self.neighbors)


def html_faithfulness(one: TargetMap) -> str:
    """The numbers of a map and its warnings; nothing where it was not measured."""
    found = one.faithfulness
    if found is None:
        return ""
    numbers = (
        f"deletion {found.deletion:.3f} (random {found.random_deletion:.3f}), "
        f"insertion {found.insertion:.3f} (random {found.random_insertion:.3f})"
    )
    warnings = "".join(f'<p class="warn">Do not believe: {escape(line)}</p>' for line in one.warnings())
    return f'<p class="note">{numbers}</p>{warnings}'


def token_subject(
    network: nn.Module,
    ids: Sequence[int],
    spans: Sequence[Span],
    *,
    call: Call,
    score: Callable[[Any], Tensor],
    measure: Callable[[Any], Tensor] | None = None,
    direction: Tensor | None = None,
    device: torch.device,
    batch_size: int,
) -> tuple[Subject, bool]:
    """Tokens of a network, hidden by the vector of the unknown word; and whether they have gradients.

    score, measure: of what `call` gives. A network that makes no vectors of its tokens is given other tokens instead.
    """
    tokens = torch.tensor([list(ids)], device=device)
    found = embedding_of(network, tokens, lambda net: call(net, tokens))

    def forward(net: nn.Module, rows: Tensor) -> Any:
        if found is None:
            return call(net, rows[:, :, 0].round().long())
        with embedded_as(net, found[0], rows):
            return call(net, tokens.expand(len(rows), -1))

    if found is None:
        features, nothing = tokens[0, :, None].float(), torch.full((1, 1), float(UNK), device=device)
    else:
        features = found[1].float()
        unknown = torch.full_like(tokens, UNK)
        hidden = embedding_of(network, unknown, lambda net: call(net, unknown))
        assert hidden is not None
        nothing = hidden[1].float()
    subject = Subject(
        network=network,
        features=features,
        baseline=nothing.expand_as(features).contiguous(),
        segments=segments_of(spans, len(ids))[:, None],
        score=lambda net, rows: score(forward(net, rows)),
        measure=None if measure is None else lambda net, rows: measure(forward(net, rows)),
        direction=direction,
        batch_size=batch_size,
    )
    return subject, found is not None


def segments_of(spans: Sequence[Span], tokens: int) -> Tensor:
    """(T,) int64: the number of the word of each token; -1 for one of none."""
    segments = torch.full((tokens,), -1)
    for number, span in enumerate(spans):
        segments[span.start : span.end] = number
    return segments


class TextsExplainer(AttributionExplainer):
    """What explainers of classes and numbers of texts share."""

    form = TextExplanation
    spec: TextClassificationSpec | TextRegressionSpec

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        self.inference: InferenceModel[Any] = InferenceModel(spec=model.spec, **model.model_arguments)
        self.spec = model.spec
        self.tokenizer = tokenizer_from_dict(self.spec.tokenizer)
        self._encoder = TextEncoder(self.spec.tokenizer, self.spec.max_length)
        network = self.inference.model
        super().__init__(options, METHODS if has_vectors(network, self.call, model.device) else METHODS[1:2], network)

    def call(self, network: nn.Module, tokens: Tensor) -> Tensor:
        """tokens: (N, T) without padding; logits (N, K) in float32, with gradients."""
        lengths = torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
        found: Tensor = network(tokens, lengths).float()
        return found

    @abstractmethod
    def targets(self, example: Example, logits: Tensor) -> tuple[list[int], list[Target]]:
        """Which of the logits (K,) are explained."""

    @abstractmethod
    def functions(self, numbers: list[int], whole: Tensor, empty: Tensor) -> tuple[Any, Any, Tensor | None]:
        """Score and measure of logits (N, K), and the direction, given the logits (K,) of the text and of no text."""

    def prepare(self, inputs: Iterable[Any]) -> Iterator[Prepared]:
        for given in inputs:
            raw = given.raw if isinstance(given, Example) else given
            text, error = as_text(raw)
            example = given if isinstance(given, Example) else Example(text, raw)
            yield Prepared(name=example.name, error=error) if error else self._prepared(example, text)

    def _prepared(self, example: Example, text: str) -> Prepared:
        (ids,) = self._encoder.encode([text])
        spans = word_spans(self.tokenizer, ids, text)
        device = self.inference.device
        with torch.no_grad():
            both = torch.tensor([ids, [UNK] * len(ids)], device=device)
            whole, empty = self.call(self.network, both)
        if not torch.isfinite(whole).all():
            return Prepared(name=example.name, error=not_finite(f"{example.name:.100}"))
        numbers, targets = self.targets(example, whole)
        score, measure, direction = self.functions(numbers, whole, empty)
        subject, _ = token_subject(
            self.network,
            ids,
            spans,
            call=self.call,
            score=score,
            measure=measure,
            direction=direction,
            device=device,
            batch_size=self.options.batch_size,
        )
        return Prepared(name=example.name, subject=subject, targets=tuple(targets), shown=tuple(spans))

    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> TextExplanation:
        return text_explanation(prepared, method, maps)

    def notes(self) -> list[str]:
        return [*super().notes(), *self._encoder.notes()]


def text_explanation(prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> TextExplanation:
    """Maps (T, 1) of a text as (T,). The fall of a word that was hidden whole is shared by its tokens."""
    shares = np.ones((len(maps[0].attribution) if maps else 0, 1), np.float32)
    if method == "occlusion":
        for span in prepared.shown or ():
            shares[span.start : span.end] = 1 / (span.end - span.start)
    return TextExplanation(
        input=prepared.name,
        method=method,
        targets=tuple(_flat(one, shares) for one in maps),
        error=prepared.error,
        words=prepared.shown or (),
    )


def _flat(one: TargetMap, shares: np.ndarray) -> TargetMap:
    return TargetMap(
        target=one.target,
        score=one.score,
        attribution=(one.attribution * shares)[:, 0],
        faithfulness=one.faithfulness,
        details=one.details,
    )


def has_vectors(network: nn.Module, call: Call, device: torch.device) -> bool:
    """Whether a network makes vectors of its tokens, so that there are gradients."""
    tokens = torch.full((1, 3), UNK, device=device)
    return embedding_of(network, tokens, lambda net: call(net, tokens)) is not None


def text_examples(split: Any, rows: Sequence[int], truth: Sequence[tuple[str, ...]]) -> list[Example]:
    """Rows of a split of texts, with what is right for each."""
    return [Example(split.names[row], split.texts[row], right) for row, right in zip(rows, truth, strict=True)]
