"""A sweep: one training for each combination of values, and one table at its end."""

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from sensorium import distributed, output, runs
from sensorium.cli.app import Config, run_hydra, typed
from sensorium.cli.literal import literal, quoted, typed_path
from sensorium.errors import RequestError, RunError, SensoriumError
from sensorium.files import json_text, write_atomically
from sensorium.runs import RunFolder
from sensorium.search.groups import best, grouped, narrowed, optional_columns
from sensorium.training import group


@dataclass(frozen=True)
class Recorder:
    """Where one job of a sweep notes how it went; jobs may run in other processes."""

    path: Path
    overrides: list[str]
    number: int

    @classmethod
    def of(cls, hydra: Any) -> "Recorder | None":
        """For the running job; None outside a sweep."""
        folder = os.environ.get("SENSORIUM_SWEEP")
        if folder is None or hydra.job.get("num") is None:
            return None
        number = int(hydra.job.num)
        return cls(Path(folder) / f"job_{number:04d}.json", typed(hydra.overrides.task), number)

    def header(self) -> str:
        """Which job it is, and what is special about it: "2/4: model=lenet seed=1"."""
        total, _, swept = os.environ["SENSORIUM_SWEPT"].partition(":")
        keys = swept.split(",")
        special = [item for item in self.overrides if not swept or item.lstrip("+").partition("=")[0] in keys]
        return f"{self.number + 1}{total and '/'}{total}: {' '.join(special)}"

    def done(self, run: RunFolder) -> None:
        metrics = runs.read_metrics(run) if run.metrics.exists() else {}
        self._write(run=str(run.folder), metrics=metrics, summary=runs.read_summary(run))

    def failed(self, error: SensoriumError) -> None:
        self._write(error=str(error), status=error.exit_status)

    def _write(self, **result: Any) -> None:
        write_atomically(self.path, json_text({"overrides": self.overrides} | result))


def run(arguments: list[str], job: Callable[[Config], None]) -> int:
    """Runs the jobs one after the other (or as hydra/launcher says), then shows and writes the table.

    Exit status 1 when a job failed; the others are run and shown all the same.
    """
    root = typed_path(next((a.partition("=")[2] for a in arguments if a.startswith("run_root=")), "runs"))
    group.join()
    folder = Path(distributed.agree(str(runs.create(root, "sweeps").folder) if distributed.rank() == 0 else None))
    os.environ["SENSORIUM_SWEEP"] = str(folder.resolve())
    os.environ["SENSORIUM_SWEPT"] = _swept(arguments)
    try:
        run_hydra("train", [*arguments, f"hydra.sweep.dir={quoted(str(folder))}"], job)
    except RequestError:
        runs.discard(RunFolder(folder))  # before the first job
        raise
    finally:
        del os.environ["SENSORIUM_SWEEP"], os.environ["SENSORIUM_SWEPT"]
    if distributed.rank() != 0:
        return 0
    jobs = [json.loads(path.read_text()) for path in sorted(folder.glob("job_*.json"))]
    if not jobs:
        raise RunError("The sweep had no jobs.")
    if all(job.get("status") == RequestError.exit_status for job in jobs):
        runs.discard(RunFolder(folder))
        raise RequestError(f"Every job of the sweep was rejected. The first: {jobs[0]['error']}")
    return _show(jobs, folder)


def _swept(arguments: list[str]) -> str:
    """The number of jobs and the keys that they differ in, as "4:model,seed"; empty where only the sweeper knows."""
    overrides = [argument for argument in literal(arguments) if "=" in argument and not argument.startswith("-")]
    if any(argument.startswith("hydra") for argument in overrides):
        return ""
    with suppress(HydraException, ValueError, TypeError):
        swept = [item for item in OverridesParser.create().parse_overrides(overrides) if item.is_sweep_override()]
        count = math.prod(len(list(item.sweep_iterator())) for item in swept)
        return f"{count}:{','.join(item.key_or_group for item in swept)}"
    return ""


def _show(jobs: list[dict[str, Any]], folder: Path) -> int:
    groups = grouped(jobs)
    records = [group.record() for group in groups]
    write_atomically(folder / "sweep.csv", output.as_csv([group.numbers() for group in groups]))
    console = output.console()
    console.print()
    console.print(output.table(narrowed(records, optional=optional_columns(groups)), title="sweep"))
    winner = best(groups)
    if winner is not None:
        console.print(f"\n{'best by ' if winner.varied else ''}{winner.monitor}: {winner.described()}")
        if winner.varied:
            console.print(f"repeat it: {winner.command()}")
    console.print(f"as CSV: {folder / 'sweep.csv'}")
    return 1 if any("error" in job for job in jobs) else 0
