"""What a folder or a CSV file says there is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sensorium.data.base import Problem, class_order, first_problem
from sensorium.data.io.paths import existing
from sensorium.errors import RequestError


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A picture and its class. part: train, val, test, or "" when nobody said. place: the file, or file:line."""

    path: Path
    label: str
    part: str
    place: str

    def problem(self, what: str) -> Problem:
        return Problem(self.place, what if self.place == str(self.path) else f"{self.path}: {what}")


@dataclass
class FileList:
    """source: the folder or CSV file."""

    source: Path
    files: list[LabelledFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def existing_image_source(key: str, given: str | None, *, folder: bool) -> Path:
    """`existing`, with a hint which dataset reads what was named instead."""
    if folder:
        table = given is not None and Path(given).suffix.lower() in (".csv", ".tsv", ".txt")
        hint = "Unpack it first, if it is an archive."
        if table:
            hint = f"For a list of files and labels say dataset=image_csv dataset.path={given}."
        return existing(key, given, what="folder", hint=hint)
    return existing(key, given, hint="For a folder of class folders say dataset=image_folder dataset.root=FOLDER.")


def need_two_classes(found: FileList, labels: Iterable[str]) -> None:
    """A RequestError when there is nothing to tell apart."""
    names = class_order(labels)
    if len(names) < 2:
        first = first_problem(found.problems)
        there = f"only the class {names[0]!r}" if names else "no class"
        raise RequestError(f"{found.source} has {there} with usable training pictures; at least two are needed.{first}")
