"""The files and folders named in settings."""

from pathlib import Path

from sensorium.errors import RequestError, cut
from sensorium.files import exists, is_folder, meant, not_a_file, refuse_whole_system, user_path


def existing(key: str, given: str | None, *, what: str = "file", hint: str = "") -> Path:
    """What dataset.KEY names. Raises RequestError when it is not there, or is of the other kind.

    what: file, folder, or "file or folder". hint: what to do, in a line of its own, when it is of the other kind.
    """
    if given is None:
        raise RequestError(f"dataset.{key} is not set. Give a {what}: dataset.{key}={what.split()[-1].upper()}.")
    path = user_path(given)
    if not exists(path):
        raise RequestError(f"dataset.{key}={cut(given)}: there is no such {what}.{meant(path)}")
    if wrong := not_a_file(path):
        raise RequestError(f"dataset.{key}={given} is {wrong}; a {what} is needed.")
    there = "folder" if is_folder(path) else "file"
    if there == "folder":
        refuse_whole_system(path)
    if there not in what:
        raise RequestError(f"dataset.{key}={given} is a {there}; a {what} is needed.{hint and chr(10)}{hint}")
    return path
