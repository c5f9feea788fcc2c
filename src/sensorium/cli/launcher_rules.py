"""The keys of launcher.*, as configs/launcher/ has them. Imports no torch."""

import re
from collections.abc import Mapping
from typing import Any

from sensorium.cli.rules import NAME, POSITIVE, SWITCH, Rule, one_of, or_null, whole
from sensorium.errors import not_possible, unknown

ENGINES = ("local", "slurm", "ray")
_UNITS = {"m": 1, "h": 60, "d": 1440}
_MOST = 100_000  # of cores, GPUs and machines


def minutes(time: str) -> int:
    """Of a time such as 90m, 4h or 2d."""
    return int(time[:-1]) * _UNITS[time[-1]]


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\d{1,5}[mhd]", value)) and minutes(value) > 0


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"auto|[\w.:\[\]-]+:\d{1,5}", value))


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and value != ""


def _are_lines(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_line, value))


def _are_options(value: Any) -> bool:
    return _are_lines(value) and all(re.fullmatch(r"[a-z][a-z0-9-]*(=.+)?", one) for one in value)


LAUNCHER = {
    "engine": one_of(*ENGINES),
    "wait": SWITCH,
    "partition": or_null(NAME),
    "account": or_null(NAME),
    "time": Rule(_is_time, "whole minutes, hours or days such as 90m, 4h or 2d"),
    "address": or_null(Rule(_is_address, "HOST:PORT of the head of the cluster, or auto")),
    "cpus": whole(1, most=_MOST),
    "mem_gb": or_null(POSITIVE),
    "gpus": whole(0, most=_MOST),
    "nodes": whole(1, most=_MOST),
    "tasks": whole(1, most=_MOST),
    "requeue": whole(0, most=_MOST),
    "setup": Rule(_are_lines, "a list of lines such as ['module load cuda']"),
    "sbatch": Rule(_are_options, "a list of its long options, such as ['qos=high',exclusive]"),
}


def check_launcher_keys(section: Any) -> None:
    """Raises RequestError for a section that is none, and for the first key that there is not."""
    if not isinstance(section, Mapping):
        raise not_possible("launcher", section, f"one of {', '.join(ENGINES)}")
    for key in section:
        if key not in LAUNCHER:
            raise unknown("key in launcher", str(key), LAUNCHER)
