"""A prompt -> the text that a language model goes on with, piece by piece."""

from collections.abc import Iterable, Iterator

import torch

from sensorium.decoding.sampling import sample
from sensorium.errors import RequestError
from sensorium.evaluator.arithmetic import autocast
from sensorium.predictor.opened import Opened
from sensorium.specs import LanguageSpec
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

_UNFINISHED = "�"  # what the first bytes of a character decode to


class TextGenerator:
    """A language model, ready to go on with a prompt."""

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, LanguageSpec)
        self.device, self.precision = opened.device, opened.precision
        self.model = opened.model.to(opened.device).eval()
        self.tokenizer = tokenizer_from_dict(opened.spec.tokenizer)

    def generate(
        self, prompt: str, *, length: int, temperature: float, top_k: int | None, top_p: float | None, seed: int
    ) -> Iterator[str]:
        """Pieces of the text after the prompt, as they are made; together `length` tokens. One seed gives one text."""
        ids = self.tokenizer.encode(prompt)
        if not ids:
            raise RequestError('prompt="" has nothing to go on with. Give at least one character: prompt="The ".')
        with autocast(self.precision, self.device):
            tokens = sample(
                self.model,
                torch.tensor([ids], device=self.device),
                length=length,
                temperature=temperature,
                top_k=top_k or 0,
                top_p=1.0 if top_p is None else top_p,
                generator=torch.Generator().manual_seed(seed),
                banned=(PAD, UNK, BOS, EOS),  # which stand for no text
            )
            yield from decoded_pieces(self.tokenizer, ids, tokens)


def decoded_pieces(tokenizer: Tokenizer, context: list[int], tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens as soon as it is whole: a character may be spread over several of them.

    context: tokens before, which may decide whether a space comes first.
    """
    # The last few tokens are enough to know how the next one is joined to them.
    held = context[-8:]
    said = tokenizer.decode(held)
    for token in tokens:
        held.append(token)
        text = tokenizer.decode(held)
        if text.endswith(_UNFINISHED) and len(text) - len(said) < 4:
            continue
        yield text[len(said) :]
        held = held[-8:]
        said = tokenizer.decode(held)
    yield tokenizer.decode(held)[len(said) :]
