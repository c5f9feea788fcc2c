"""The paths of the Hydra configs and their first lines, read as text: no Hydra, no torch, so help is instant."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import sensorium

_PACKAGE = Path(sensorium.__file__).parent
# In a wheel the tree lies inside the package; in a checkout at the top.
FOLDER = _PACKAGE / "configs" if (_PACKAGE / "configs").is_dir() else _PACKAGE.parents[1] / "configs"


def own_folder() -> Path | None:
    """The user's own configs/ in the working directory, unless that is this tree itself."""
    folder = Path.cwd() / "configs"
    return folder if folder.is_dir() and folder.resolve() != FOLDER.resolve() else None


def folders() -> list[Path]:
    """Where configs are looked for, the user's own first."""
    own = own_folder()
    return [own, FOLDER] if own else [FOLDER]


def groups() -> list[str]:
    """Names of the config groups."""
    return sorted({path.name for folder in folders() for path in folder.iterdir() if path.is_dir()})


def options(group: str) -> dict[str, str]:
    """Each choice of a group with its one-line description, which is the first comment of its file.

    A file whose name begins with _ is none: it is a block of keys that the yamls of the group include.
    """
    found: dict[str, str] = {}
    for folder in reversed(folders()):
        for path in sorted((folder / group).glob("*.yaml")):
            if not path.name.startswith("_"):
                found[path.stem] = first_comment(path)
    return dict(sorted(found.items()))


def tasks() -> list[str]:
    """The names of all tasks that a dataset can have."""
    return sorted({dataset_facts(name)["task"] for name in options("dataset")})


def dataset_facts(name: str) -> dict[str, str]:
    """The task of a dataset, and whether it has to be downloaded: "" for no, such as the user's own files."""
    text = path_of("dataset", name).read_text(encoding="utf-8")
    task = re.search(r"/task@_global_\.task: (\w+)", text)
    if task is None and (base := re.search(r"^defaults: \[(\w+),", text, re.MULTILINE)):
        return dataset_facts(base[1])
    download = re.search(r"^download:", text, re.MULTILINE) or "package datasets" in text
    return {"task": task[1] if task else "", "download": "yes" if download else ""}


def model_facts(name: str) -> dict[str, Any]:
    """The tasks whose data a model takes, and its parameters with the defaults of list.yaml: "" where nobody counted
    them, such as in the user's own models.
    """
    known = _catalog().get(name, {}) if path_of("model", name).parent.parent == FOLDER else {}
    parameters = known.get("parameters")
    return {"task": " ".join(known.get("tasks", ())), "parameters": "" if parameters is None else parameters}


@cache
def _catalog() -> dict[str, Any]:
    """Written by scripts/model_catalog.py."""
    found: dict[str, Any] = json.loads((FOLDER / "model" / "_catalog.json").read_text(encoding="utf-8"))
    return found


def path_of(group: str, name: str) -> Path:
    """The file of a choice, the user's own before ours. Raises StopIteration when there is none."""
    return next(path for folder in folders() if (path := folder / group / f"{name}.yaml").is_file())


def first_comment(path: Path) -> str:
    """The first comment line of a yaml file that is not a Hydra package line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ").rstrip()
    return ""
