"""The values that the keys of each verb can have, checked before anything is read or written.

What a section's own class takes (model, dataset, optimizer ...) it checks itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sensorium.build import device_of
from sensorium.errors import RequestError, listing, nearest
from sensorium.tasks.precision import MEMORY_FORMATS, PRECISIONS
from sensorium.training import launch


@dataclass(frozen=True)
class Rule:
    """allows: whether a value can be. said: what can, in words. choices: words that are allowed as well."""

    allows: Callable[[Any], bool]
    said: str
    choices: tuple[str, ...] = ()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _from(least: int) -> Callable[[Any], bool]:
    return lambda value: _whole(value) and value >= least


def _share_or_count(value: Any) -> bool:
    return value is None or (_whole(value) and value >= 1) or (_number(value) and 0 < value <= 1)


_ONE_UP = Rule(_from(1), "a whole number from 1")
_SWITCH = Rule(lambda value: isinstance(value, bool), "true or false")
_BATCHES = Rule(_share_or_count, "a share above 0 such as 0.1, a number of batches from 1, or null for all")
_FORMAT = Rule(lambda value: False, "", ("table", "csv", "json"))
_ACCELERATOR = Rule(lambda value: False, "", ("auto", "cpu", "gpu", "mps"))
_ON_BAD = Rule(lambda value: False, "", ("fail", "skip"))


def _or_null(rule: Rule) -> Rule:
    return Rule(lambda value: value is None or rule.allows(value), f"{rule.said}, or null", rule.choices)


_DECODING = {
    "decoding.beam_size": _or_null(_ONE_UP),
    "decoding.no_repeat_ngram": _or_null(Rule(_from(0), "a whole number from 0")),
    "decoding.length_penalty": _or_null(Rule(lambda value: _number(value) and value >= 0, "a number from 0")),
    "decoding.language_weight": _or_null(Rule(lambda value: _number(value) and value >= 0, "a number from 0")),
    "decoding.word_score": _or_null(Rule(_number, "a number")),
}
RULES: dict[str, dict[str, Rule]] = {
    "train": {
        **_DECODING,
        "seed": Rule(_whole, "a whole number"),
        "batch_size": Rule(_from(1), "a whole number from 1", ("auto",)),
        "batch_tokens": Rule(lambda value: value is None or _from(1)(value), "a whole number from 1, or null"),
        "labels_per_class": _or_null(_ONE_UP),
        "labels_seed": Rule(_whole, "a whole number"),
        "epoch_batches": _or_null(_ONE_UP),
        "class_weights": Rule(lambda value: value is None, "null", ("balanced",)),
        "eval_batch_size": _ONE_UP,
        "lr": Rule(lambda value: _number(value) and 0 < value < float("inf"), "a number above 0", ("find",)),
        "label_smoothing": Rule(lambda value: _number(value) and 0 <= value < 1, "a number from 0 to below 1"),
        "on_bad": _ON_BAD,
        "workers": Rule(_from(0), "a whole number from 0"),
        "threads": Rule(_from(1), "a whole number from 1", ("auto",)),
        "memory_format": Rule(lambda value: False, "", ("auto", *MEMORY_FORMATS)),
        "compile": _SWITCH,
        "trace": _or_null(Rule(_from(0), "a whole number from 0")),
        "test": _SWITCH,
        "dataset.split_seed": Rule(_from(0), "a whole number from 0"),
        "optimizer.weight_decay": Rule(lambda value: _number(value) and value >= 0, "a number from 0"),
        "model.backbone_lr_scale": Rule(lambda value: _number(value) and value >= 0, "a number from 0"),
        "model.layer_lr_decay": _or_null(Rule(lambda value: _number(value) and 0 < value <= 1, "a share up to 1")),
        "model.unfreeze_epochs": _or_null(_ONE_UP),
        "trainer.max_epochs": Rule(lambda value: value == -1 or _from(1)(value), "a whole number from 1, or -1"),
        "trainer.max_steps": Rule(lambda value: value == -1 or _from(1)(value), "a whole number from 1, or -1"),
        "trainer.precision": Rule(lambda value: False, "", ("auto", *PRECISIONS)),
        "trainer.gradient_clip_val": Rule(
            lambda value: value is None or (_number(value) and value > 0), "a number above 0, or null"
        ),
        "trainer.accumulate_grad_batches": _ONE_UP,
        "trainer.limit_train_batches": _BATCHES,
        "trainer.limit_val_batches": Rule(lambda value: value == 0 or _share_or_count(value), f"0, {_BATCHES.said}"),
        "trainer.num_sanity_val_steps": Rule(_from(-1), "a whole number from 0, or -1 for all"),
    },
    "eval": {
        **_DECODING,
        "average": _SWITCH,
        "split": Rule(lambda value: value is None, "null", ("test", "val", "train", "all")),
        "bootstrap": Rule(_from(0), "a whole number from 0"),
        "accelerator": _ACCELERATOR,
        "batch_size": Rule(lambda value: value is None or _from(1)(value), "a whole number from 1, or null"),
        "on_bad": _ON_BAD,
        "format": _FORMAT,
        "predictions": Rule(lambda value: False, "", ("csv", "jsonl")),
        "trust": _SWITCH,
    },
    "predict": {
        **_DECODING,
        "decoding.n_best": _or_null(_ONE_UP),
        "top_k": Rule(lambda value: value is None or _from(1)(value), "a whole number from 1, or null"),
        "top_p": Rule(lambda value: value is None or (_number(value) and 0 < value <= 1), "a share up to 1, or null"),
        "temperature": Rule(lambda value: _number(value) and value >= 0, "a number from 0"),
        "length": _ONE_UP,
        "seed": Rule(_whole, "a whole number"),
        "accelerator": _ACCELERATOR,
        "batch_size": _ONE_UP,
        "format": Rule(lambda value: False, "", ("table", "csv", "json", "coco", "srt", "vtt")),
        "stream": _SWITCH,
        "threshold": Rule(
            lambda value: value is None or (_number(value) and 0 < value <= 1), "a share up to 1, or null"
        ),
        "trust": _SWITCH,
    },
    "list": {
        "image_size": _ONE_UP,
        "in_channels": _ONE_UP,
        "num_classes": _ONE_UP,
        "vocab_size": _ONE_UP,
        "format": _FORMAT,
    },
}


def check(verb: str, config: Mapping[str, Any]) -> None:
    """Raises RequestError for the first value that cannot be, with what can."""
    for key, rule in RULES[verb].items():
        section, _, name = key.rpartition(".")
        place = config.get(section, {}) if section else config
        if isinstance(place, Mapping) and name in place:
            _check_value(key, place[name], rule)
    if verb == "train":
        _check_devices(config["trainer"])


def _check_value(key: str, value: Any, rule: Rule) -> None:
    if rule.allows(value) or value in rule.choices:
        return
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
    guess = nearest(str(shown), rule.choices)
    hint = f" Did you mean {guess}?" if guess else ""
    allowed = " or ".join(part for part in (rule.said, listing(rule.choices)) if part)
    raise RequestError(f"{key}={shown} is not possible.{hint} Allowed: {allowed}.")


def _check_devices(trainer: Mapping[str, Any]) -> None:
    device = device_of(str(trainer["accelerator"]))
    if trainer["strategy"] == "fsdp" and device.type != "cuda":
        raise RequestError(
            "strategy=fsdp needs a GPU (accelerator=gpu): it spreads the parameters of a model over several.\n"
            "Take strategy=ddp for several processes on the CPU, or strategy=auto."
        )
    launch.wanted_processes(dict(trainer))
