"""sensorium train -m search=...: a search from the command line to its table, or one that goes on."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sensorium import distributed, output, runs
from sensorium.build import device_of
from sensorium.cli import schema
from sensorium.cli.app import composed_training
from sensorium.cli.engines import engine_of
from sensorium.cli.literal import literal
from sensorium.cli.search_request import SearchRequest, resumed_request, search_request
from sensorium.errors import RequestError
from sensorium.run_config import RunConfig
from sensorium.run_folder import RunFolder, locked
from sensorium.search.folder import SweepFolder, write_request
from sensorium.search.training import Prepare, Slot
from sensorium.training import launch


def run(arguments: Sequence[str]) -> int:
    """A new search. Returns the exit status: 1 when a trial failed."""
    request = search_request(arguments)
    slots = _slots(request)
    sweep = SweepFolder(runs.create(Path(str(request.config["run_root"])), "sweeps").folder)
    write_request(sweep, request.arguments)
    try:
        return _search(sweep, request, slots)
    except RequestError:
        if not any(sweep.folder.rglob("metrics.csv")):  # nothing has been trained
            runs.discard(RunFolder(sweep.folder))
        raise


def resume(sweep: SweepFolder, arguments: Sequence[str]) -> int:
    """A search that was stopped, or one that is to have more trials."""
    request = resumed_request(sweep, arguments)
    slots = _slots(request)
    with locked(RunFolder(sweep.folder)):  # those of a search in a database have no lock on it as a whole
        write_request(sweep, request.arguments)
    return _search(sweep, request, slots)


def _search(sweep: SweepFolder, request: SearchRequest, slots: list[Slot]) -> int:
    from sensorium.search.run import run as searching  # Optuna, an extra

    budget = request.config["budget"]
    return searching(
        sweep,
        space=request.space,
        section=request.search,
        trials=request.trials,
        seconds=None if budget is None else schema.seconds(budget),
        slots=slots,
        fail_fast=request.config["fail_fast"],
        prepare=_preparing(request, side_by_side=len(slots)),
        engine=engine_of(request.config["launcher"]),
        console=output.console(log=sweep.folder / "search.log"),
    )


def _slots(request: SearchRequest) -> list[Slot]:
    """Places for as many trials as the machine has cores or GPUs for, unless force=true. Raises RequestError."""
    if distributed.world_size() > 1:
        raise RequestError("A search starts its processes itself. Start it once, without torchrun.")
    config, jobs = request.config, int(request.config["jobs"])
    if engine_of(config["launcher"]) is not None:
        return [Slot(place, {}) for place in range(jobs)]
    force = bool(config["force"])
    each = launch.wanted_processes(config["trainer"], force=force)
    device = device_of(str(config["trainer"]["accelerator"])).type
    count, what = launch.available(device)
    if jobs > 1 and jobs * each > count and not force:
        several = "" if each == 1 else f", each of {each} processes"
        raise RequestError(
            f"jobs={jobs} is not possible{several}: there {what}. Allowed: {_up_to(max(1, count // each))}."
            " More are slower; force=true starts them all the same."
        )
    if device != "cuda" or jobs == 1:
        return [Slot(place, {}) for place in range(jobs)]
    names = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count)))).split(",")
    shares = [[names[(place * each + one) % len(names)] for one in range(each)] for place in range(jobs)]
    return [Slot(place, {"CUDA_VISIBLE_DEVICES": ",".join(share)}) for place, share in enumerate(shares)]


def _up_to(most: int) -> str:
    return "1" if most == 1 else f"a number from 1 to {most}"


def _preparing(request: SearchRequest, *, side_by_side: int) -> Prepare:
    cores = request.config["launcher"].get("cpus")
    return partial(_prepare, options=request.options, side_by_side=side_by_side, cores_of_job=cores)


def _prepare(
    run: RunFolder,
    overrides: Sequence[str],
    *,
    options: list[str],
    side_by_side: int,
    cores_of_job: int | None,
) -> None:
    """Writes what begins a run. Raises RequestError for a setting that cannot be trained. cores_of_job: None for this
    machine.
    """
    config, choices = composed_training(list(overrides), options)
    if cores_of_job is None:
        launch.check_devices(config["trainer"], force=config["force"])
    found = RunConfig.from_dict(config)
    threads = found.threads
    if threads == "auto" and (cores_of_job is not None or side_by_side > 1):
        threads = cores_of_job or max(1, launch.cores() // side_by_side)
    found = replace(found, dataset_name=str(choices["dataset"]), model_name=str(choices["model"]), threads=threads)
    runs.record(run, found.to_dict(), literal(list(overrides)))
