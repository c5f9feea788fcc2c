"""What a task has to say in a report, as data: tables, charts, a confusion matrix, examples to look at, texts.

The report layer draws them; run folders keep them as JSON (report.json), so that a report can be made again without
the data. Text in them is untrusted (class names, file names, the examples themselves) and is escaped when drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Cell = str | int | float | bool | None
Mark = Literal["", "wrong", "right", "missing"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """rows: cells in the order of the columns; None is an empty cell. note: a sentence below the title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, set of points or row of bars of a chart. points: (x, y); of bars, x is the middle of each; of steps, y
    holds from x to the next.
    """

    name: str
    points: Sequence[Sequence[float]]
    kind: Literal["line", "points", "bars", "dashed", "steps"] = "line"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """x_range, y_range: [low, high] where they do not follow from the points. marked: an x with a line through it, and
    mark what that is. note: a sentence below the title.
    """

    title: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    x_range: Sequence[float] | None = None
    y_range: Sequence[float] | None = None
    marked: float | None = None
    mark: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A confusion matrix: counts (K, K), a row is a true class. unit: of the counts."""

    title: str
    names: Sequence[str]
    counts: Sequence[Sequence[int]]
    unit: str = "examples"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A text with its label, in pieces, each with what is to be marked in it."""

    label: str
    pieces: Sequence[tuple[str, Mark]]


@dataclass(frozen=True, kw_only=True)
class ReportExample:
    """One example to look at. name: its file or row. target, predicted: in words; "" where there is none. correct: None
    where that has no meaning. score: confidence or quality from 0 to 1. groups: the classes that it is found under.
    image, audio: data: URIs. passages: what there is to read.
    """

    name: str
    target: str = ""
    predicted: str = ""
    correct: bool | None = None
    score: float | None = None
    groups: Sequence[str] = ()
    image: str = ""
    audio: str = ""
    passages: Sequence[Passage] = ()


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Examples, in an order that the note explains. total: how many there are, of which these are some. score: what the
    score of an example is called, grouped what its groups are. filtered: whether people can filter them; else they are
    just shown.
    """

    title: str
    examples: Sequence[ReportExample]
    total: int
    score: str = "confidence"
    grouped: str = "class"
    filtered: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Longer texts under headings, such as samples of a language model."""

    title: str
    items: Sequence[tuple[str, str]]
    note: str = ""


Section = Table | Chart | Matrix | Gallery | Texts
_KINDS: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in (Table, Chart, Matrix, Gallery, Texts)}


@dataclass(frozen=True, kw_only=True)
class ExampleScores:
    """A number for each example, by which two models are compared on the same ones. of: the examples' names; a run
    keeps one digest of them all.
    """

    name: str
    values: Sequence[float]
    of: Sequence[str] = field(repr=False)
    higher_is_better: bool = True


def as_dict(section: Section) -> dict[str, Any]:
    """As JSON stores it."""
    return {"kind": type(section).__name__.lower(), **asdict(section)}


def from_dict(stored: Mapping[str, Any]) -> Section:
    """The inverse of `as_dict`. Raises KeyError or TypeError for what is none."""
    values = dict(stored)
    kind = _KINDS[values.pop("kind")]
    if kind is Chart:
        values["series"] = [Series(**one) for one in values["series"]]
    if kind is Gallery:
        values["examples"] = [_example(one) for one in values["examples"]]
    found: Section = kind(**values)
    return found


def _example(stored: Mapping[str, Any]) -> ReportExample:
    values = dict(stored)
    values["passages"] = [Passage(**one) for one in values.get("passages", ())]
    for key, kind in (("image", "data:image/"), ("audio", "data:audio/")):
        if values.get(key) and not str(values[key]).startswith(kind):
            raise TypeError(f"{key} of an example is no {kind} URI")
    return ReportExample(**values)
