"""Processes that train together are refused at their start unless they have the same code, config and data.

They would train all the same, each on a part of something else, or wait for each other for ever.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import sensorium
from sensorium import distributed
from sensorium.data.base import SPLITS, Data
from sensorium.errors import RequestError, as_typed, listing
from sensorium.randomness import drawn_rows

_LOOKED_AT = 32  # examples of a split whose content is compared
_PER_HOST = ("run_root", "workers", "threads")  # config keys that may differ: the first process's folder is the run's
_SHOWN = 3  # differences that are named
Facts = dict[str, str]  # what of -> what it is on this host


def check_code(config: Mapping[str, Any]) -> None:
    """Raises RequestError, in every process, unless all have the same Sensorium, PyTorch and config."""
    if distributed.world_size() == 1:
        return
    versions = {"Sensorium": sensorium.__version__, "PyTorch": torch.__version__}
    versions["Python"] = ".".join(str(part) for part in sys.version_info[:2])
    _check("installed versions", versions, "Install the same on every host.")
    _check("files of Sensorium", _contents(Path(sensorium.__file__).parent), "Install the same on every host.")
    given = {key: value for key, value in config.items() if key not in _PER_HOST}
    _check("settings", _flat(given), "Start every host with the same arguments.")


def check_data(data: Data) -> None:
    """Raises RequestError, in every process, unless all read the same data and the same modules of the person's own.

    Of a split, the number, the names and the targets of all examples are compared, and the content of a few.
    """
    if distributed.world_size() == 1:
        return
    _check("own modules", _own_modules(), "Give every host the same files.")
    what = {"classes, sizes and vocabulary": _digest(repr(data.spec.to_dict()).encode())}
    for name in SPLITS:
        what |= _facts(name, getattr(data, name))
    _check("data", what, "Give every host the same files, at the same place, or a disk that they share.")


def _check(kind: str, mine: Facts, remedy: str) -> None:
    """Compares with the first process. A digest goes round first: the whole is sent where it differs alone."""
    digest = _digest(repr(sorted(mine.items())).encode())
    digests = distributed.gather([digest], processes=distributed.world_size())
    if len(set(digests)) == 1:
        return
    everyone = distributed.gather([(distributed.host(), mine)], processes=distributed.world_size())
    first_host, first = everyone[0]
    rank = next(rank for rank, found in enumerate(digests) if found != digests[0])
    host, other = everyone[rank]
    names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
    shown = "; ".join(
        f"{name} is {first.get(name, 'absent')} on {first_host} and {other.get(name, 'absent')} on {host}"
        for name in names[:_SHOWN]
    )
    others = [one for one, found in zip(everyone, digests, strict=True) if found not in (digests[0], digests[rank])]
    unlike = sorted({host, *(one[0] for one in others)})
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise RequestError(f"{listing(unlike, limit=8)} and {first_host} differ in {kind}: {shown}{more}.\n{remedy}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _contents(folder: Path) -> Facts:
    return {str(path.relative_to(folder)): _digest(path.read_bytes()) for path in sorted(folder.rglob("*.py"))}


def _own_modules() -> Facts:
    """What this process has imported from the working directory."""
    here, found = Path.cwd(), {}
    for module in list(sys.modules.values()):
        file = Path(getattr(module, "__file__", None) or "/")
        if file.suffix == ".py" and file.is_relative_to(here) and not file.is_relative_to(Path(sys.prefix)):
            found[str(file.relative_to(here))] = _digest(file.read_bytes())
    return found


def _flat(value: Any, name: str = "") -> Facts:
    """Dotted key -> value as it is typed."""
    if not isinstance(value, Mapping):
        return {name: as_typed(value)}
    return {
        key: text
        for inner in value
        for key, text in _flat(value[inner], f"{name}.{inner}" if name else str(inner)).items()
    }


def _facts(name: str, split: Any) -> Facts:
    """Of one split: how many examples, and digests of their names, of what is known of each, and of some of them."""
    named = hashlib.sha256()
    for one in split.names:
        named.update(str(one).encode(errors="surrogateescape") + b"\0")
    columns = hashlib.sha256()
    for field in fields(split) if is_dataclass(split) else ():
        column = getattr(split, field.name)
        if isinstance(column, np.ndarray) and column.ndim == 1:
            columns.update(column.tobytes())
    content = hashlib.sha256()
    if len(split):
        for tensor in split.read(drawn_rows(len(split), _LOOKED_AT)):
            content.update(repr(tuple(tensor.shape)).encode() + tensor.contiguous().numpy().tobytes())
    return {
        f"number of {name} examples": f"{len(split):,}",
        f"names of {name} examples": named.hexdigest()[:12],
        f"targets of {name} examples": columns.hexdigest()[:12],
        f"content of {name} examples": content.hexdigest()[:12],
    }
