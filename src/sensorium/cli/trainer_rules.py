"""The keys of trainer.*: what Lightning's Trainer takes, but for what is Sensorium's to set. Imports no torch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sensorium.annotations import is_number, is_whole
from sensorium.cli.rules import (
    ACCELERATOR,
    MOST,
    ONE_UP,
    POSITIVE,
    SWITCH,
    TEXT,
    Rule,
    one_of,
    or_null,
    whole,
)
from sensorium.errors import RequestError, unknown

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
# Set by Sensorium and not through trainer.*: the run folder, the progress report and the checkpoints depend on them.
OWN_TRAINER_KEYS = (
    "callbacks",
    "logger",
    "default_root_dir",
    "enable_progress_bar",
    "plugins",
    "enable_checkpointing",
    "enable_model_summary",
    "barebones",
)
# Lightning neither tests nor predicts here.
UNREAD_TRAINER_KEYS = ("limit_test_batches", "limit_predict_batches")


def _share_or_count(value: Any) -> bool:
    return (is_whole(value) and 1 <= value <= MOST) or (is_number(value) and 0 < value <= 1)


def _is_devices(value: Any) -> bool:
    if isinstance(value, list):
        numbers = all(is_whole(item) and 0 <= item <= MOST for item in value)
        return numbers and 0 < len(value) == len(set(value))
    written = isinstance(value, str) and value.isdecimal() and len(value) < 10 and int(value) >= 1
    return written or (is_whole(value) and (value == -1 or 1 <= value <= MOST))


def _is_duration(value: Any) -> bool:
    """As Lightning takes it, and longer than nothing: "DD:HH:MM:SS", or {hours: 1, minutes: 30}."""
    if isinstance(value, Mapping):
        units = ("days", "hours", "minutes", "seconds", "weeks")
        known = all(unit in units and is_number(n) and 0 <= n < 1e6 for unit, n in value.items())
        return known and any(value.values())
    parts = value.split(":") if isinstance(value, str) else []
    return len(parts) == 4 and all(part.isdecimal() and len(part) <= 6 for part in parts) and any(map(int, parts))


_BATCHES_SAID = "a share above 0 such as 0.1, a number of batches from 1, or null for all"
_BATCHES = Rule(lambda value: value is None or _share_or_count(value), _BATCHES_SAID)
_BATCHES_OR_NONE = Rule(lambda value: value in (None, 0) or _share_or_count(value), f"0, {_BATCHES_SAID}")
_EPOCHS = Rule(
    lambda value: is_whole(value) and (value == -1 or value >= 1), "a whole number from 1, or -1", limit=MOST
)

# Lightning's Trainer: all its arguments but those that are Sensorium's to set.
TRAINER = {
    "accelerator": ACCELERATOR,
    "strategy": one_of("auto", "ddp", "fsdp"),
    "devices": Rule(_is_devices, "a number from 1, -1, a list of devices", ("auto",)),
    "num_nodes": ONE_UP,
    "precision": one_of("auto", *PRECISIONS),
    "fast_dev_run": Rule(
        lambda value: isinstance(value, bool) or (is_whole(value) and 0 <= value <= MOST), "true, false or 1"
    ),
    "max_epochs": replace(_EPOCHS, choices=("auto",)),
    "min_epochs": or_null(whole(0)),
    "max_steps": _EPOCHS,
    "min_steps": or_null(whole(0)),
    "max_time": or_null(Rule(_is_duration, "DD:HH:MM:SS, or such as {hours:1,minutes:30}")),
    "limit_train_batches": _BATCHES,
    "limit_val_batches": _BATCHES_OR_NONE,
    "overfit_batches": Rule(lambda value: value == 0 or _share_or_count(value), "0, a share, or a number of batches"),
    "val_check_interval": or_null(
        Rule(
            lambda value: _share_or_count(value) or _is_duration(value),
            "a share of an epoch, a number of batches, or a time such as 00:00:30:00",
        )
    ),
    "check_val_every_n_epoch": or_null(ONE_UP),
    "num_sanity_val_steps": or_null(
        Rule(lambda value: is_whole(value) and value >= -1, "a whole number from 0, or -1 for all", limit=MOST)
    ),
    "log_every_n_steps": or_null(whole(0)),
    "accumulate_grad_batches": ONE_UP,
    "gradient_clip_val": or_null(POSITIVE),
    "gradient_clip_algorithm": or_null(one_of("norm", "value")),
    "deterministic": Rule(lambda value: isinstance(value, bool), "true, false", ("warn",), null=True),
    "benchmark": or_null(SWITCH),
    "inference_mode": SWITCH,
    "use_distributed_sampler": SWITCH,
    "profiler": or_null(one_of("simple", "advanced", "pytorch")),
    "detect_anomaly": SWITCH,
    "sync_batchnorm": SWITCH,
    "reload_dataloaders_every_n_epochs": whole(0),
    "enable_autolog_hparams": SWITCH,
    "model_registry": or_null(TEXT),
}


def check_trainer_keys(trainer: Mapping[str, Any]) -> None:
    """Raises RequestError for the first key that the Trainer does not take or that is set by Sensorium."""
    for key in trainer:
        if key in OWN_TRAINER_KEYS:
            raise RequestError(f"trainer.{key} is set by Sensorium itself. See the groups callbacks and logger.")
        if key in UNREAD_TRAINER_KEYS:
            raise RequestError(f"trainer.{key} does not apply here: eval and predict see every example. Leave it out.")
        if key not in TRAINER:
            raise unknown("key in trainer (Lightning's Trainer)", str(key), TRAINER)
