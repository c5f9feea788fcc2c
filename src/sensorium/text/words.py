"""Text as words, numbers and punctuation marks.

What a token is (`split_words`), after Unicode normalization NFKC, which makes one of the ways to write a character:

- a word: letters, digits and their combining marks; an apostrophe inside belongs to it ("o'clock");
- an English ending after an apostrophe, as Y. Kim's clean_str splits it ("Convolutional Neural Networks for Sentence
  Classification", 2014, arXiv 1408.5882): "don't" -> "do" "n't", "she's" -> "she" "'s", so that a negation is the
  same token after every verb. This is also how the words of GloVe's vectors are cut;
- a number with points or commas inside ("3.5", "1,000");
- one Chinese character or Japanese kana, because these are written without spaces;
- any other character that is not white space, such as one punctuation mark or emoji, with its combining marks.

What differs from clean_str: no character is thrown away. Languages without spaces other than Chinese and Japanese,
such as Thai, are better read by characters or BPE.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import count, groupby
from typing import NamedTuple

from sensorium.text.tokenizer import clean
from sensorium.text.vocabulary import PieceTokenizer

# Typographic apostrophe; soft hyphen and byte order mark, which are invisible; the space of width zero.
_REPLACED = {0x2019: "'", 0x00AD: None, 0xFEFF: None, 0x200B: " "}
# Ideographs with their iteration marks, kana with their length mark, extensions of both.
_UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
_ENDING = r"'(?:s|m|d|ll|re|ve)"

_NO_SPACE_BEFORE = frozenset(",.!?;:)]}%、。」』】》”")
_NO_SPACE_AFTER = frozenset("([{$£€#@¿¡「『【《“、。」』】》")


class _Patterns(NamedTuple):
    ending: re.Pattern[str]  # an English ending that hangs on a word
    token: re.Pattern[str]
    unspaced: re.Pattern[str]
    hanging: re.Pattern[str]  # a token that is such an ending


@cache
def _patterns() -> _Patterns:
    # Python's \w has no combining marks, without which words of Hindi or Tamil fall apart. With them, the two
    # joiners: invisible, inside Persian words and between emoji.
    marks = [0x200C, 0x200D]
    for block in (range(0x300, 0x1F000), range(0xE0100, 0xE01F0)):
        marks += [code for code in block if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]
    mark = _character_class(sorted(set(marks)))
    letter = rf"[^\W_{_UNSPACED}]"
    word = rf"{letter}+(?:[{mark}]+{letter}*)*"
    return _Patterns(
        ending=re.compile(rf"(?<=[\w{mark}])(?i:n't|{_ENDING})\b"),
        token=re.compile(rf"\d+(?:[.,]\d+)+|[{_UNSPACED}]|{word}(?:'{word})*|(?i:{_ENDING})\b|\S[{mark}]*"),
        unspaced=re.compile(rf"[{_UNSPACED}]"),
        hanging=re.compile(rf"(?i:n't|{_ENDING})"),
    )


def _character_class(codes: Iterable[int]) -> str:
    """The inside of a regular expression's [...] that matches these code points, given in rising order."""
    ranges = []
    for _, run in groupby(zip(codes, count(), strict=False), key=lambda pair: pair[0] - pair[1]):
        members = [code for code, _ in run]
        ranges.append(f"{chr(members[0])}-{chr(members[-1])}")
    return "".join(ranges)


def split_words(text: str, *, lowercase: bool) -> list[str]:
    """The tokens of a text, as the head of this file describes them."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", clean(text, lowercase=False).translate(_REPLACED))
    if lowercase:
        text = text.lower()
    patterns = _patterns()
    return patterns.token.findall(patterns.ending.sub(r" \g<0>", text))


def join_words(words: Iterable[str]) -> str:
    """Words as text: a space between them, but none before a comma or an English ending, nor after "(".

    The spaces of the text they came from are not known; Chinese characters and kana are joined without.
    """
    patterns, parts, previous = _patterns(), [], ""
    for word in words:
        close = (
            not previous
            or word in _NO_SPACE_BEFORE
            or previous in _NO_SPACE_AFTER
            or _hangs(word, previous)
            or (patterns.unspaced.match(previous) and patterns.unspaced.match(word))
        )
        parts.append(word if close else f" {word}")
        previous = word
    return "".join(parts)


def _hangs(word: str, previous: str) -> bool:
    """An English ending is written without a space before it; two are cut apart again only at an apostrophe."""
    hanging = _patterns().hanging
    return bool(hanging.fullmatch(word) and (word.startswith("'") or not hanging.fullmatch(previous)))


class WordTokenizer(PieceTokenizer):
    """A word that is not in the list becomes UNK. Decoding gives a readable text, not the exact one."""

    kind = "word"
    name = "words"

    split = staticmethod(split_words)
    join = staticmethod(join_words)
