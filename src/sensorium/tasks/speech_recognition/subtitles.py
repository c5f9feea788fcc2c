"""Transcripts as subtitles: SubRip (.srt) and WebVTT (.vtt).

A cue holds speech without a pause; it ends at a pause, or when it would be too long to read at once.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

PAUSE = 0.7  # seconds between words that begin a new cue
SHORTEST, LONGEST = 0.7, 6.0  # seconds of a cue
WIDEST = 74  # characters of a cue: two lines of 37, as broadcasters have them


class Timed(Protocol):
    """A word with its seconds."""

    @property
    def word(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


def cues(words: Iterable[Timed]) -> list[list[Timed]]:
    """Words in their order -> those of each cue."""
    found: list[list[Timed]] = []
    for word in words:
        if found and _belongs(found[-1], word):
            found[-1].append(word)
        else:
            found.append([word])
    return found


def _belongs(cue: Sequence[Timed], word: Timed) -> bool:
    letters = sum(len(one.word) + 1 for one in cue) + len(word.word)
    return word.start - cue[-1].end < PAUSE and word.end - cue[0].start <= LONGEST and letters <= WIDEST


def srt(words: Iterable[Timed]) -> str:
    """SubRip: numbered cues, with commas in the times. It has no entities: a text is written as it is."""
    blocks = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_timed(cues(words)), start=1)
    ]
    return "\n".join(blocks)


def vtt(words: Iterable[Timed]) -> str:
    """WebVTT: a header, points in the times, and entities for what would be a tag or a time."""
    blocks = [
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_escaped(text)}\n" for start, end, text in _timed(cues(words))
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _timed(found: Sequence[Sequence[Timed]]) -> Iterator[tuple[float, float, str]]:
    """Start, end and text of each cue. A short one stays to be read, as long as the next does not begin."""
    nexts = [*(cue[0].start for cue in found[1:]), math.inf]
    for cue, following in zip(found, nexts, strict=False):
        end = max(cue[-1].end, min(cue[0].start + SHORTEST, following))
        yield cue[0].start, end, " ".join(word.word for word in cue)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")


def _clock(seconds: float, point: str) -> str:
    """12.3456 -> 00:00:12.346"""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{point}{milliseconds % 1000:03d}"


SUBTITLES: dict[str, Callable[[Iterable[Timed]], str]] = {"srt": srt, "vtt": vtt}  # by the names of formats
