"""A checkpoint in shards: each of several processes writes its rows of every tensor that they share out.

`last.ckpt` is then small and names a folder beside it, with one file for each process; any number of processes opens
the whole. The index that torch.distributed.checkpoint writes is a pickle of objects, and cannot be opened with
`weights_only=True` (docs/decisions/0048).
"""

import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sensorium.errors import RequestError, RunError
from sensorium.files import is_file, replacing
from sensorium.nn.transfer import DAMAGED
from sensorium.torch_file import check_tensors, open_as_data, save

SHARDS = "shards"  # in a checkpoint: {"folder": name, "processes": number}
_OF, _TENSORS = "of", "tensors"  # in a shard: where it belongs, [folder, rank, processes], and its rows
_FOLDER = re.compile(r"last-[0-9a-f]{8}\.shards")
_NUMBER, _SHAPE = "sensorium.sharded", "shape"  # what stands in the place of a tensor


@dataclass(frozen=True)
class ShardedTensor:
    """A tensor in rows: parts follow one another along the first dimension, each memory-mapped from its file."""

    parts: tuple[Tensor, ...]

    @property
    def shape(self) -> torch.Size:
        """Of the whole."""
        return torch.Size((sum(len(part) for part in self.parts), *self.parts[0].shape[1:]))

    def rows(self, first: int, count: int) -> Tensor:
        """These rows alone; of the other parts nothing is read."""
        found, begin = [], 0
        for part in self.parts:
            own = part[max(0, first - begin) : max(0, first + count - begin)]
            found += [own] if len(own) else []
            begin += len(part)
        return torch.cat(found) if found else self.parts[0][:0].clone()

    def whole(self) -> Tensor:
        """All rows."""
        return torch.cat(self.parts)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A payload of dicts, lists and tuples with every other value changed; what nothing is changed in stays itself."""
    if isinstance(value, dict) and _NUMBER not in value:
        fresh = {key: mapped(inner, change) for key, inner in value.items()}
        return value if all(fresh[key] is value[key] for key in fresh) else fresh
    if type(value) in (list, tuple):
        items = [mapped(inner, change) for inner in value]
        return value if all(one is other for one, other in zip(items, value, strict=True)) else type(value)(items)
    return change(value)


def take_out(payload: dict[str, Any], own_rows: Callable[[Any], Tensor | None]) -> tuple[dict[str, Any], list[Tensor]]:
    """The payload with a number in the place of each tensor that is shared out, and this process's rows of these.

    own_rows: None for what every process has as a whole.
    """
    taken: list[Tensor] = []

    def numbered(value: Any) -> Any:
        rows = own_rows(value)
        if rows is None:
            return value
        taken.append(rows)
        return {_NUMBER: len(taken) - 1, _SHAPE: list(value.shape)}

    return mapped(payload, numbered), taken


def new_folder() -> str:
    """A name for the folder of one checkpoint."""
    return f"last-{secrets.token_hex(4)}.shards"


def write(folder: Path, tensors: list[Tensor], *, rank: int, processes: int) -> None:
    """The file of one process, synced. Raises RunError when it cannot be written."""
    path = folder / _name(rank, processes)
    try:
        with replacing(path) as file:
            save({_OF: [folder.name, rank, processes], _TENSORS: tensors}, file)
    except OSError as error:
        raise RunError(
            f"{path}: could not be written ({error.strerror}). The checkpoint before it is unchanged."
        ) from error


def join(payload: dict[str, Any], path: Path, *, whole: bool = True) -> dict[str, Any]:
    """The payload of a checkpoint at `path` with its tensors in it again.

    whole: False leaves the states of optimizers as `ShardedTensor`. Raises RequestError when a shard is missing or
    damaged.
    """
    if SHARDS not in payload:
        return payload
    about = payload[SHARDS]
    try:
        if not _FOLDER.fullmatch(about["folder"]):
            raise ValueError("its shards are elsewhere")
        folder, processes = path.parent / about["folder"], int(about["processes"])
        held = [_read(folder, rank, processes, path, intact=whole) for rank in range(processes)]
        joined = {}
        for key, value in payload.items():
            kept = not whole and key == "optimizer_states"
            joined[key] = mapped(value, partial(_put_in, held=held, kept=kept))
        del joined[SHARDS]
        return joined
    except (OverflowError, *DAMAGED) as error:
        raise RequestError(f"{path} is incomplete: its shards do not fit it ({type(error).__name__}).") from error


def _put_in(value: Any, *, held: list[dict[int, Tensor]], kept: bool) -> Any:
    if not isinstance(value, dict) or _NUMBER not in value:
        return value
    # Taken out, since a tensor that is put in twice would make more than is stored.
    tensor = ShardedTensor(tuple(shard.pop(value[_NUMBER]) for shard in held))
    if list(tensor.shape) != value[_SHAPE] or len({part.dtype for part in tensor.parts}) > 1:
        raise ValueError("a tensor lacks rows")
    return tensor if kept else tensor.whole()


def _read(folder: Path, rank: int, processes: int, path: Path, *, intact: bool) -> dict[int, Tensor]:
    """The rows of one process, by the numbers of the tensors. path: of the checkpoint."""
    shard = folder / _name(rank, processes)
    if not is_file(shard):
        raise RequestError(
            f"{path} is incomplete: {shard} is missing, one of the {processes} files that its processes wrote.\n"
            "Keep the folder of shards beside it, or take best.ckpt, which is one file."
        )
    try:
        found = open_as_data(shard, mmap=True, intact=intact)
        if found[_OF] != [folder.name, rank, processes]:
            raise ValueError("it is of another checkpoint or process")
        check_tensors(found[_TENSORS])
        return dict(enumerate(found[_TENSORS]))
    except DAMAGED as error:
        raise RequestError(
            f"{path} is incomplete: {shard} is damaged, or of another checkpoint ({type(error).__name__})."
        ) from error


def named(path: Path) -> str | None:
    """The folder of shards that a checkpoint names; None for one without, or that is damaged. Raises OSError."""
    try:
        return str(open_as_data(path, mmap=True, intact=False)[SHARDS]["folder"])
    except OSError:
        raise
    except DAMAGED:
        return None


def remove_unnamed(folder: Path) -> None:
    """Removes the folders of shards that no checkpoint in `folder` names any more, or never came to name."""
    found = [one for one in folder.iterdir() if _FOLDER.fullmatch(one.name)]
    with suppress(OSError):  # what cannot be read at the moment may name any of them: they stay until the next save
        kept = {named(path) for path in folder.iterdir() if path.is_file()} if found else set()
        for one in found:
            if one.name not in kept:
                shutil.rmtree(one, ignore_errors=True)


def _name(rank: int, processes: int) -> str:
    return f"{rank:05d}-of-{processes:05d}.pt"
