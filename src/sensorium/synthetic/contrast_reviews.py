"""Synthetic film reviews in which negation, degree and contrast decide the label, not the words themselves.

Every sentence comes from a grammar that knows what it says:

    plain       the acting was , I have to say , lovely in this film
    negated     the plot was by no means , in my honest view , dull in this film
    wrapped     I would not go so far as to claim that the plot was , I have to say , dull in this film
    contrast    although CLAUSE , CLAUSE / CLAUSE , although CLAUSE / CLAUSE , but CLAUSE: the main clause, and the one
                behind "but", decides
    degree      CLAUSE to a slight degree , and CLAUSE to an enormous degree: the stronger one decides

In the last two kinds the clauses are of opposite opinion. Between a negation, a degree or a connective and the
adjective always stand words that say nothing, so that pairs of neighbors tell no more than single words do.
"""

from collections.abc import Iterator

from sensorium.randomness import generator

_DRAWS = 32  # random numbers a sentence may take

_GOOD = (
    "lovely",
    "brilliant",
    "moving",
    "clever",
    "charming",
    "gripping",
    "witty",
    "fresh",
    "superb",
    "graceful",
    "sincere",
    "delightful",
)
_BAD = (
    "dull",
    "clumsy",
    "boring",
    "shallow",
    "tedious",
    "lifeless",
    "awkward",
    "stale",
    "dreadful",
    "sloppy",
    "hollow",
    "tiresome",
)
_SUBJECTS = (
    "the acting",
    "the plot",
    "the dialogue",
    "the ending",
    "the music",
    "the camera work",
    "the leading man",
    "the second half",
    "the opening scene",
    "the whole cast",
)
_VERBS = ("was", "seemed", "felt", "looked", "remained")
_ASIDES = (
    ", I have to say ,",
    ", in my honest view ,",
    ", as far as I can tell ,",
    ", to my own surprise ,",
    ", all things considered ,",
    ", after a second look ,",
)
_NEGATIONS = ("by no means", "in no way", "not", "never", "hardly", "at no point")
_WRAPPERS = (
    "nobody I know would say that",
    "I would not go so far as to claim that",
    "it is simply untrue that",
    "you could never convince me that",
    "I doubt very much that",
)
_BOOSTERS = ("", "very", "truly", "quite", "remarkably", "rather")
_TAILS = ("in this film", "on the big screen", "from where I sat", "most of the time", "once again", "this time around")
_SLIGHT = ("slight", "small", "modest", "minor")
_STRONG = ("enormous", "overwhelming", "exceptional", "immense")


def reviews(seed: int) -> Iterator[tuple[str, int]]:
    """Sentences, no one twice, and their labels: 1 for positive, 0 for negative."""
    seen: set[str] = set()
    block = 0
    while True:
        for draws in generator(seed, block).random((4096, _DRAWS)).tolist():
            text, label = _Sentence(draws).make()
            if text not in seen:
                seen.add(text)
                yield text, label
        block += 1


class _Sentence:
    """One sentence from its random numbers."""

    def __init__(self, draws: list[float]) -> None:
        self._draws = iter(draws)

    def make(self) -> tuple[str, int]:
        label = self._number(2)
        kind = self._number(10)
        if kind < 5:
            text = self._clause(label)
        elif kind < 8:
            text = self._contrast(label)
        else:
            text = self._degrees(label)
        return f"{text} .", label

    def _contrast(self, label: int) -> str:
        """Two clauses of opposite opinion, of which the one that counts has the label."""
        decides, yields = self._clause(label), self._clause(1 - label)
        form = self._number(3)
        if form == 0:
            return f"although {yields} , {decides}"
        return f"{decides} , although {yields}" if form == 1 else f"{yields} , but {decides}"

    def _degrees(self, label: int) -> str:
        """Two clauses of opposite opinion, of which the stronger one has the label."""
        stronger = f"{self._clause(label, wrapped=False)} to one {self._of(_STRONG)} degree"
        weaker = f"{self._clause(1 - label, wrapped=False)} to one {self._of(_SLIGHT)} degree"
        return f"{stronger} , and {weaker}" if self._number(2) else f"{weaker} , and {stronger}"

    def _clause(self, opinion: int, *, wrapped: bool = True) -> str:
        """A statement of this opinion; each of two possible negations turns it around."""
        wrapper = f"{self._of(_WRAPPERS)} " if wrapped and self._number(6) == 0 else ""
        negation = f"{self._of(_NEGATIONS)} " if self._number(4) == 0 else ""
        good = opinion ^ bool(wrapper) ^ bool(negation)
        booster = self._of(_BOOSTERS)
        words = (
            f"{wrapper}{self._of(_SUBJECTS)}",
            self._of(_VERBS),
            f"{negation}{self._of(_ASIDES)}",
            booster,
            self._of(_GOOD if good else _BAD),
            self._of(_TAILS),
        )
        return " ".join(word for word in words if word)

    def _number(self, below: int) -> int:
        return int(next(self._draws) * below)

    def _of(self, words: tuple[str, ...]) -> str:
        return words[self._number(len(words))]
