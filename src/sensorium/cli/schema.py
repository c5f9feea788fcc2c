"""Every key of every verb: its type and range, checked before anything is read, built or written. Imports no torch.

What a section's own class or function takes (model, dataset, optimizer ...) follows from the annotations of its
constructor: see `sensorium.cli.sections`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sensorium.annotations import is_number, is_whole
from sensorium.cli.launcher_rules import LAUNCHER, check_launcher_keys
from sensorium.cli.rules import (
    ACCELERATOR,
    DAY,
    LARGEST,
    MOST,
    NAME,
    ONE_UP,
    PATH,
    PATHS,
    POSITIVE,
    SEED,
    SWITCH,
    TEXT,
    Rule,
    number,
    one_of,
    or_null,
    share,
    whole,
)
from sensorium.cli.trainer_rules import TRAINER, check_trainer_keys
from sensorium.errors import RequestError, not_possible

CHECKS = ("balance", "duplicates", "constant", "leakage", "labels", "lengths", "kinds")  # that check can leave out
MEMORY_FORMATS = ("contiguous", "channels_last")
MOST_RATE = 1e6  # of a learning rate or weight decay: beyond it every weight is infinite after a few steps
MOST_THREADS = 1024  # more than any machine that this runs on has cores
_NOT_NEGATIVE = number(0, "a number from 0")
_SHARE = share("a share up to 1")
_SHARE_OR_NONE = share("a share from 0 to 1", zero=True)
_BETWEEN = share("a number above 0 and below 1", one=False)
_MEMORY = share("a number from 0 to below 1", zero=True, one=False)


def _is_range(value: Any) -> bool:
    numbers = isinstance(value, list | tuple) and all(is_number(end) and abs(end) <= LARGEST for end in value)
    return numbers and len(value) == 2 and value[0] < value[1]


def _are_rows(value: Any) -> bool:
    several = value if isinstance(value, list | tuple) else [value]
    return len(several) > 0 and all(is_whole(row) and 0 <= row <= MOST for row in several)


def _is_pixel(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and _are_rows(value)


def _are_names(value: Any) -> bool:
    several = value if isinstance(value, list | tuple) else [value]
    return len(several) > 0 and all(isinstance(name, str) and "\0" not in name and name != "" for name in several)


def _are_checks(value: Any) -> bool:
    return isinstance(value, list) and all(name in CHECKS for name in value)


def _are_betas(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(is_number(beta) and 0 <= beta < 1 for beta in value)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"\d{1,9}(?:\.\d{1,9})?[smhd]")


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(rf"(?:{_SPAN.pattern})+", value)) and seconds(value) > 0


def seconds(time: str) -> float:
    """Of a time such as 90s, 30m, 1h30m or 1d."""
    return sum(float(one[:-1]) * _UNITS[one[-1]] for one in _SPAN.findall(time))


_FORMAT = one_of("table", "csv", "json", "jsonl")
_ON_BAD = one_of("fail", "skip")

_DECODING = {
    "decoding.beam_size": or_null(ONE_UP),
    "decoding.no_repeat_ngram": or_null(whole(0)),
    "decoding.copy_unknown": or_null(SWITCH),
    "decoding.length_penalty": or_null(replace(_NOT_NEGATIVE, limit=100)),
    "decoding.language_model": or_null(PATH),
    "decoding.language_weight": or_null(_NOT_NEGATIVE),
    "decoding.word_score": or_null(number(None, "a number")),
    "decoding.lexicon": or_null(PATH),
}
RULES: dict[str, dict[str, Rule]] = {
    "train": {
        **_DECODING,
        "seed": SEED,
        "batch_size": whole(1, "auto", "find"),
        "eval_batch_size": ONE_UP,
        "batch_tokens": or_null(ONE_UP),
        "lr": replace(number(0, "a number above 0", "find", above=True), limit=MOST_RATE),
        "label_smoothing": share("a number from 0 to below 1", zero=True, one=False),
        "labels_per_class": or_null(ONE_UP),
        "labels_seed": SEED,
        "epoch_batches": or_null(ONE_UP),
        "class_weights": or_null(one_of("balanced")),
        "run_root": PATH,
        "resume": or_null(PATH),
        "resume_from_start": SWITCH,
        "on_bad": _ON_BAD,
        "workers": whole(0, most=MOST_THREADS),
        "threads": whole(1, "auto", most=MOST_THREADS),
        "memory_format": one_of("auto", *MEMORY_FORMATS),
        "compile": SWITCH,
        "force": SWITCH,
        "trace": or_null(whole(0)),
        "show_batch": or_null(whole(1, most=400)),
        "test": SWITCH,
        "calibration": one_of("auto", "none"),
        "ood": one_of("auto", "none"),
        "explanation": one_of("auto", "none"),
        "dataset.split_seed": whole(0),
        "trials": or_null(whole(1, most=1_000_000)),
        "budget": or_null(Rule(_is_time, "a time above 0 such as 90s, 30m, 2h or 1d")),
        "jobs": whole(1, most=MOST_THREADS),
        "fail_fast": SWITCH,
        "search.sampler": one_of("none", "grid", "random", "tpe", "gp", "cma"),
        "search.seed": whole(0),
        "search.n_startup_trials": whole(0),
        "search.pruner": one_of("none", "median", "halving"),
        "search.min_epochs": or_null(ONE_UP),
        "search.reduction_factor": whole(2),
        "search.metric": or_null(NAME),
        "search.mode": or_null(one_of("max", "min")),
        "search.compare": whole(0, most=1000),
        "search.storage": one_of("journal", "sqlite"),
        "optimizer.lr": replace(POSITIVE, limit=MOST_RATE),
        "optimizer.weight_decay": replace(_NOT_NEGATIVE, limit=MOST_RATE),
        "optimizer.momentum": _MEMORY,
        "optimizer.alpha": _MEMORY,
        "optimizer.betas": Rule(_are_betas, "two numbers from 0 to below 1, as [0.9,0.999]"),
        "optimizer.adam_lr_ratio": replace(POSITIVE, limit=MOST_RATE),
        "scheduler.warmup_epochs": replace(_NOT_NEGATIVE, limit=MOST),
        "scheduler.final": _SHARE_OR_NONE,
        "scheduler.start": _SHARE_OR_NONE,
        "scheduler.peak_at": _MEMORY,
        "scheduler.factor": _MEMORY,
        "scheduler.gamma": _SHARE_OR_NONE,
        "scheduler.patience": whole(0),
        "scheduler.min_lr": replace(_NOT_NEGATIVE, limit=MOST_RATE),
        "callbacks.checkpoints.every_seconds": or_null(_NOT_NEGATIVE),
        "callbacks.checkpoints.every_n_steps": or_null(ONE_UP),
        "callbacks.checkpoints.keep_epochs": whole(0),
        "callbacks.early_stopping.patience": whole(0),
        "callbacks.early_stopping.min_delta": _NOT_NEGATIVE,
        "callbacks.ema.decay": _MEMORY,
        "task.label_smoothing": share("a number from 0 to below 1", zero=True, one=False),
        "model.pretrained": Rule(lambda value: isinstance(value, bool | str), "true or false"),
        "model.init": or_null(PATH),
        "model.vectors": or_null(PATH),
        "model.freeze": or_null(one_of("backbone")),
        "model.unfreeze_epochs": or_null(ONE_UP),
        "model.backbone_lr_scale": number(0, "a number from 0", "auto"),
        "model.adamw_lr": POSITIVE,
        "model.layer_lr_decay": or_null(_SHARE),
        **{f"trainer.{key}": rule for key, rule in TRAINER.items()},
        **{f"launcher.{key}": rule for key, rule in LAUNCHER.items()},
    },
    "eval": {
        **_DECODING,
        "ckpt": PATHS,
        "average": SWITCH,
        "split": or_null(one_of("test", "val", "train", "all")),
        "compare": or_null(PATH),
        "calibrate": or_null(PATH),
        "index": SWITCH,
        "bootstrap": whole(0),
        "slices": or_null(NAME),
        "corrupt": SWITCH,
        "accelerator": ACCELERATOR,
        "batch_size": or_null(ONE_UP),
        "on_bad": _ON_BAD,
        "format": _FORMAT,
        "output": or_null(PATH),
        "overwrite": SWITCH,
        "folder": or_null(PATH),
        "predictions": one_of("csv", "jsonl"),
        "trust": SWITCH,
    },
    "predict": {
        **_DECODING,
        "decoding.n_best": or_null(ONE_UP),
        "ckpt": PATH,
        "input": or_null(PATHS),
        "stream": SWITCH,
        "threshold": or_null(_SHARE),
        "coverage": or_null(_BETWEEN),
        "max_error": or_null(_BETWEEN),
        "pixel_range": or_null(Rule(_is_range, "[low,high], the values of black and white, such as [0,4095]")),
        "text": or_null(TEXT),
        "encoding": or_null(NAME),
        "column": or_null(NAME),
        "prompt": or_null(TEXT),
        "length": ONE_UP,
        "temperature": _NOT_NEGATIVE,
        "top_k": or_null(ONE_UP),
        "top_p": or_null(_SHARE),
        "seed": SEED,
        "masks": or_null(PATH),
        "overlay": or_null(PATH),
        "attention": or_null(PATH),
        "accelerator": ACCELERATOR,
        "batch_size": ONE_UP,
        "format": one_of("table", "csv", "json", "jsonl", "coco", "srt", "vtt"),
        "output": or_null(PATH),
        "overwrite": SWITCH,
        "trust": SWITCH,
    },
    "explain": {
        "ckpt": PATH,
        "input": or_null(PATHS),
        "text": or_null(TEXT),
        "row": or_null(Rule(_are_rows, "a row from 0, or several as [3,12]")),
        "worst": or_null(ONE_UP),
        "split": one_of("test", "val", "train"),
        "method": NAME,
        "target": or_null(TEXT),
        "top_k": or_null(ONE_UP),
        "pixel": or_null(Rule(_is_pixel, "x,y, two whole numbers from 0")),
        "threshold": or_null(_SHARE),
        "characters": SWITCH,
        "steps": whole(1, most=10_000),
        "random_maps": whole(0, most=10_000),
        "nearest": or_null(whole(1, most=1000)),
        "index": or_null(PATH),
        "seed": SEED,
        "accelerator": ACCELERATOR,
        "batch_size": ONE_UP,
        "folder": or_null(PATH),
        "format": one_of("table", "json", "jsonl"),
        "output": or_null(PATH),
        "overwrite": SWITCH,
        "trust": SWITCH,
    },
    "check": {
        "skip": Rule(_are_checks, f"a list such as [labels,lengths] of {', '.join(CHECKS)}"),
        "dataset": NAME,
        "ckpt": or_null(PATH),
        "accelerator": ACCELERATOR,
        "trust": SWITCH,
        "folder": or_null(PATH),
        "output": or_null(PATH),
        "overwrite": SWITCH,
    },
    "export": {
        "ckpt": PATH,
        "format": one_of("onnx", "onnx-int8", "torch"),
        "output": or_null(PATH),
        "tolerance": or_null(_SHARE),
        "overwrite": SWITCH,
        "trust": SWITCH,
    },
    "serve": {
        "ckpt": PATHS,
        "names": or_null(Rule(_are_names, "a name, or several as [a,b]")),
        "host": Rule(lambda value: isinstance(value, str) and value != "", "an IP address, or localhost"),
        "port": whole(0, most=65_535),
        "api_key": Rule(lambda value: True),  # checked where the error does not repeat it
        "max_batch": whole(1, most=4096),
        "max_wait_ms": replace(_NOT_NEGATIVE, limit=10_000),
        "max_queue": whole(1, most=1_000_000),
        "max_inputs": whole(1, most=100_000),
        "max_body_mb": replace(POSITIVE, limit=10_000),
        "max_megapixels": replace(POSITIVE, limit=10_000),
        "max_seconds": replace(POSITIVE, limit=1_000_000),
        "max_characters": whole(1, most=1_000_000_000),
        "max_tokens": whole(1, most=1_000_000),
        "max_streams": whole(1, most=10_000),
        "timeout": replace(POSITIVE, limit=86_400),
        "read_timeout": replace(POSITIVE, limit=86_400),
        "threads": or_null(whole(1, most=MOST_THREADS)),
        "accelerator": ACCELERATOR,
        "trust": SWITCH,
    },
    "report": {"runs": PATHS, "output": or_null(PATH), "explain": SWITCH, "overwrite": SWITCH},
    "list": {
        "what": TEXT,
        "task": or_null(TEXT),
        "model": or_null(TEXT),
        # A model of this size is built to count what it costs.
        "image_size": whole(1, most=10_000),
        "in_channels": whole(1, most=10_000),
        "num_classes": whole(1, most=1_000_000),
        "vocab_size": whole(1, most=10_000_000),
        "run_root": PATH,
        "dataset": or_null(TEXT),
        "metric": or_null(TEXT),
        "since": or_null(DAY),
        "until": or_null(DAY),
        "format": _FORMAT,
        "output": or_null(PATH),
        "overwrite": SWITCH,
    },
}


def check(verb: str, config: Mapping[str, Any], *, needed: Sequence[str] = ()) -> None:
    """Raises RequestError for the first value that cannot be, with what can.

    needed: keys that have to be there, which `~KEY` takes away; a config of an earlier version lacks some.
    """
    for section in ("trainer", "decoding"):
        if section in config and not isinstance(config[section], Mapping):
            raise not_possible(section, config[section], f"keys with values, such as {section}.KEY=VALUE")
    for key in needed:
        if not _has(config, key):
            raise removed(key)
    if verb == "train":
        check_trainer_keys(config.get("trainer", {}))
        if "launcher" in config:
            check_launcher_keys(config["launcher"])
    for key, rule in RULES[verb].items():
        if _has(config, key):
            rule.check(key, _section_of(config, key)[key.rpartition(".")[2]])


def removed(key: str) -> RequestError:
    """The error for a key or section that `~KEY` took away."""
    return RequestError(f"{key} was removed but is required. Omit ~{key}.")


def _section_of(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found: Any = config
    for section in key.split(".")[:-1]:
        found = found.get(section) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _has(config: Mapping[str, Any], key: str) -> bool:
    return key.rpartition(".")[2] in _section_of(config, key)
