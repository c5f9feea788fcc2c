"""The run folder: everything one training leaves behind."""

import contextlib
import math
import os
import platform
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

import sensorium
from sensorium.errors import RequestError, RunError
from sensorium.files import json_object, json_text, meant, write_atomically
from sensorium.run_folder import RunFolder

_VALUES = ("true", "false", "null", "yes", "no", "on", "off", "nan", "inf")  # what is no text without quotes
PACKAGES = ("torch", "torchvision", "torchaudio", "lightning", "hydra-core", "numpy", "pillow", "soundfile")


def create(root: Path, name: str) -> RunFolder:
    """A new folder root/name/DATE_TIME_XXXX. Runs that start in the same second get different ones."""
    try:
        while True:
            folder = root / name / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir()
            except FileExistsError:
                time.sleep(0.01)
                continue
            return RunFolder(folder)
    except OSError as error:
        raise RequestError(
            f"The run folder cannot be made in {root}: {error.strerror}.\nChoose another place with run_root=FOLDER."
        ) from error


def discard(run: RunFolder) -> None:
    """Removes a run that ended before its first checkpoint, and its parent folder if nothing else is in it."""
    if not any(run.checkpoints.glob("*.ckpt")):
        shutil.rmtree(run.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            run.folder.parent.rmdir()


def find(path: Path) -> RunFolder:
    """The run at a path given by the user: the folder, or a checkpoint inside it."""
    folder = path.parent.parent if path.suffix == ".ckpt" else path
    run = RunFolder(folder)
    if not folder.exists():
        raise RequestError(f"There is no run {folder}.{meant(folder)}\nEach training prints its run folder at its end.")
    if not run.config.exists():
        raise RequestError(f"{path} is not {'in ' if path != folder else ''}a run folder: there is no {run.config}.")
    return run


def record(run: RunFolder, config: dict[str, Any], overrides: list[str]) -> None:
    """Writes config.yaml (resolved), overrides.txt, command.txt and environment.json."""
    write_config(run, config)
    write_atomically(run.folder / "overrides.txt", "".join(f"{item}\n" for item in overrides))
    write_atomically(run.folder / "command.txt", _as_started(command("train", overrides)) + "\n")
    write_atomically(run.folder / "environment.json", json_text(environment(), indent=2) + "\n")


def write_config(run: RunFolder, config: dict[str, Any]) -> None:
    """config.yaml: resolved, and with what "auto" came to."""
    write_atomically(run.config, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


@contextlib.contextmanager
def config_restored_if_refused(run: RunFolder) -> Iterator[None]:
    """A training inside may write config.yaml; the old one is back when the request turns out to be wrong."""
    before = run.config.read_text(encoding="utf-8")
    try:
        yield
    except RequestError:
        if run.config.exists():
            write_atomically(run.config, before)
        raise


def command(verb: str, overrides: list[str]) -> str:
    """The line to type, quoted for a shell."""
    return shlex.join(["sensorium", verb, *map(unquoted, overrides)])


def unquoted(override: str) -> str:
    """An override with a path as it was typed: without the quotes that it was given for Hydra (`cli.literal`)."""
    key, _, value = override.partition("=")
    found = re.fullmatch(r"'((?:[a-zA-Z_]|[\w.-]*/)[\w./-]*)'", value)
    return f"{key}={found[1]}" if found and found[1].lower() not in _VALUES else override


def under_torchrun(line: str, *, hosts: int, each: int) -> str:
    """A command as a group of processes, to be typed on every host. each: processes of a host."""
    nodes = f" --nnodes={hosts}" if hosts > 1 else ""
    return f"torchrun{nodes} --nproc_per_node={each} -m {line}"


def _as_started(line: str) -> str:
    """The command that repeats this run: with torchrun, where that started it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or not (each := int(os.environ.get("LOCAL_WORLD_SIZE", "0"))):
        return line
    return under_torchrun(line, hosts=int(os.environ.get("WORLD_SIZE", "1")) // each, each=each)


def environment() -> dict[str, Any]:
    """Versions, git commit and hardware."""
    return {
        "sensorium": sensorium.__version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "git_commit": _git_commit(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
    }


def _git_commit() -> str | None:
    """Of the working directory, when it is a repository and git is there."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write_metrics(run: RunFolder, metrics: dict[str, float]) -> None:
    """metrics.json: the final numbers, flat; null for one that is not finite."""
    write_atomically(run.metrics, json_text(metrics, indent=2) + "\n")


def read_metrics(run: RunFolder) -> dict[str, float]:
    """What `write_metrics` wrote. Raises RunError when the run did not get that far, and for a damaged file."""
    if not run.metrics.exists():
        raise RunError(f"{run.folder} has no metrics.json: the training did not end.")
    found = json_object(run.metrics)
    return {name: math.nan if value is None else value for name, value in found.items()}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a training came to.

    monitor, mode: the validation metric by which the best checkpoint was chosen, and "max" or "min". best: its value;
    None without validation, or where it was undefined. best_epoch, epochs: when that was, counted from 1, and how many
    there were. headline: the name of the test metric that models of this task are compared by, as in metrics.json.
    parameters: of the model.
    seconds: wall time, loading included; of a resumed run, up to the checkpoint and since.
    """

    monitor: str
    mode: str
    best: float | None
    best_epoch: int | None
    epochs: int
    headline: str
    parameters: int
    seconds: float


def write_monitor(run: RunFolder, monitor: str, mode: str) -> None:
    """monitor.json: the validation metric by which the best checkpoint is chosen, and "max" or "min"."""
    write_atomically(run.monitor, json_text({"monitor": monitor, "mode": mode}) + "\n")


def write_summary(run: RunFolder, summary: Summary) -> None:
    """summary.json."""
    write_atomically(run.summary, json_text(asdict(summary), indent=2) + "\n")


def read_summary(run: RunFolder) -> dict[str, Any]:
    """What `write_summary` wrote; {} when the run did not get that far. Raises RunError for a damaged file."""
    return json_object(run.summary) if run.summary.exists() else {}
