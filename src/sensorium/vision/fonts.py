"""Which installed fonts have the letters of a text: class names come in every script, and no one font has them all."""

import unicodedata
from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager

# Tried first, by script: fonts that look like matplotlib's own, and those that systems bring along.
PREFERRED = (
    *("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC"),
    *("Noto Sans JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("AR PL UMing CN", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "SimHei", "MS Gothic", "Yu Gothic"),
    *("Malgun Gothic", "Noto Sans Arabic", "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans Thai", "Noto Emoji", "Symbola", "Segoe UI Emoji", "Segoe UI Symbol", "Arial Unicode MS", "Unifont"),
)
_FOR_FORMULAS = ("cm", "STIX", "Last Resort", "DejaVu Math")  # what they have at a code point may be another sign
_SHOWN = 8  # letters that a note names


def missing(text: str, font: str) -> set[str]:
    """The letters of a text that the font in this file lacks; signs that are not drawn are none."""
    return {letter for letter in text if ord(letter) not in _letters(font) and not _is_mark(letter)}


def with_letters(letters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Installed fonts that together have these letters, as few as were found, by family; and the letters none has."""
    wanted, found = set(letters), []
    for family, path in _installed().items():
        if not wanted:
            break
        left = missing("".join(wanted), path)
        if left != wanted:
            found.append(family)
            wanted = left
    return found, wanted


def file_for(text: str) -> str:
    """The file of the font that has the most letters of a text."""
    return min(_installed().values(), key=lambda path: len(missing(text, path)))


def note(letters: Iterable[str]) -> str:
    """Notes for the user on letters that no installed font has."""
    named = sorted(letters)
    more = " ..." if len(named) > _SHOWN else ""
    return (
        f"plots: no installed font has {' '.join(named[:_SHOWN])}{more}; they are drawn as boxes. "
        "Install a font that does, such as Noto Sans CJK."
    )


@cache
def _installed() -> dict[str, str]:
    """The file of each font family, the preferred ones first."""
    fonts = sorted(
        font_manager.fontManager.ttflist,
        key=lambda font: ((font.style, font.weight) != ("normal", 400), font.name, font.fname),
    )
    known: dict[str, str] = {}
    for font in fonts:
        if not font.name.startswith(_FOR_FORMULAS):
            known.setdefault(font.name, font.fname)
    order = [*(name for name in PREFERRED if name in known), *(name for name in known if name not in PREFERRED)]
    return {name: known[name] for name in order}


@cache
def _letters(font: str) -> frozenset[int]:
    try:
        return frozenset(font_manager.get_font(font).get_charmap())
    except (OSError, RuntimeError):  # not a font that can be drawn with
        return frozenset()


def _is_mark(letter: str) -> bool:
    """A sign that only joins or shapes others: a zero-width joiner, the variation selector of an emoji."""
    return unicodedata.category(letter) in ("Cc", "Cf") or "\ufe00" <= letter <= "\ufe0f" or letter.isspace()
