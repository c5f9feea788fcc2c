"""What a command writes never replaces what it reads, what a training left, nor, unless asked to, of any
other file that is there already: found before anything is computed.
"""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.cli import evaluation_folder
from sensorium.errors import RequestError, cut
from sensorium.files import exists, is_file, is_folder, is_stream, same_file, user_path
from sensorium.run_folder import RunFolder
from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

FOLDER_KEYS = ("overlay", "masks", "attention", "folder")
_CHECKPOINTS = ("ckpt", "compare")
_FILES = ("input", "decoding.language_model", "decoding.lexicon")
# No results are written in these formats: an existing file is the user's own, whatever led to it (paths on standard
# input, a folder, a glob, a table that lists recordings). Explanations alone are drawn, and replaced as others are.
DRAWN = (".png", ".wav")
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


def check(config: Mapping[str, Any], *, dataset: Mapping[str, Any] | None, drawn: bool = False) -> None:
    """Rejects output=, and a key that names a folder to write to, where files would be lost.

    dataset: the section of the data that is read beside what the command names; None where it is not known yet, and
    another check follows. drawn: whether results may be images and recordings. A file is known by what it is, not by
    its name: a link to it is the same file. What is neither read nor a run's is replaced with overwrite=true. Raises
    RequestError.
    """
    overwrite = config.get("overwrite", False)
    if config.get("output") is not None:
        inputs = list(_inputs(config, dataset or {}))
        _check_file(str(config["output"]), inputs, overwrite=overwrite or dataset is None, drawn=drawn)
    for key in FOLDER_KEYS:
        if config.get(key) is not None and exists(_path(config[key])) and not is_folder(_path(config[key])):
            raise RequestError(f"Results cannot be written to {config[key]}, which is a file. Set {key}=OTHER.")
    if config.get("folder") is not None and dataset:
        _check_report(str(config["folder"]), list(_data(dataset)))
        evaluation_folder.check(_path(config["folder"]), overwrite=overwrite)


def check_targets(targets: Iterable[Path], config: Mapping[str, Any], inputs: Iterable[Any]) -> None:
    """The same for files in folders (overlay=, masks=, attention=, subtitles), once their names are known.

    inputs: all that is predicted for. Raises RequestError.
    """
    there = [path for path in targets if os.path.lexists(path)]
    if not there:
        return
    read = [*(Path(one) for one in inputs if isinstance(one, str | Path)), *(one.path for one in _inputs(config, {}))]
    for path in there:
        if any(same_file(path, one) for one in read):
            raise RequestError(f"{path} is read by this command; choose another folder.")
        _check_run(path, str(path))
    if not config["overwrite"]:
        found = f"{there[0]} and {len(there) - 1:,} more are" if len(there) > 1 else f"{there[0]} is"
        raise RequestError(f"{found} already there; overwrite=true replaces existing files, or choose another folder.")


def _check_file(output: str, inputs: list[_Input], *, overwrite: bool, drawn: bool) -> None:
    if is_stream(output) or not is_file(Path(output)):
        return
    for key, given, path in inputs:
        if same_file(output, path):
            what = "the checkpoint" if key in _CHECKPOINTS else f"read by this command ({key}={given})"
            raise RequestError(f"output={output} is {what}; choose another name.")
        if key.startswith("dataset.") and is_folder(path) and Path(output).resolve().is_relative_to(path.resolve()):
            raise RequestError(f"output={output} is a file among the data ({key}={given}); choose another name.")
    _check_run(Path(output), f"output={output}")
    precious = _PRECIOUS.get(Path(os.path.realpath(output)).suffix.lower())
    if precious and not (drawn and Path(output).suffix.lower() in DRAWN):
        raise RequestError(f"output={output} is {precious} that already exists; choose another name.")
    if not overwrite:
        raise RequestError(f"output={output} already exists; overwrite=true replaces it, or choose another name.")


def _check_run(path: Path, said: str) -> None:
    if evaluation_folder.is_of_run(Path(os.path.realpath(path)).parent):
        raise RequestError(f"{said} is a file of a run; choose another name.")


def _check_report(folder: str, data: list[_Input]) -> None:
    """The tables and plots of an evaluation have fixed names, which a file of the data may have too."""
    for key, given, path in data:
        place = path if is_folder(path) else path.parent
        if any(same_file(target, place) for target in (Path(folder), Path(folder) / "plots")):
            raise RequestError(f"folder={folder} is where the data is ({key}={given}); choose another folder.")


def _inputs(config: Mapping[str, Any], dataset: Mapping[str, Any]) -> Iterator[_Input]:
    """All that a command may read."""
    for key in (*_CHECKPOINTS, *_FILES):
        section, _, name = key.rpartition(".")
        found = (config.get(section) or {} if section else config).get(name)
        for given in found if isinstance(found, list) else [found]:
            if given is not None:
                yield from (_Input(key, cut(given), path) for path in _paths(key, str(given)))
    yield from _data(dataset)


def _paths(key: str, given: str) -> list[Path]:
    """The files that an argument names: a checkpoint by its run, inputs by a glob or on standard input."""
    path = _path(given)
    if key in _CHECKPOINTS:
        return [RunFolder(path).best if is_folder(path) else path]
    if key == "input" and given == "-":
        return [Path("/dev/stdin")]
    if key == "input" and glob.has_magic(given) and not exists(path):
        return [Path(one) for one in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (as the inputs are found)
    return [path]


def _data(dataset: Mapping[str, Any]) -> Iterator[_Input]:
    """Files and folders of a dataset section, and files whose names it gives without their ends (parallel texts)."""
    for name, given in dataset.items():
        if isinstance(given, str) and given and name != "_target_":
            path = _path(given)
            files = [path] if exists(path) else sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))
            yield from (_Input(f"dataset.{name}", given, file) for file in files)


def _path(given: Any) -> Path:
    return user_path(str(given))
