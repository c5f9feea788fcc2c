"""Locates the files of a published dataset."""

from collections.abc import Sequence
from pathlib import Path

from sensorium.data.cache import cache_folder
from sensorium.errors import RequestError
from sensorium.files import user_path


def published(name: str, root: str | None, *, inner: Sequence[str], files: str, has: Sequence[str] = ()) -> Path:
    """The folder of a published data set: dataset.root or SENSORIUM_CACHE/NAME, or `inner` in it.

    inner: folders, one in the other, that the publisher's archive makes. files: what to put there, for the message.
    has: names that must be in the folder. Raises RequestError when it is not there.
    """
    given = user_path(root) if root else cache_folder(name)
    folder = given
    for step in inner:
        folder = folder / step if (folder / step).is_dir() else folder
    missing = [entry for entry in has if not (folder / entry).exists()]
    if not folder.is_dir() or missing:
        what = f"{folder} has no {', '.join(missing)}" if folder.is_dir() else f"{name}: there is no folder {folder}"
        other = "" if root else ", or give dataset.root=FOLDER"
        raise RequestError(f"{what}.\nPut {files} into {given}{other}.")
    return folder
