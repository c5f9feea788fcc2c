"""The error for a key that no config has: the nearest one, and what there is."""

import difflib
import re
from collections.abc import Iterable

from sensorium.cli import configs
from sensorium.errors import RequestError, listing, nearest

_VERBS = ("train", "eval", "predict", "explain", "export", "serve", "report", "check", "list")  # those with a yaml
# What other tools call some keys.
_USUAL = {
    "checkpoint": "ckpt",
    "device": "accelerator",
    "devices": "trainer.devices",
    "epochs": "trainer.max_epochs",
    "gpus": "trainer.devices",
    "learning_rate": "lr",
    "max_epochs": "trainer.max_epochs",
    "max_new_tokens": "length",
    "max_tokens": "length",
    "num_epochs": "trainer.max_epochs",
    "num_workers": "workers",
    "output_dir": "run_root",
    "precision": "trainer.precision",
    "pretrained": "model.pretrained",
}


def unknown_key(key: str, verb: str, known: list[str]) -> RequestError:
    """The error for a dotted key that no config has: the nearest one, and what its section holds."""
    if meant := dotted(key, verb, known):
        return RequestError(f"There is no key {key!r}. Did you mean {meant}?\nA key of a group is written GROUP.KEY.")
    if verb == "predict" and key.startswith("dataset"):
        return RequestError(
            f"There is no key {key!r}: predict takes no dataset. Did you mean input?\n"
            "input=PATH is a file, a folder or a glob; metrics on a dataset come from sensorium eval."
        )
    section = key.rpartition(".")[0]
    beside = {other.rpartition(".")[2]: other for other in known if other.rpartition(".")[0] == section}
    guess = _guess(key, beside, known)
    hint = f" Did you mean {guess}?" if guess else ""
    if guess is None or guess.rpartition(".")[2] != key:
        owners = [other for other in _VERBS if other != verb and key in _keys_of(other)]
        hint = f" {key}= belongs to {' and '.join(owners)}." if owners else hint
    shown = [other for other in beside if not other.startswith("_")]
    where = f"{section or verb} has: {listing(shown, limit=40)}." if shown else f"See: sensorium {verb} --help"
    return RequestError(f"There is no key {key!r}.{hint}\n{where}")


def _keys_of(verb: str) -> set[str]:
    """The keys that stand in the yaml of a verb."""
    text = (configs.FOLDER / f"{verb}.yaml").read_text(encoding="utf-8")
    return set(re.findall(r"^(\w+):", text, re.MULTILINE)) - {"defaults", "hydra"}


def _guess(key: str, beside: dict[str, str], known: list[str]) -> str | None:
    """The key that was meant, or None. beside: name -> key, of those of the same section."""
    section, _, name = key.rpartition(".")
    usual = _USUAL.get(name, name)
    for meant in (f"{section}.{usual.rpartition('.')[2]}", usual):
        if usual != name and meant in known:
            return meant
    if section and name in known:  # search.trials for trials
        return name
    anywhere = {other.rpartition(".")[2]: other for other in reversed(known)}
    if not section and name in anywhere:
        return anywhere[name]
    if guess := beside.get(nearest(name, beside) or ""):
        return guess
    if section and beside:
        return None  # what the section has is listed
    alike = difflib.get_close_matches(name, anywhere, n=1, cutoff=0.7)
    return anywhere[alike[0]] if alike else nearest(key, known)


def dotted(key: str, verb: str, known: Iterable[str]) -> str | None:
    """GROUP.KEY for a key written as GROUP_KEY; None for what is none."""
    group, _, name = key.partition("_")
    if not name or group not in configs.groups():
        return None
    taken = f"{group}.{name}" in known or (verb == "eval" and group == "dataset" and name in ("root", "path"))
    return f"{group}.{name}" if taken else None
