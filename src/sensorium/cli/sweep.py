"""A sweep: one training for each combination of values, and one table at its end."""

import json
import os
import shlex
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium import distributed, output, runs
from sensorium.cli.app import Config, run_hydra
from sensorium.errors import RequestError, RunError, SensoriumError
from sensorium.files import write_atomically
from sensorium.runs import Run
from sensorium.training import launch

REPEATS = ("seed", "dataset.fold")  # what differs between repeats of one and the same thing


@dataclass(frozen=True)
class Recorder:
    """Where one job of a sweep notes how it went; jobs may run in other processes."""

    path: Path
    overrides: list[str]

    @classmethod
    def of(cls, hydra: Any) -> "Recorder | None":
        """For the running job; None outside a sweep."""
        folder = os.environ.get("SENSORIUM_SWEEP")
        if folder is None or hydra.job.get("num") is None:
            return None
        return cls(Path(folder) / f"job_{hydra.job.num:04d}.json", list(hydra.overrides.task))

    def done(self, run: Run) -> None:
        metrics = runs.read_metrics(run) if run.metrics.exists() else {}
        self._write(run=str(run.folder), metrics=metrics)

    def failed(self, error: SensoriumError) -> None:
        self._write(error=str(error), status=error.exit_status)

    def _write(self, **result: Any) -> None:
        write_atomically(self.path, json.dumps({"overrides": self.overrides} | result))


def run(arguments: list[str], job: Callable[[Config], None]) -> int:
    """Runs the jobs one after the other (or as hydra/launcher says), then shows and writes the table.

    Exit status 1 when a job failed; the others are run and shown all the same.
    """
    root = next((a.partition("=")[2] for a in arguments if a.startswith("run_root=")), "runs")
    launch.join()
    folder = Path(launch.agree(str(runs.create(Path(root), "sweeps").folder) if distributed.rank() == 0 else None))
    os.environ["SENSORIUM_SWEEP"] = str(folder.resolve())
    try:
        run_hydra("train", [*arguments, f"hydra.sweep.dir={folder}"], job)
    except RequestError:
        runs.discard(Run(folder))  # before the first job
        raise
    finally:
        del os.environ["SENSORIUM_SWEEP"]
    if distributed.rank() != 0:
        return 0
    jobs = [json.loads(path.read_text()) for path in sorted(folder.glob("job_*.json"))]
    if not jobs:
        raise RunError("The sweep had no jobs.")
    if all(job.get("status") == RequestError.exit_status for job in jobs):
        runs.discard(Run(folder))
        raise RequestError(f"Every job of the sweep was refused. The first: {jobs[0]['error']}")
    return _show(jobs, folder)


def _show(jobs: list[dict[str, Any]], folder: Path) -> int:
    records = summary(jobs)
    write_atomically(folder / "sweep.csv", output.as_csv(records))
    console = output.console()
    console.print()
    console.print(
        output.table([{key: value for key, value in r.items() if key != "run"} for r in records], title="sweep")
    )
    done = [job for job in jobs if job.get("metrics")]
    if done:
        best = max(done, key=lambda job: _goodness(job["metrics"]))
        console.print(f"\nbest: {best['run']}")
        console.print(f"repeat it: {shlex.join(['sensorium', 'train', *best['overrides']])}")
    console.print(f"as CSV: {folder / 'sweep.csv'}")
    return 1 if any("error" in job for job in jobs) else 0


def _goodness(metrics: dict[str, float]) -> float:
    """More is better: what a person would look at first, else the loss."""
    name = next((name for name in ("test/accuracy", "test/bleu") if name in metrics), None)
    return metrics[name] if name else -metrics.get("test/loss", float("inf"))


def summary(jobs: list[dict[str, Any]]) -> list[output.Record]:
    """One row for all jobs that differ in seed and fold only: what differs, seeds, mean and deviation, run folders."""
    parsed = [dict(item.lstrip("+").partition("=")[::2] for item in job["overrides"]) for job in jobs]
    names = list(dict.fromkeys(name for item in parsed for name in item if name not in REPEATS))
    varied = [name for name in names if len({item.get(name) for item in parsed}) > 1]
    grouped: dict[tuple[str, ...], list[int]] = {}
    for number, item in enumerate(parsed):
        grouped.setdefault(tuple(item.get(name, "") for name in varied), []).append(number)
    return [
        dict(zip(varied, key, strict=True)) | _row([jobs[n] for n in members], [parsed[n] for n in members])
        for key, members in grouped.items()
    ]


def _row(jobs: list[dict[str, Any]], overrides: list[dict[str, str]]) -> output.Record:
    record: output.Record = {"seed": " ".join(dict.fromkeys(item.get("seed", "0") for item in overrides))}
    if folds := [item["dataset.fold"] for item in overrides if "dataset.fold" in item]:
        record["fold"] = " ".join(dict.fromkeys(folds))
    measured = [job["metrics"] for job in jobs if job.get("metrics")]
    for name in dict.fromkeys(name for metrics in measured for name in metrics):
        values = [metrics[name] for metrics in measured if name in metrics]
        deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        record[name.removeprefix("test/")] = f"{statistics.mean(values):z.4f}{deviation}"
    record["run"] = " ".join(job["run"] for job in jobs if "run" in job)
    if errors := [job["error"] for job in jobs if "error" in job]:
        record["failed"] = errors[0].splitlines()[0]
    return record
