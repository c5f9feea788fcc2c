"""From log-probabilities to hypotheses: greedy decoding or prefix beam search, whichever the settings ask for."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

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
    cannot spell never is. n_best: hypotheses of each utterance. top_tokens: see `beam_search`.

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
    ) -> None:
        if not 1 <= n_best <= beam_size:
            raise RequestError(
                f"n_best={n_best} of a beam of {beam_size}: give at least 1, and no more than beam_size."
            )
        if lexicon is not None and not lexicon:
            raise RequestError("The lexicon is empty, so no word could be decoded; give words, or no lexicon.")
        self._beam_size, self._n_best, self._top_tokens = beam_size, n_best, top_tokens
        model = NGram.from_arpa(language_model) if language_model else None
        self._scorer: WordScorer | None = None
        if model is not None or lexicon is not None:
            self._scorer = WordScorer(
                model,
                vocab_size=len(tokens),
                decode=decode or _joined(tokens),
                weight=language_weight,
                word_score=word_score,
                lexicon=lexicon,
            )
        self._greedy = beam_size == 1 and self._scorer is None

    @torch.no_grad()
    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[CTCHypothesis]]:
        """The n best hypotheses of each utterance, best first; fewer, where there are fewer.

        log_probs: (B, T, V). lengths: (B,) frames.
        """
        if self._greedy:
            return [[one] for one in greedy(log_probs, lengths)]
        return beam_search(
            log_probs,
            lengths,
            beam_size=self._beam_size,
            n_best=self._n_best,
            scorer=self._scorer,
            top_tokens=self._top_tokens,
        )


def _joined(tokens: Sequence[str]) -> Decode:
    return lambda ids: "".join(tokens[number] for number in ids if number > EOS)
