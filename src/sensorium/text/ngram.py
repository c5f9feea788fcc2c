"""N-gram language models with smoothed counts, as in every speech recognizer before neural ones.

Interpolated modified Kneser-Ney smoothing: R. Kneser and H. Ney, "Improved Backing-off for M-gram Language Modeling",
1995; S. Chen and J. Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", 1999, section 3.
They found it the best at every size of training text. As in KenLM's lmplz (K. Heafield et al., 2013):

- single words are interpolated with all words being equally probable, <unk> and </s> among them, so that no word has
  probability 0;
- the three discounts of each length come from how many n-grams were seen once, twice, three and four times. In a tiny
  or regular text, such as digits, one of these may be none, and the discounts undefined or out of range: then they are
  0.5, 1 and 1.5, for that length only.

Words are what stands between white space.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sensorium.errors import RequestError
from sensorium.text.arpa import Tables, Words, read_arpa, write_arpa

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_SPECIAL = (BEGIN, END, UNKNOWN)
_NEVER = -99.0  # log10 of the probability of <s>, which is given, never predicted
_MISSING = -100.0  # of an unknown word, in a model without <unk>; KenLM's choice
_PLAIN_DISCOUNTS = (0.5, 1.0, 1.5)
_LN10 = math.log(10)


class NGram:
    """A back-off model: the probability of the longest n-gram it knows, times the weights of the contexts skipped.

    tables: as in an ARPA file.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._log10, self._backoff = tables.log10, tables.backoff

    @property
    def order(self) -> int:
        """The number of words of its longest n-grams; the last one depends on order - 1 others."""
        return self._tables.order

    @property
    def words(self) -> list[str]:
        """The words it knows, without <s>, </s> and <unk>."""
        return [words[0] for words in self._log10 if len(words) == 1 and words[0] not in _SPECIAL]

    def __contains__(self, word: str) -> bool:
        return (word,) in self._log10

    def log_prob(self, history: Sequence[str], word: str) -> float:
        """The natural logarithm of the probability of a word, or of </s>, after others.

        history: the words before it, of which the last order - 1 count; <s> first, when the sentence begins there. A
        word that is not known counts as <unk>, here and there.
        """
        words = tuple(one if (one,) in self._log10 else UNKNOWN for one in (*history[-self.order :], word))
        words = words[-self.order :]
        weight = 0.0
        while words not in self._log10:
            if len(words) == 1:
                return (weight + _MISSING) * _LN10
            weight += self._backoff.get(words[:-1], 0.0)
            words = words[1:]
        return (weight + self._log10[words]) * _LN10

    def sentence_log_prob(self, sentence: str) -> float:
        """The natural logarithm of the probability of a sentence and its end."""
        words = [BEGIN, *sentence.split(), END]
        return sum(self.log_prob(words[:place], words[place]) for place in range(1, len(words)))

    def perplexity(self, sentences: Iterable[str]) -> float:
        """The inverse of the geometric mean of the probabilities of all words, unknown ones too, and sentence ends.

        Raises RequestError when there is no sentence.
        """
        total, count = 0.0, 0
        for sentence in sentences:
            total += self.sentence_log_prob(sentence)
            count += len(sentence.split()) + 1
        if not count:
            raise RequestError("The perplexity of no sentences at all is not defined; give at least one.")
        return math.exp(-total / count)

    def to_arpa(self) -> str:
        """The text of an ARPA file, as KenLM reads it."""
        return write_arpa(self._tables)

    @classmethod
    def from_arpa(cls, text: str) -> "NGram":
        """The model in the text of an ARPA file. Raises RequestError when it is not one."""
        return cls(read_arpa(text))


def estimate(sentences: Iterable[str], *, order: int) -> NGram:
    """The model of some sentences, smoothed as the head of this file says.

    Raises RequestError when order is below 1, when no sentence has a word, or when <s>, </s> or <unk> is among them.
    """
    if order < 1:
        raise RequestError(f"An n-gram model of order {order} does not exist; give 1 (single words) or more.")
    counts = _adjusted(_count(sentences, order))
    vocabulary = 1 + len(counts[0])  # <unk>, and the words with </s>
    probability: dict[Words, float] = {(): 1 / vocabulary}
    weights: dict[Words, float] = {}
    for level in counts:
        discounts = _discounts(level)
        totals: Counter[Words] = Counter()
        left: defaultdict[Words, float] = defaultdict(float)  # mass taken from the n-grams that begin with these words
        for words, count in level.items():
            totals[words[:-1]] += count
            left[words[:-1]] += _discount(discounts, count)
        weights |= {context: left[context] / total for context, total in totals.items()}
        for words, count in level.items():
            context = words[:-1]
            own = (count - _discount(discounts, count)) / totals[context]
            probability[words] = own + weights[context] * probability[words[1:]]
    return NGram(_tables(order, probability, weights, unknown=weights[()] / vocabulary))


def _count(sentences: Iterable[str], order: int) -> list[Counter[Words]]:
    """How often each n-gram of each length occurs; <s> stands once before a sentence, and is never counted alone."""
    counts: list[Counter[Words]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        words = (BEGIN, *sentence.split(), END)
        if any(mark in words[1:-1] for mark in _SPECIAL):
            raise RequestError(f"{', '.join(_SPECIAL)} mean something else and cannot be words: {sentence[:80]!r}.")
        for length, counter in enumerate(counts, start=1):
            counter.update(zip(*(words[start:] for start in range(length)), strict=False))
    if len(counts[0]) <= 2:
        raise RequestError("A language model needs at least one sentence with a word in it.")
    del counts[0][(BEGIN,)]
    return counts


def _adjusted(counts: list[Counter[Words]]) -> list[Counter[Words]]:
    """Instead of counts below the maximum length: how many different words stand before the n-gram.

    Before <s> nothing stands, so what begins with it keeps its count.
    """
    adjusted = [counts[-1]]
    for shorter, longer in zip(reversed(counts[:-1]), reversed(counts[1:]), strict=True):
        before: Counter[Words] = Counter()
        before.update(words[1:] for words in longer)
        adjusted.append(
            Counter({words: count if words[0] == BEGIN else before[words] for words, count in shorter.items()})
        )
    return adjusted[::-1]


def _discounts(counts: Mapping[Words, int]) -> tuple[float, float, float]:
    """What is taken off n-grams counted once, twice, and more often (Chen and Goodman 1999, equation 26)."""
    seen = Counter(count for count in counts.values() if count <= 4)
    if not (seen[1] and seen[2] and seen[3]):
        return _PLAIN_DISCOUNTS
    ratio = seen[1] / (seen[1] + 2 * seen[2])
    found = tuple(k - (k + 1) * ratio * seen[k + 1] / seen[k] for k in (1, 2, 3))
    if not all(0 < discount <= k for k, discount in enumerate(found, start=1)):
        return _PLAIN_DISCOUNTS
    return found[0], found[1], found[2]


def _discount(discounts: tuple[float, float, float], count: int) -> float:
    return discounts[min(count, 3) - 1]


def _tables(
    order: int, probability: Mapping[Words, float], weights: Mapping[Words, float], *, unknown: float
) -> Tables:
    """Logarithms of all, <s> and <unk> with them; the longest n-grams have no weight."""
    log10: dict[Words, float] = {(UNKNOWN,): math.log10(unknown), (BEGIN,): _NEVER}
    log10 |= {words: math.log10(value) for words, value in probability.items() if words}
    backoff = {words: math.log10(value) for words, value in weights.items() if words}
    return Tables(order, log10, backoff)
