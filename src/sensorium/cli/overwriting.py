"""What a command writes never takes the place of what it reads: found before anything is computed."""

import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.errors import RequestError
from sensorium.run_folder import RunFolder
from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

FOLDER_KEYS = ("overlay", "masks", "attention", "folder")
_CHECKPOINTS = ("ckpt", "compare")
_FILES = ("input", "decoding.language_model", "decoding.lexicon")
# No results are written in these formats: an existing file is a person's own, whatever led to it (paths on standard
# input, a folder, a glob, a table that lists recordings).
_PRECIOUS = {
    **dict.fromkeys(IMAGE_SUFFIXES, "an image"),
    **dict.fromkeys(AUDIO_SUFFIXES, "a recording"),
    ".ckpt": "a checkpoint",
}


class _Input(NamedTuple):
    """key, given: the argument as it was typed. path: where that is."""

    key: str
    given: str
    path: Path


def check(config: Mapping[str, Any], *, dataset: Mapping[str, Any] | None = None) -> None:
    """Refuses output=, and a key that names a folder to write to, where files that are read would be lost.

    dataset: the section of the data that is read beside what the command names. A file is known by what it is, not by
    its name: a link to it is the same file. Raises RequestError.
    """
    if config.get("output") is not None:
        _check_file(str(config["output"]), list(_inputs(config, dataset or {})))
    for key in FOLDER_KEYS:
        if config.get(key) is not None and _is_file(_path(config[key])):
            raise RequestError(f"Results cannot be written to {config[key]}, which is a file. Say {key}=OTHER.")
    if config.get("folder") is not None:
        _check_report(str(config["folder"]), list(_data(dataset or {})))


def _check_file(output: str, inputs: list[_Input]) -> None:
    if not _is_file(output):
        return
    for key, given, path in inputs:
        if _same(output, path):
            what = "the checkpoint" if key in _CHECKPOINTS else f"read by this command ({key}={given})"
            raise RequestError(f"output={output} is {what}; choose another name.")
        if key.startswith("dataset.") and path.is_dir() and Path(output).resolve().is_relative_to(path.resolve()):
            raise RequestError(f"output={output} is a file among the data ({key}={given}); choose another name.")
    if precious := _PRECIOUS.get(Path(output).suffix.lower()):
        raise RequestError(f"output={output} is {precious} that is there already; choose another name.")


def _check_report(folder: str, data: list[_Input]) -> None:
    """The tables and plots of an evaluation have fixed names, which a file of the data may have too."""
    for key, given, path in data:
        place = path if path.is_dir() else path.parent
        if any(_same(target, place) for target in (Path(folder), Path(folder) / "plots")):
            raise RequestError(f"folder={folder} is where the data is ({key}={given}); choose another folder.")


def _inputs(config: Mapping[str, Any], dataset: Mapping[str, Any]) -> Iterator[_Input]:
    """All that a command may read."""
    for key in (*_CHECKPOINTS, *_FILES):
        section, _, name = key.rpartition(".")
        found = (config.get(section) or {} if section else config).get(name)
        for given in found if isinstance(found, list) else [found]:
            if given is not None:
                path = _path(given)
                run = key in _CHECKPOINTS and path.is_dir()
                yield _Input(key, str(given), RunFolder(path).best if run else path)
    yield from _data(dataset)


def _data(dataset: Mapping[str, Any]) -> Iterator[_Input]:
    """Files and folders of a dataset section, and files whose names it gives without their ends (parallel texts)."""
    for name, given in dataset.items():
        if isinstance(given, str) and given and name != "_target_":
            path = _path(given)
            files = [path] if _exists(path) else sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))
            yield from (_Input(f"dataset.{name}", given, file) for file in files)


def _path(given: Any) -> Path:
    return Path(os.path.expanduser(str(given)))  # noqa: PTH111 (Path.expanduser fails for an unknown user)


# Path's own methods fail for a name that is too long.


def _exists(path: str | Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110


def _is_file(path: str | Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113


def _same(one: str | Path, other: Path) -> bool:
    """Whether both are one file, by whatever name or link."""
    return _exists(one) and _exists(other) and os.path.samefile(one, other)  # noqa: PTH121
