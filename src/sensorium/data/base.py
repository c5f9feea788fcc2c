"""What every dataset shares: the interface of a split, and the problems of its examples.

A dataset is a class with keyword-only arguments, an attribute `task`, and one method:

    load(*, on_bad: "fail" | "skip") -> Data
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from sensorium.batches import Batch
from sensorium.data.order import BatchPlan, Order
from sensorium.data.problem import Problem as Problem
from sensorium.data.strings import Places
from sensorium.errors import RequestError, unknown
from sensorium.specs import Spec

OnBad = Literal["fail", "skip"]
SPLITS = ("train", "val", "test")


class Split(Protocol):
    """One split of the data: N examples by row number. Several threads may read at once."""

    def __len__(self) -> int: ...

    @property
    def names(self) -> Sequence[str]:
        """The displayed name of each example, such as its file."""

    def read(self, rows: np.ndarray) -> Batch:
        """The batch of the rows (B,) int64."""

    def order(self, plan: BatchPlan) -> Order:
        """Which rows make which batch."""

    def subset(self, rows: np.ndarray) -> Any:
        """A split of these rows alone, in this order."""

    def joined(self, others: Sequence[Any]) -> Any:
        """A split of this one's examples, then those of others of its kind."""


@dataclass(frozen=True)
class Data:
    """A dataset, ready: three splits without a common example.

    problems: what was skipped, with on_bad=skip. notes: lines worth telling, such as how a split was held out. reading:
    those of them that an evaluation prints too, on how values were changed when they were read, such as clipped.
    places: of each split, where its examples are written; {} where they are made or drawn from a stream.
    """

    spec: Spec
    train: Any
    val: Any
    test: Any
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()
    places: Mapping[str, Places] = field(default_factory=dict)


def check_on_bad(on_bad: str) -> None:
    """A RequestError for a word that is neither "fail" nor "skip"."""
    if on_bad not in ("fail", "skip"):
        raise unknown("on_bad", on_bad, ("fail", "skip"))


def refuse(problems: Sequence[Problem], *, on_bad: OnBad) -> None:
    """With on_bad="fail", a RequestError with the count and the first ten problems, alike ones in one line."""
    check_on_bad(on_bad)
    if on_bad == "skip" or not problems:
        return
    alike: dict[str, list[str]] = {}
    for problem in problems[:10]:
        alike.setdefault(problem.named, []).append(problem.place)
    first = "\n".join(f"  {', '.join(places)}: {what}" for what, places in alike.items())
    more = f" ... and {len(problems) - 10} more" if len(problems) > 10 else ""
    count = counted(len(problems), "problem")
    raise RequestError(f"The data has {count}; on_bad=skip skips and lists the bad ones:\n{first}{more}")


def first_problem(problems: Sequence[Problem]) -> str:
    """A line to add to an error; empty when there is none."""
    return f"\nThe first problem: {problems[0]}" if problems else ""


def class_order(labels: Iterable[str]) -> list[str]:
    """Class names in order: as numbers when all are, else by letters."""
    names = sorted(set(labels))
    return sorted(names, key=int) if all(name.isascii() and name.isdigit() for name in names) else names


def counted(number: int, word: str) -> str:
    """ "1 image", "2,000 images"."""
    plural = "es" if word.endswith(("x", "s")) else "s"
    return f"{number:,} {word}{'' if number == 1 else plural}"
