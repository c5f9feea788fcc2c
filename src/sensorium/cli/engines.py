"""launcher=slurm and launcher=ray: from the section of the config to the engine, with what it takes checked first."""

import os
from collections.abc import Sequence
from dataclasses import MISSING, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sensorium.cli.app import composed
from sensorium.cli.launcher_rules import minutes
from sensorium.errors import RequestError, missing_extra
from sensorium.launchers import slurm
from sensorium.launchers.base import OUTPUT, Engine, read_end, read_record
from sensorium.launchers.inside import JOB
from sensorium.launchers.ray import Ray
from sensorium.launchers.slurm import Slurm
from sensorium.run_folder import RunFolder

_ENGINES: dict[str, type[Slurm] | type[Ray]] = {"slurm": Slurm, "ray": Ray}
_PACKAGES = {"slurm": "submitit", "ray": "ray"}  # of the extra that has the engine's name


def engine_of(section: dict[str, Any]) -> Engine | None:
    """The engine of a checked section; None for this machine. Raises RequestError for one that is not to be had."""
    name = section["engine"]
    if name == "local":
        return None
    if find_spec(_PACKAGES[name]) is None:
        raise missing_extra(_PACKAGES[name], name)
    own = {one.name for one in fields(_ENGINES[name]) if one.default is MISSING and one.name[0] != "_"}
    keys = {"engine", "wait", *own}
    if strange := sorted(keys ^ {*section}):
        raise RequestError(
            f"launcher.{strange[0]} does not fit launcher.engine={name}. Choose it with launcher={name}."
        )
    given = {key: value for key, value in section.items() if key not in ("engine", "wait")}
    if name == "slurm":
        given |= {key: None if given[key] is None else str(given[key]) for key in ("partition", "account")}
        return Slurm(**given | {"time": minutes(given["time"])})
    return Ray(**given)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Arguments about the launcher, and the others."""
    own = [one for one in arguments if one.lstrip("+~").partition("=")[0].partition(".")[0] == "launcher"]
    return own, [one for one in arguments if one not in own]


def section_of(own: list[str]) -> dict[str, Any]:
    """The launcher that the arguments about it ask for, checked."""
    found: dict[str, Any] = composed("train", own)["launcher"]
    return found


def check_no_job(run: RunFolder, engine: Engine | None) -> None:
    """Raises RequestError for a run whose job has not ended. engine: that is to train it now; None for this machine.

    A cluster that the person has not named is not asked: job.json may come from anywhere.
    """
    record = read_record(run)
    if record is None or os.environ.get(JOB) == str(run.folder.resolve()) or read_end(run, record.job) is not None:
        return
    if engine is not None and engine.name == record.launcher:
        asked: str | None = engine.find(run)
    elif record.launcher == "slurm" and slurm.is_here():
        asked = slurm.find(run)
    else:
        where = f" launcher.address={record.address}" if record.address else ""
        raise RequestError(
            f"{run.folder} was handed to launcher={record.launcher}, where no end of it was noted.\n"
            f"Resume it with launcher={record.launcher}{where}, or remove its job.json once that job is gone."
        )
    if asked is not None:
        named = f"SLURM job {asked}" if record.launcher == "slurm" else f"Ray actor {asked}"
        cancel = f"; cancel it with: scancel {asked}" if record.launcher == "slurm" else ""
        raise RequestError(
            f"{run.folder} is queued or trained already, by {named}.\n"
            f"Follow it with: tail -F {run.folder / OUTPUT}{cancel}"
        )


def job_folder(path: Path) -> RunFolder:
    """The run that resume= names, as a folder or as a checkpoint in it."""
    return RunFolder(path.parent.parent if path.suffix == ".ckpt" else path)
