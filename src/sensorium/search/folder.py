"""Paths inside the folder of a search, and the arguments that it was started with. No Optuna."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sensorium
from sensorium.errors import RequestError
from sensorium.files import json_object, json_text, json_value, write_atomically

_FORMAT = 1


@dataclass(frozen=True)
class SweepFolder:
    """Paths inside the folder of a search."""

    folder: Path

    @property
    def request(self) -> Path:
        """sweep.json: the arguments, by which a folder is known as that of a search."""
        return self.folder / "sweep.json"

    @property
    def journal(self) -> Path:
        return self.folder / "journal.log"

    @property
    def database(self) -> Path:
        """The journal's place where several processes search (search.storage=sqlite)."""
        return self.folder / "journal.sqlite"

    @property
    def workers(self) -> Path:
        """The folder of a lock for each of those processes."""
        return self.folder / "workers"

    @property
    def table(self) -> Path:
        return self.folder / "sweep.csv"

    @property
    def summary(self) -> Path:
        """What the search came to: trials, the metric, its best value, seconds of the trainings."""
        return self.folder / "summary.json"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def plots(self) -> Path:
        return self.folder / "plots"

    def trial(self, number: int) -> Path:
        """The run folder of a trial, or the folder of those of its repeats."""
        return self.folder / "trials" / f"{number:04d}"

    def compared(self, name: str) -> Path:
        """The run folder of a training for the comparison of the best setting with the default one."""
        return self.folder / "comparison" / name


def write_request(sweep: SweepFolder, arguments: Sequence[str]) -> None:
    """sweep.json."""
    stored = {"format": _FORMAT, "sensorium": sensorium.__version__, "arguments": list(arguments)}
    write_atomically(sweep.request, json_text(stored, indent=2) + "\n")


def read_request(sweep: SweepFolder) -> list[str]:
    """The arguments of a search. Raises RequestError for a file that is none of ours, or a later version's."""
    try:
        stored = json_value(sweep.request.read_text(encoding="utf-8"))
        number, arguments = stored["format"], stored["arguments"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{sweep.request} cannot be read: {error}.") from error
    if number != _FORMAT:
        raise RequestError(f"{sweep.request} has format {number}, of a later Sensorium; this one knows {_FORMAT}.")
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        raise RequestError(f"{sweep.request} has no list of arguments.")
    return arguments


def read_json(path: Path) -> dict[str, Any]:
    """A small file of a run; {} where the run has not written it. Raises RunError for a damaged one."""
    return json_object(path) if path.exists() else {}
