"""sensorium train resume=RUN: from the arguments to the config and the checkpoint that a run is resumed with."""

import csv
from pathlib import Path
from typing import Any

from sensorium import checkpoint, distributed, runs
from sensorium.cli import schema
from sensorium.cli.app import override
from sensorium.cli.composition import load_plugins
from sensorium.cli.literal import typed_path
from sensorium.cli.no_search import check_no_search_keys
from sensorium.cli.request import resume_request
from sensorium.errors import RequestError
from sensorium.migration import migrated_config
from sensorium.run_config import RunConfig
from sensorium.run_folder import RunFolder, is_spawned
from sensorium.training import launch


def asked(arguments: list[str]) -> tuple[Path | None, bool, list[str]]:
    """As `resume_request`; None for a new run."""
    given, from_start, rest = resume_request(arguments)
    if given == "":
        raise RequestError("resume= names no run. Give a run folder, as printed at the end of its training.")
    return (None, False, arguments) if given == "null" else (typed_path(given), from_start, rest)


def stored(path: Path, overrides: list[str], *, from_start: bool) -> tuple[RunConfig, RunFolder, Path | None]:
    """Config and folder of a run, and its last checkpoint that can be read, or None when there is none.

    Of several processes the first reads for all. from_start: also when there are some that cannot be read; they are
    kept under another name.
    """
    load_plugins()
    check_no_search_keys(path, overrides)
    run, kept = distributed.from_first(lambda: _read(path))
    config = override(kept, overrides)
    schema.check("train", config)
    _check_hosts(run, config)
    for key in ("trace", "show_batch"):
        if config.get(key) is not None:
            raise RequestError(f"{key} shows how a training begins and trains nothing; leave it out, or resume=RUN.")
    _check_epochs(run, config["trainer"]["max_epochs"])
    _check_devices(kept, config)
    given = any(item.partition("=")[0] == "batch_size" for item in overrides)
    config, change = _shared_out_anew(kept, config, batch_given=given)
    found, note = distributed.from_first(
        lambda: checkpoint.newest_readable([run.last, run.previous], from_start=from_start)
    )
    if found is None and distributed.rank() == 0:
        for unreadable in (run.last, run.previous):
            if unreadable.exists():
                unreadable.rename(unreadable.with_suffix(".unreadable"))
    if found is None and not run.log.exists():  # prepared, and never begun: a trial or a job
        note = None
    for line in (note, change if found is not None else None):
        if line and distributed.rank() == 0 and not is_spawned(run):
            print(line)
    return RunConfig.from_dict(config), run, found


def _check_hosts(run: RunFolder, config: dict[str, Any]) -> None:
    """Rejects a run on several hosts that is resumed without what starts it there, in words of its own."""
    trainer = config["trainer"]
    if trainer.get("num_nodes", 1) != 1 and not launch.is_launched():
        hosts, each = trainer["num_nodes"], trainer["devices"]
        raise RequestError(
            f"{run.folder} was trained on {hosts} hosts, {_counted(each)} each. Resume it on every host: "
            f"{runs.under_torchrun(f'sensorium train resume={run.folder}', hosts=hosts, each=each)}\n"
            "To resume on this host alone, add trainer.num_nodes=1 and trainer.devices=1, or as many as it has."
        )


def _check_epochs(run: RunFolder, asked: int | str) -> None:
    """Rejects fewer epochs than a run has been trained for, which Lightning would do in its own words."""
    done = distributed.from_first(lambda: _last_epoch(run))  # the folder need not be on every host
    if isinstance(asked, int) and 0 <= asked < done:
        raise RequestError(
            f"trainer.max_epochs={asked} is fewer than the {done} epochs that {run.folder} has been trained for. Give"
            f" more; best.ckpt is from the best of them: sensorium eval ckpt={run.best}"
        )


def _last_epoch(run: RunFolder) -> int:
    if not run.history.exists():
        return 0
    with run.history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return int(rows[-1]["epoch"]) if rows else 0


def _check_devices(kept: dict[str, Any], config: dict[str, Any]) -> None:
    """Rejects devices that are not here, and says how a run that was trained on more is resumed."""
    try:
        launch.check_devices(config["trainer"], force=config.get("force", False))
    except RequestError as error:
        if config["trainer"]["devices"] != kept["trainer"]["devices"]:
            raise
        was = _counted(_processes(kept["trainer"]))
        raise RequestError(
            f"{error}\nThe run was trained on {was}; trainer.devices=1 resumes it on one, with the same examples a"
            " step."
        ) from error


def _shared_out_anew(
    kept: dict[str, Any], config: dict[str, Any], *, batch_given: bool
) -> tuple[dict[str, Any], str | None]:
    """The config for the processes that there are now, and what is no longer exact when there were others before.

    The examples of a step stay the same ones, unless a batch size is given: more processes train faster, not
    differently. kept: the config that the run has been trained with. Raises RequestError where they cannot be shared.
    """
    before, size = _processes(kept["trainer"]), kept["batch_size"]
    now = distributed.world_size()
    if not launch.is_launched():
        now = launch.wanted_processes(config["trainer"], force=config.get("force", False))
    if before == now or not isinstance(size, int):
        return config, None
    together = before * size
    if not batch_given:
        if together % now:
            raise RequestError(
                f"This run takes {together} examples a step, {size} on each of {_counted(before)}; {now} cannot share "
                f"them equally.\nGive batch_size={(near := max(1, round(together / now)))} for {near * now} a step, or "
                "another number of processes."
            )
        config = config | {"batch_size": together // now}
    size, same = config["batch_size"], "the same" if config["batch_size"] * now == together else "other"
    return config, (
        f"trained on {_counted(before)} so far, resumed on {_counted(now)}: with batch_size={size} a step takes {same} "
        "examples. Dropout, batch norm and rounding belong to a process, so the result is not exactly the same."
    )


def _counted(processes: int) -> str:
    return f"{processes} process{'' if processes == 1 else 'es'}"


def _processes(trainer: dict[str, Any]) -> int:
    """That a stored config was trained on: a group writes its own number; a process alone leaves it as it was given."""
    devices = trainer["devices"]
    return int(devices) * int(trainer.get("num_nodes", 1)) if str(devices).isdecimal() else 1


def _read(path: Path) -> tuple[RunFolder, dict[str, Any]]:
    run = runs.find(path)
    stored = migrated_config(run.read_config())
    if "batch_tokens" not in stored:
        raise RequestError(
            f"{run.folder} was started with an earlier Sensorium; resume it with that version, or train anew."
        )
    if isinstance(given := stored["model"].get("pretrained"), str):  # an earlier config.yaml names a file there
        stored["model"] |= {"pretrained": False, "init": given}
    return run, stored
