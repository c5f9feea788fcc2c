"""What to say where a run or checkpoint is wanted and the folder of a search is given. No torch."""

from pathlib import Path
from typing import Any

from sensorium.cli.listed_run import Listed
from sensorium.errors import RequestError
from sensorium.files import user_path
from sensorium.run_folder import RunFolder
from sensorium.search.folder import SweepFolder


def best_run(sweep: SweepFolder) -> RunFolder | None:
    """That of a search's best trial so far, of several repeats the first; None where no trial came to its end."""
    number = Listed(sweep.folder).summary.get("best_trial")
    places = [] if number is None else [sweep.trial(number), sweep.trial(number) / "1"]
    return next((RunFolder(place) for place in places if RunFolder(place).config.exists()), None)


def search_error(path: Path, *, checkpoint: bool = False) -> RequestError | None:
    """For the folder of a search, which is neither a run nor a checkpoint; None for any other path."""
    sweep = SweepFolder(path)
    if not sweep.request.is_file():
        return None
    best = best_run(sweep)
    if best is None:
        choose = f"No trial of it was completed. sensorium list runs run_root={path} lists its trials."
    else:
        choose = f"Its best trial: {f'ckpt={best.best}' if checkpoint else best.folder}"
    about = "" if checkpoint else f"; its report is {sweep.report}, made again by sensorium train resume={path}"
    return RequestError(f"{path} is the folder of a search{about}.\n{choose}")


def check_checkpoints(given: Any) -> None:
    """Rejects the folder of a search among the values of ckpt=, with the checkpoint of its best trial."""
    for path in given if isinstance(given, list) else [given]:
        if isinstance(path, str) and (search := search_error(user_path(path), checkpoint=True)) is not None:
            raise search
