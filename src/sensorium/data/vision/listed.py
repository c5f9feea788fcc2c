"""What a folder or a CSV file says there is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sensorium.data.base import Problem, class_order, first_problem
from sensorium.errors import RequestError
from sensorium.files import meant


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


def existing(key: str, given: str | None, *, folder: bool) -> Path:
    """The folder or file that dataset.KEY names. Raises RequestError when it is not there, or is the other kind."""
    kind, other = ("folder", "file") if folder else ("file", "folder")
    if given is None:
        raise RequestError(f"dataset.{key} is not set. Give a {kind}: dataset.{key}={kind.upper()}.")
    path = Path(given).expanduser()
    if not path.exists():
        raise RequestError(f"dataset.{key}={given}: there is no such {kind}.{meant(path)}")
    if path.is_dir() != folder:
        raise RequestError(f"dataset.{key}={given} is a {other}; a {kind} is needed.{_other_way(path, folder)}")
    return path


def _other_way(path: Path, folder: bool) -> str:
    if not folder:
        return "\nFor a folder of class folders say dataset=image_folder dataset.root=FOLDER."
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return f"\nFor a list of files and labels say dataset=image_csv dataset.path={path}."
    return "\nUnpack it first, if it is an archive."


def need_two_classes(found: FileList, labels: Iterable[str]) -> None:
    """A RequestError when there is nothing to tell apart."""
    names = class_order(labels)
    if len(names) < 2:
        first = first_problem(found.problems)
        there = f"only the class {names[0]!r}" if names else "no class"
        raise RequestError(f"{found.source} has {there} with usable training pictures; at least two are needed.{first}")
