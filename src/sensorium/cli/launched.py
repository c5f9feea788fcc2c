"""One training in a job of an engine: submitted, followed on the screen, and ended as if it had run here."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from sensorium import runs
from sensorium.cli.engines import engine_of, section_of
from sensorium.errors import RequestError, RunError
from sensorium.launchers.base import OUTPUT, Engine
from sensorium.launchers.remote import RemoteJob, begin
from sensorium.run_config import RunConfig
from sensorium.run_folder import RunFolder
from sensorium.search.training import Training
from sensorium.training import launch
from sensorium.training.interrupts import Interrupted, StopRequest

_PAUSE = 0.2  # seconds between two looks


def engine_for(config: dict[str, Any], *, in_sweep: bool = False) -> Engine | None:
    """The engine that is to carry out a training; None for this machine. Raises RequestError for what cannot be."""
    engine = engine_of(config["launcher"])
    if engine is None:
        launch.check_devices(config["trainer"], force=config["force"])
        return None
    for key in ("trace", "show_batch"):
        if config.get(key) is not None:
            raise RequestError(f"{key} shows how a training begins, here: leave out launcher={engine.name}.")
    if launch.is_launched():
        raise RequestError(f"launcher={engine.name} starts the processes itself. Start it once, without torchrun.")
    if in_sweep:
        raise RequestError(f"launcher={engine.name} is for a single training and for a search. Add search=grid.")
    return engine


def run_config(config: dict[str, Any]) -> RunConfig:
    """The config of a training. In a job threads=auto are the cores that it gets, and not those of its machine."""
    found = RunConfig.from_dict(config)
    cores = config["launcher"].get("cpus")
    return found if cores is None or found.threads != "auto" else replace(found, threads=cores)


def resume(path: Path, own: list[str], rest: list[str]) -> RunFolder | None:
    """A run that is resumed in a job, where the arguments about the launcher ask for one; None where they do not."""
    section = section_of(own)
    if section["engine"] == "local":
        return None
    engine = engine_for({"launcher": section})
    assert engine is not None
    run = runs.find(path)
    train(engine, run, rest, wait=section["wait"])
    return run


def train(engine: Engine, run: RunFolder, arguments: list[str], *, wait: bool) -> None:
    """The training of a run folder, with these overrides. wait: to its end, showing what it prints.

    Raises what a training here would raise: RequestError for a request that turns out to be wrong, RunError for one
    that fails, Interrupted when this process is asked to stop, which leaves the job alone.
    """
    output = run.folder / OUTPUT
    begun = output.stat().st_size if output.exists() else 0
    job = begin(engine, run, arguments)
    print(f"{job.name}, run folder: {run.folder}", flush=True)
    if not wait:
        print(f"Follow it with: tail -F {output}\n{how_to_cancel(job)}", flush=True)
        return
    status = _follow(job, begun)
    if status:
        why = Training(run, job).error(status)
        kind = RequestError if status == RequestError.exit_status else RunError
        error = kind(f"{job.name} failed: {why}\nEverything it printed: {output}")
        error.exit_status = status
        raise error


def how_to_cancel(job: RemoteJob) -> str:
    """For a message."""
    return f"Cancel it with: {job.engine.how_to_cancel(job.record.job)}"


def _follow(job: RemoteJob, begun: int) -> int:
    """Prints what the job prints, from an offset of its output on, until it ends; its exit status."""
    output, said = job.run.folder / OUTPUT, ""
    stop = StopRequest()
    stop.listen()
    try:
        while not stop.signal_number:
            status = job.poll()
            begun = _print_more(output, begun)
            if status is not None:
                return status if status >= 0 else 128 - status
            if (where := job.where) != said:
                said = where
                print(f"{job.name}: {said}", flush=True)
            time.sleep(_PAUSE)
    finally:
        stop.ignore()
    message = f"{job.name} continues without this command. Follow it with: tail -F {output}\n{how_to_cancel(job)}"
    raise Interrupted(message, stop.signal_number)


def _print_more(output: Path, begun: int) -> int:
    """What is new in a file; how far it has been read."""
    if not output.exists():
        return begun
    with output.open("rb") as file:
        file.seek(begun)
        new = file.read()
    sys.stdout.write(new.decode("utf-8", errors="replace"))
    sys.stdout.flush()
    return begun + len(new)
