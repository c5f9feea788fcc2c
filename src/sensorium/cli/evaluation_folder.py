"""The folder of an evaluation's tables and plots: all of them or none, and none instead of the user's own file.

A file that an evaluation wrote is known by evaluation.json, which lists them, and is replaced by the next one.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sensorium.errors import RequestError, listing
from sensorium.files import exists, is_folder, json_text, json_value, same_file, visible, write_atomically
from sensorium.run_folder import RunFolder

MARKER = "evaluation.json"


def is_of_run(folder: Path) -> bool:
    """Whether a training left this folder: that of a run, or the one of its checkpoints or plots."""
    folder = folder.resolve()
    runs = [folder, *([folder.parent] if folder.name in ("checkpoints", "plots") else [])]
    return any(RunFolder(run).config.is_file() and (run / "overrides.txt").is_file() for run in runs)


def check(folder: Path, *, overwrite: bool) -> None:
    """Rejects a run folder, and one that holds files and that no evaluation has written to. Raises RequestError."""
    if not is_folder(folder):
        return
    if is_of_run(folder):
        raise RequestError(
            f"folder={folder} holds the files of a run, which evaluations do not modify. Choose another."
        )
    if overwrite or _written(folder):
        return
    if names := sorted(entry.name for entry in folder.iterdir() if visible(entry.name)):
        raise RequestError(
            f"folder={folder} holds {listing(names, limit=5)}, which no evaluation wrote.\n"
            "Choose a new folder, or overwrite=true to replace files of the same names."
        )


@contextmanager
def filled(folder: Path, *, overwrite: bool, about: Mapping[str, Any]) -> Iterator[Path]:
    """A temporary folder whose files take their places in `folder` when the block ends, with evaluation.json.

    about: what that says beside the files. When the block raises, or where a file would replace one that no evaluation
    wrote, everything stays as it was; the latter raises RequestError.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=folder) as name:
            yield Path(name)
            _move(Path(name), folder, overwrite=overwrite, about=about)
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _move(source: Path, folder: Path, *, overwrite: bool, about: Mapping[str, Any]) -> None:
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    earlier = _written(folder)
    foreign = [name for name in names if name not in earlier and os.path.lexists(folder / name)]
    if foreign and not overwrite:
        raise RequestError(
            f"{folder} holds {listing(foreign, limit=5)}, which no evaluation wrote.\n"
            "Set folder=OTHER, or overwrite=true to replace files of the same names."
        )
    kept = [name for name in earlier if name not in (*names, MARKER) and (folder / name).is_file()]
    found = {**about, "files": sorted([*names, *kept])}
    write_atomically(source / MARKER, json_text(found, indent=2) + "\n")
    for name in (*names, MARKER):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(folder / name)


def replaced(folder: Path, checkpoint: Path) -> str | None:
    """What to say where the evaluation of another checkpoint will be replaced."""
    earlier = _marker(folder).get("checkpoint")
    if not isinstance(earlier, str):
        return None
    # One that is not there may have been moved since, with its run.
    same = same_file(earlier, checkpoint) if exists(Path(earlier)) else Path(earlier).name == checkpoint.name
    return None if same else f"{folder}: replacing the evaluation of {earlier}; folder=OTHER keeps both."


def _written(folder: Path) -> list[str]:
    """The files that an evaluation has written to a folder; [] for a folder of another kind."""
    files = _marker(folder).get("files")
    return [MARKER, *map(str, files)] if isinstance(files, list) else []


def _marker(folder: Path) -> Mapping[str, Any]:
    """What evaluation.json says; {} without one."""
    found: Any = None
    with suppress(OSError, ValueError):
        found = json_value((folder / MARKER).read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
