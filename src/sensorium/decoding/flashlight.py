"""One face for the ways to decode: greedy, Flashlight's beam search, and our own.

Flashlight's is taken where it is installed and can do what is asked for; our own does everything. Both give the same
best hypothesis but for rare cases (see `flashlight_beam`).
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from sensorium.decoding import flashlight_beam
from sensorium.decoding.alignment import with_frames
from sensorium.decoding.ctc import CTCHypothesis, greedy
from sensorium.decoding.prefix_beam import beam_search
from sensorium.decoding.token_words import Decode
from sensorium.decoding.word_scorer import WordScorer
from sensorium.errors import RequestError
from sensorium.text.ngram import NGram
from sensorium.text.tokenizer import EOS


class CTCDecoder:
    """From log-probabilities to texts' tokens. A beam of 1 without language model and lexicon is greedy decoding.

    tokens: the tokenizer's, in the order of their numbers. decode: its function from numbers to text, which byte pair
    encoding needs; without it, texts are the tokens put together. language_model: the text of an ARPA file, or nothing.
    language_weight, word_score: see `WordScorer`. lexicon: when given, only these words are written; what the tokens
    cannot spell never is. n_best: hypotheses of each utterance. top_tokens: see `beam_search`. own: not Flashlight's.

    Raises RequestError for numbers out of range, a lexicon without words, or a language model that is not one.
    """

    def __init__(
        self,
        *,
        tokens: Sequence[str],
        decode: Decode | None = None,
        beam_size: int = 16,
        language_model: str = "",
        language_weight: float = 0.5,
        word_score: float = 0.0,
        lexicon: Collection[str] | None = None,
        n_best: int = 1,
        top_tokens: int = 40,
        own: bool = False,
    ) -> None:
        if not 1 <= n_best <= beam_size:
            raise RequestError(
                f"n_best={n_best} of a beam of {beam_size}: give at least 1, and no more than beam_size."
            )
        if lexicon is not None and not lexicon:
            raise RequestError("The lexicon is empty, so that no word could be written; give words, or no lexicon.")
        self._beam_size, self._n_best, self._top_tokens = beam_size, n_best, top_tokens
        self._scorer: WordScorer | None = None
        self._flashlight: flashlight_beam.Flashlight | None = None
        model = NGram.from_arpa(language_model) if language_model else None
        self._greedy = beam_size == 1 and model is None and lexicon is None
        if self._greedy:
            return
        decode = decode or _joined(tokens)
        spellings = None if lexicon is None else _spellings(tokens, lexicon, decode)
        if not own and flashlight_beam.available() and _suits_flashlight(model, lexicon, spellings):
            self._flashlight = flashlight_beam.Flashlight(
                vocab_size=len(tokens),
                beam_size=beam_size,
                n_best=n_best,
                top_tokens=top_tokens,
                spellings=spellings,
                space=tokens.index(" ") if spellings else 0,
                language_model=model,
                weight=language_weight,
                word_score=word_score,
            )
        elif model is not None or lexicon is not None:
            self._scorer = WordScorer(
                model,
                vocab_size=len(tokens),
                decode=decode,
                weight=language_weight,
                word_score=word_score,
                lexicon=lexicon,
            )

    @property
    def name(self) -> str:
        """What decodes: greedy, flashlight or prefix_beam."""
        if self._greedy:
            return "greedy"
        return "prefix_beam" if self._flashlight is None else "flashlight"

    @torch.no_grad()
    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[CTCHypothesis]]:
        """The n best hypotheses of each utterance, best first; fewer, where there are fewer.

        log_probs: (B, T, V). lengths: (B,) frames.
        """
        if self._greedy:
            return [[one] for one in greedy(log_probs, lengths)]
        if self._flashlight is None:
            return beam_search(
                log_probs,
                lengths,
                beam_size=self._beam_size,
                n_best=self._n_best,
                scorer=self._scorer,
                top_tokens=self._top_tokens,
            )
        log_probs, found = log_probs.cpu(), self._flashlight.decode(log_probs, lengths)
        rows = zip(log_probs, lengths.tolist(), found, strict=True)
        return [[with_frames(tokens, score, row[:length]) for tokens, score in each] for row, length, each in rows]


def _joined(tokens: Sequence[str]) -> Decode:
    return lambda ids: "".join(tokens[number] for number in ids if number > EOS)


def _spellings(tokens: Sequence[str], lexicon: Collection[str], decode: Decode) -> dict[str, list[int]] | None:
    """The tokens of each word that can be spelled, when every token is a character and the space is one of them."""
    numbers = {token: number for number, token in enumerate(tokens) if number > EOS}
    if " " not in numbers or any(len(token) != 1 or decode([number]) != token for token, number in numbers.items()):
        return None
    letters = numbers.keys() - {" "}
    return {word: [numbers[letter] for letter in word] for word in lexicon if letters >= set(word)}


def _suits_flashlight(
    model: NGram | None, lexicon: Collection[str] | None, spellings: dict[str, list[int]] | None
) -> bool:
    if lexicon is None:
        return model is None
    return bool(spellings) and (model is None or model.order > 1)
