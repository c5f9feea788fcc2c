"""Which earlier tokens make the next one likely."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sensorium.specs import LanguageModelingSpec
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import AttributionExplainer, Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, TargetMap
from sensorium.tasks.text_explanations import (
    METHODS,
    TextExplanation,
    has_vectors,
    text_explanation,
    token_subject,
)
from sensorium.tasks.text_inputs import as_text
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.spans import word_spans
from sensorium.text.tokenizer import EOS, Tokenizer

LONGEST = 128  # tokens before the explained one; those further back are read, and not explained


class Followed(NamedTuple):
    """Tokens of a text, and the one that follows them in it."""

    tokens: list[int]
    following: int


def followed_examples(split: Any, rows: Sequence[int], tokenizer: Tokenizer) -> list[Example]:
    """Rows of running text, each the token that is predicted there, with the tokens before it."""
    found = []
    for row in rows:
        tokens = split.tokens[max(0, row + 1 - LONGEST) : row + 2].tolist()
        found.append(Example(split.names[row], Followed(tokens[:-1], tokens[-1]), (tokenizer.decode(tokens[-1:]),)))
    return found


class LanguageModelExplainer(AttributionExplainer):
    """Maps of the logit of the next token, over the words of the prompt; curves of its probability.

    Without target= it explains the most probable tokens, and of a row of a split also the one that follows; with one,
    the first token of each text named.
    """

    form = TextExplanation

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        self.spec: LanguageModelingSpec = model.spec
        self.device = model.device
        self.tokenizer = tokenizer_from_dict(self.spec.tokenizer)
        network: nn.Module = model.model.to(model.device).eval()
        self._context = LONGEST if model.model.carries_state else min(LONGEST, int(self.spec.context))
        self._cut = 0
        super().__init__(options, METHODS if has_vectors(network, self.call, model.device) else METHODS[1:2], network)

    def call(self, network: nn.Module, tokens: Tensor) -> Tensor:
        """tokens: (N, T); logits (N, V) of the token after the last."""
        found: Tensor = network(tokens)[0][:, -1].float()
        return found

    def prepare(self, inputs: Iterable[Any]) -> Iterator[Prepared]:
        for given in inputs:
            if isinstance(given, Example) and isinstance(given.raw, Followed):
                tokens = given.raw.tokens
                yield self._prepared(given.name, self.tokenizer.decode(tokens), tokens, [given.raw.following])
                continue
            text, error = as_text(given.raw if isinstance(given, Example) else given)
            name = given.name if isinstance(given, Example) else text
            ids = [] if error else self.tokenizer.encode(text)
            if error is None and not ids:
                error = "a text without any token has nothing before the next one"
            yield Prepared(name=name, error=error) if error else self._prepared(name, text, ids)

    def _prepared(self, name: str, text: str, ids: list[int], right: Sequence[int] = ()) -> Prepared:
        """right: tokens that are explained beside the most probable."""
        spans = word_spans(self.tokenizer, ids) if right else word_spans(self.tokenizer, ids, text)
        if len(ids) > self._context:
            self._cut += 1
            ids = ids[-self._context :]
            spans = word_spans(self.tokenizer, ids)
        with torch.no_grad():
            probabilities = self.call(self.network, torch.tensor([ids], device=self.device)).softmax(1)[0]
        if not torch.isfinite(probabilities).all():
            return Prepared(name=name, error=not_finite(f"{name:.100}"))
        numbers, unknown = self._numbers(probabilities)
        if self.options.target is None:
            numbers = list(dict.fromkeys([*numbers, *right]))
        if unknown is not None:
            return Prepared(name=name, error=f"target={unknown!r} holds no token that the model could predict")
        subject, _ = token_subject(
            self.network,
            ids,
            spans,
            call=self.call,
            score=lambda logits: logits[:, numbers],
            measure=lambda logits: logits.softmax(1)[:, numbers],
            device=self.device,
            batch_size=self.options.batch_size,
        )
        targets = tuple(
            Target(self._shown(number), float(probabilities[number]), {"token": number}) for number in numbers
        )
        return Prepared(name=name, subject=subject, targets=targets, shown=tuple(spans))

    def _numbers(self, probabilities: Tensor) -> tuple[list[int], str | None]:
        """Token numbers to explain; or the target that has none."""
        if self.options.target is None:
            probabilities = probabilities.clone()
            probabilities[: EOS + 1] = 0  # which stand for no text
            return probabilities.topk(self.options.top_k or 1).indices.tolist(), None
        found = []
        for target in self.options.target:
            ids = self.tokenizer.encode(target)
            if not ids or ids[0] <= EOS:
                return [], target
            found.append(ids[0])
        return found, None

    def _shown(self, number: int) -> str:
        text = self.tokenizer.decode([number])
        return text if text.strip() else repr(text)

    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> TextExplanation:
        return text_explanation(prepared, method, maps)

    def notes(self) -> list[str]:
        cut = f"explained by their last {self._context} tokens: {self._cut} longer texts"
        return [*super().notes(), *([cut] if self._cut else [])]
