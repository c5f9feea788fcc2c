"""sensorium report RUN [RUN ...]: report.html of a run, or one page that compares several. Imports no torch, unless the
worst errors are to be explained.
"""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from sensorium.cli import overwriting
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.best_trial import search_error
from sensorium.errors import RequestError, unwritable
from sensorium.files import exists, is_folder, meant, user_path
from sensorium.output import check_ending
from sensorium.reports import page
from sensorium.run_folder import RunFolder

COMPARISON = "comparison.html"
_LISTED = "sensorium list runs lists existing runs."
_EXPLAINING = "sensorium.cli.worst_explained"  # imports torch


def run(arguments: list[str]) -> int:
    """Writes the page and says where it is."""
    run_hydra("report", with_runs(arguments), _job)
    return 0


def with_runs(arguments: list[str]) -> list[str]:
    """Arguments in which run folders, given by their paths alone, have become runs=[...]."""
    paths = [one for one in arguments if not one.startswith(("-", "~", "+")) and ("=" not in one or exists(Path(one)))]
    if not paths:
        return arguments
    quoted = ",".join(json.dumps(path, ensure_ascii=False) for path in paths)
    return [f"runs=[{quoted}]", *(one for one in arguments if one not in paths)]


def _job(config: Config) -> None:
    check("report", config)
    given = config["runs"] if isinstance(config["runs"], list) else [config["runs"]]
    path = write(given, output=config["output"], overwrite=config["overwrite"], explain=config["explain"])
    print(f"report: {path}")


def write(given: Sequence[str | Path], *, output: str | Path | None, overwrite: bool, explain: bool = False) -> Path:
    """Reports one run, or compares several; where the page is. explain: the worst errors of each run, which its
    report.json then keeps. Raises RequestError for what is no run, and for an output that is already there.
    """
    if not given:
        raise RequestError(
            "report needs a run: sensorium report RUN [RUN ...]; sensorium list runs lists existing runs."
        )
    runs = [_found(path) for path in given]
    folders = [run.folder.resolve() for run in runs]
    if twice := [run.folder for run, folder in zip(runs, folders, strict=True) if folders.count(folder) > 1]:
        raise RequestError(f"{twice[0]} is given {len(twice)} times; a comparison takes each run once.")
    path = Path(COMPARISON) if output is None else user_path(output)
    if output is None and len(runs) == 1:
        path = runs[0].folder / page.NAME
    else:
        overwriting.check({"output": str(path), "overwrite": overwrite}, dataset={})
        check_ending(output, (".html", ".htm"))
    for run in runs if explain else ():
        importlib.import_module(_EXPLAINING).explain_worst(run)
    try:
        return page.write_run(runs[0], path) if len(runs) == 1 else page.write_comparison(runs, path)
    except OSError as error:
        raise unwritable(str(path), error, "Choose output=OTHER.") from error


def _found(given: str | Path) -> RunFolder:
    """The run at a path: its folder, or a file in it."""
    path = user_path(given)
    places = [path, path.parent, path.parent.parent]
    for place in places if exists(path) else ():
        if is_folder(place) and RunFolder(place).config.exists():
            return RunFolder(place)
    if not exists(path):
        raise RequestError(f"There is no run {path}.{meant(path)}\n{_LISTED}")
    if (search := search_error(path)) is not None:
        raise search
    raise RequestError(
        f"{path} is no run folder: there is no {path / 'config.yaml'}.\nsensorium list runs lists existing runs."
    )
