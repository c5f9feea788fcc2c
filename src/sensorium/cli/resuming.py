"""sensorium train resume=RUN: from the arguments to the config and the checkpoint that a run is resumed with."""

from pathlib import Path
from typing import Any

from sensorium import checkpoint, distributed, runs
from sensorium.cli import schema
from sensorium.cli.app import override
from sensorium.cli.composition import load_plugins
from sensorium.cli.literal import typed_path
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
    run, kept = distributed.from_first(lambda: _read(path))
    config = override(kept, overrides)
    schema.check("train", config)
    for key in ("trace", "show_batch"):
        if config.get(key) is not None:
            raise RequestError(f"{key} shows how a training begins and trains nothing; leave it out, or resume=RUN.")
    launch.check_devices(config["trainer"], force=config.get("force", False))
    found, note = distributed.from_first(
        lambda: checkpoint.newest_readable([run.last, run.previous], from_start=from_start)
    )
    if found is None and distributed.rank() == 0:
        for unreadable in (run.last, run.previous):
            if unreadable.exists():
                unreadable.rename(unreadable.with_suffix(".unreadable"))
    if note and distributed.rank() == 0 and not is_spawned(run):
        print(note)
    return RunConfig.from_dict(config), run, found


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
