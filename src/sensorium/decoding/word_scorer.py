"""Scores of tokens by a word language model and a lexicon, for the search in `prefix_beam`.

A word is scored when it is complete: when a token begins the next word (see `token_words`), and at the end. What a
hypothesis gets is weight * (natural log probability of its words and of the sentence's end) + word_score * words. White
space is written between words only: not before the first, not twice, and at the end it is taken off.

A state is a number that stands for the last words and the tokens of the word that is being written. States, and what
may follow them, are kept from one utterance to the next, because the same words come again.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sensorium.decoding.token_words import Decode, begins_word
from sensorium.text.ngram import BEGIN, END, UNKNOWN, NGram

_MOST_STATES = 100_000
_INCOMPLETE = "\ufffd"  # what some bytes of a character decode to

Context = tuple[tuple[str, ...], tuple[int, ...]]


class WordScorer:
    """Scores for `beam_search`.

    language_model: of words; None for none. decode: the tokenizer's, from numbers to text. weight: of the language
    model's log probabilities. word_score: added for each word; above 0, it makes up for the language model's liking of
    few words. lexicon: when given, only these words may be written, and no token that has no text.
    """

    def __init__(
        self,
        language_model: NGram | None,
        *,
        vocab_size: int,
        decode: Decode,
        weight: float = 1.0,
        word_score: float = 0.0,
        lexicon: Iterable[str] | None = None,
    ) -> None:
        self._language_model, self._weight, self._word_score = language_model, weight, word_score
        self._vocab_size, self._decode = vocab_size, decode
        self._texts = [decode([token]) for token in range(vocab_size)]
        self._begins = np.array([begins_word(token, decode) for token in range(vocab_size)])
        self._lexicon = None if lexicon is None else frozenset(lexicon)
        self._prefixes = {word[:length] for word in self._lexicon or () for length in range(len(word) + 1)} | {""}
        self._clear()

    def start(self) -> int:
        """The state before the first token. Call it once a search: too many states are forgotten here."""
        if len(self._contexts) > _MOST_STATES:
            self._clear()
        return self._state(((BEGIN,) if self._memory else (), ()))

    def extend(self, states: Sequence[int], tokens: Sequence[int]) -> list[int]:
        """The state after each of these states and the token that follows it."""
        keys = [state * self._vocab_size + token for state, token in zip(states, tokens, strict=True)]
        known = self._next
        for key in keys:
            if key not in known:
                known[key] = self._after(*divmod(key, self._vocab_size))
        return [known[key] for key in keys]

    def scores(self, states: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is added for each token that may follow; minus infinity where it may not.

        states: (B, K). tokens: (B, k). Returns (B, K, k).
        """
        added = np.where(self._begins[tokens][:, None, :], self._completion[states][:, :, None], 0.0)
        if self._lexicon is not None:
            allowed = self._allowed[self._row[states][:, :, None], tokens[:, None, :]]
            added[~allowed] = -np.inf
        return added

    def end(self, state: int) -> tuple[float, int]:
        """What is added when the text ends here, and how many tokens at its end are to be taken off: white space.

        Amid a word that may not be written, what is added is minus infinity, and the tokens are the word's.
        """
        history, word = self._contexts[state]
        blank = not self._text(word)
        completion = 0.0 if blank else float(self._completion[state])
        if self._language_model is not None and completion > -np.inf:
            history, _ = self._complete(history, word)
            completion += self._weight * self._language_model.log_prob(history, END)
        return completion, len(word) if blank or completion == -np.inf else 0

    def _clear(self) -> None:
        self._contexts: list[Context] = []
        self._states: dict[Context, int] = {}
        self._next: dict[int, int] = {}
        self._completion = np.empty(1024)  # of a state: added by a token that begins the next word
        self._row = np.empty(1024, dtype=np.int64)  # of a state: its row in `allowed`
        self._rows: dict[tuple[int, ...], int] = {}
        self._allowed = np.empty((64, self._vocab_size), dtype=bool)  # what may follow the tokens of a word

    @property
    def _memory(self) -> int:
        """How many words before it a word depends on."""
        return 0 if self._language_model is None else self._language_model.order - 1

    def _text(self, word: tuple[int, ...]) -> str:
        return self._decode(word).strip()

    def _complete(self, history: tuple[str, ...], word: tuple[int, ...]) -> Context:
        """The context after the word has been completed."""
        text = self._text(word)
        if text and self._memory:
            known = self._language_model is not None and text in self._language_model
            history = (*history, text if known else UNKNOWN)[-self._memory :]
        return history, ()

    def _after(self, state: int, token: int) -> int:
        history, word = self._contexts[state]
        if self._begins[token]:
            history, word = self._complete(history, word)
        return self._state((history, (*word, token)))

    def _state(self, context: Context) -> int:
        """The number of a context, new or not."""
        if context not in self._states:
            state = self._states[context] = len(self._contexts)
            self._contexts.append(context)
            if state == len(self._completion):
                self._completion = np.resize(self._completion, 2 * state)
                self._row = np.resize(self._row, 2 * state)
            self._completion[state] = self._completed(*context)
            self._row[state] = -1 if self._lexicon is None else self._allowed_row(context[1])
        return self._states[context]

    def _completed(self, history: tuple[str, ...], word: tuple[int, ...]) -> float:
        text = self._text(word)
        if not text or (self._lexicon is not None and text not in self._lexicon):
            return -np.inf
        if self._language_model is None:
            return self._word_score
        return self._weight * self._language_model.log_prob(history, text) + self._word_score

    def _allowed_row(self, word: tuple[int, ...]) -> int:
        """The row of `allowed` for a word's tokens so far."""
        if word not in self._rows:
            row = self._rows[word] = len(self._rows)
            if row == len(self._allowed):
                self._allowed = np.resize(self._allowed, (2 * row, self._vocab_size))
            text = self._text(word)
            for token, piece in enumerate(self._texts):
                if self._begins[token]:
                    written = piece
                elif _INCOMPLETE in text or _INCOMPLETE in piece:
                    written = self._decode((*word, token)).strip().rstrip(_INCOMPLETE)
                else:
                    written = text + piece
                self._allowed[row, token] = bool(piece) and written.strip() in self._prefixes
        return self._rows[word]
