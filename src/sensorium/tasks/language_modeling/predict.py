"""A prompt -> the text that a language model continues it with, piece by piece."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from sensorium.data.base import counted
from sensorium.decoding.sampling import sample
from sensorium.errors import RequestError
from sensorium.output import Record
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, Predictor
from sensorium.tasks.precision import autocast
from sensorium.tasks.text_inputs import as_text
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

_UNFINISHED = "�"  # what the first bytes of a character decode to


@dataclass(frozen=True)
class Continuation(Prediction):
    """What a language model writes after a prompt (`input`). pieces: of the text, made while they are read, once."""

    pieces: Iterator[str]

    def to_dict(self) -> Record:
        found = {"prompt": self.input, "text": "".join(self.pieces)}
        return found | ({"error": self.error} if self.error else {})

    def rows(self) -> list[Record]:
        return [self.to_dict()]

    def summary(self) -> Record:
        return self.to_dict()


class TextGenerator(Predictor):
    """A language model ready to continue prompts. One seed gives one text."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.device, self.precision, self.options = model.device, model.precision, options
        self.model = model.model.to(model.device).eval()
        self.tokenizer = tokenizer_from_dict(model.spec.tokenizer)
        # What a model sees at once; one that carries a state over sees all.
        self.context = None if self.model.carries_state else int(model.spec.context)
        self.forgotten = 0  # the most tokens of a prompt that were out of its sight

    def predict(self, inputs: Iterable[str | bytes]) -> Iterator[Continuation]:
        for raw in inputs:
            prompt, error = as_text(raw)
            yield Continuation(prompt, iter(()), error=error) if error else Continuation(prompt, self.generate(prompt))

    def notes(self) -> list[str]:
        if not self.forgotten:
            return []
        seen = f"the model sees {self.context:,} tokens at most"
        return [f"{seen}: the first {counted(self.forgotten, 'token')} of the prompt are ignored"]

    def generate(self, prompt: str) -> Iterator[str]:
        """Pieces of the text after the prompt, as they are made; together `length` tokens."""
        ids, options = self.tokenizer.encode(prompt), self.options
        if not ids:
            raise RequestError('prompt="" holds no token to continue. Give at least one character: prompt="The ".')
        if self.context is not None:
            self.forgotten = max(self.forgotten, len(ids) - self.context)
        with autocast(self.precision, self.device):
            tokens = sample(
                self.model,
                torch.tensor([ids], device=self.device),
                length=options.length,
                temperature=options.temperature,
                top_k=options.top_k or 0,
                top_p=1.0 if options.top_p is None else options.top_p,
                generator=torch.Generator().manual_seed(options.seed),
                banned=(PAD, UNK, BOS, EOS),  # which stand for no text
            )
            yield from decoded_pieces(self.tokenizer, ids, tokens)


def decoded_pieces(tokenizer: Tokenizer, context: list[int], tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens as soon as it is whole: a character may be spread over several of them.

    context: tokens before, which may decide whether a space comes first.
    """
    # The last few tokens are enough to know how the next one is joined to them.
    held = context[-8:]
    written = tokenizer.decode(held)
    for token in tokens:
        held.append(token)
        text = tokenizer.decode(held)
        if text.endswith(_UNFINISHED) and len(text) - len(written) < 4:
            continue
        yield text[len(written) :]
        held = held[-8:]
        written = tokenizer.decode(held)
    yield tokenizer.decode(held)[len(written) :]
