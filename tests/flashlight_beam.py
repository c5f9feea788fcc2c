"""The beam search of Flashlight, in C++, through torchaudio: an independent one, which ours is compared with.

J. Kahn et al., "Flashlight: Enabling Innovation in Tools for Machine Learning", 2022, arXiv 2201.12465. Its scores are
the same sums as those of `prefix_beam`, but for one thing: with a lexicon, paths with spaces before the first word, or
several between two, are counted too. It has no use for a language model of words without a lexicon.

What its lexicon needs: a word must end with a token of its own, the space, or its last letter could not last longer
than a frame. An utterance does not end with a space, so a frame is added in which there is nothing else.
"""

import contextlib
import importlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sensorium.decoding.ctc import BLANK
from sensorium.text.ngram import NGram

pytest.importorskip("flashlight.lib.text")
ctc_decoder = importlib.import_module("torchaudio.models.decoder").ctc_decoder

_IMPOSSIBLE = -1e4  # in the place of minus infinity, whose differences are no numbers
_PRUNED = 200.0  # hypotheses so much worse than the best are dropped
Found = tuple[list[int], float]


class Flashlight:
    """One decoder for many batches.

    vocab_size: with the blank. spellings: the tokens of each word that may be written; None for all sequences of
    tokens. space: the token between words, with spellings. language_model: of words, of order 2 at least (a limit of
    KenLM's), with spellings only. weight and word_score: as for `WordScorer`. beam_size, n_best, top_tokens: as for
    `beam_search`.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        beam_size: int,
        n_best: int,
        top_tokens: int,
        spellings: Mapping[str, Sequence[int]] | None = None,
        space: int = BLANK,
        language_model: NGram | None = None,
        weight: float = 1.0,
        word_score: float = 0.0,
    ) -> None:
        self._spellings, self._space, self._n_best = spellings, space, n_best
        names = [str(token) for token in range(vocab_size)]
        with tempfile.TemporaryDirectory() as folder:
            lexicon, model = Path(folder, "lexicon.txt"), Path(folder, "model.arpa")
            if spellings is not None:
                lines = [" ".join([word, *map(str, tokens), str(space)]) for word, tokens in spellings.items()]
                lexicon.write_text("\n".join(lines), encoding="utf-8")
            if language_model is not None:
                model.write_text(language_model.to_arpa(), encoding="utf-8")
            with _silent():
                self._decoder = ctc_decoder(
                    lexicon=None if spellings is None else str(lexicon),
                    tokens=names,
                    lm=None if language_model is None else str(model),
                    nbest=n_best,
                    beam_size=2 * beam_size,  # it counts a prefix with a blank at its end apart
                    beam_size_token=min(top_tokens + 1, vocab_size),
                    beam_threshold=_PRUNED,
                    lm_weight=weight * math.log(10),  # KenLM's logarithms are to base 10
                    word_score=word_score,
                    log_add=True,
                    blank_token=str(BLANK),
                    sil_token=str(space),
                )

    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[Found]]:
        """The n best token sequences of each utterance and their scores.

        log_probs: (B, T, V). lengths: (B,) frames.
        """
        emissions, lengths = log_probs.detach().float().cpu().clamp_min(_IMPOSSIBLE), lengths.cpu()
        if self._spellings is not None:
            emissions = torch.nn.functional.pad(emissions, (0, 0, 0, 1))
            rows = torch.arange(len(emissions))
            emissions[rows, lengths] = _IMPOSSIBLE
            emissions[rows, lengths, self._space] = 0.0
            lengths = lengths + 1
        found = self._decoder(emissions.contiguous(), lengths)
        return [[(self._tokens(one), float(one.score)) for one in hypotheses] for hypotheses in found]

    def _tokens(self, found: Any) -> list[int]:
        if self._spellings is None:
            return found.tokens.tolist()
        tokens: list[int] = []
        for word in found.words:
            tokens += [self._space, *self._spellings[word]] if tokens else self._spellings[word]
        return tokens


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """KenLM draws a bar on the standard error of the process, which only the descriptor can keep from the screen."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
