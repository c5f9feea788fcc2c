"""sensorium list runs: the runs and searches below a folder, the newest first. No torch: it reads their small files."""

from pathlib import Path
from typing import Any

from sensorium.errors import RequestError
from sensorium.files import json_value
from sensorium.output import Record
from sensorium.run_folder import RunFolder
from sensorium.search.folder import SweepFolder


def list_runs(root: Path) -> list[Record]:
    """A record for each folder of a run or search in root/NAME/. Raises RequestError where there is no such folder."""
    if not root.is_dir():
        raise RequestError(f"run_root={root}: there is no such folder; training creates it in the working directory.")
    found = {path.parent: _record for path in root.glob("*/*/config.yaml")}
    found |= {path.parent: _search_record for path in root.glob("*/*/sweep.json")}
    return [found[folder](folder) for folder in sorted(found, key=lambda folder: (folder.name, folder), reverse=True)]


def _search_record(folder: Path) -> Record:
    summary = _read(SweepFolder(folder).summary)
    return {
        "run": str(folder),
        "epochs": f"{summary['trials']} trials" if "trials" in summary else "",
        "validation": _shown(summary.get("monitor", ""), summary.get("best")),
        "test": "",
        "seconds": summary.get("seconds", "not finished"),
    }


def _record(folder: Path) -> Record:
    run = RunFolder(folder)
    summary, metrics = _read(run.summary), _read(run.metrics)
    monitor, headline = summary.get("monitor", ""), summary.get("headline", "")
    return {
        "run": str(run.folder),
        "epochs": summary.get("epochs", ""),
        "validation": _shown(monitor, summary.get("best")),
        "test": _shown(headline, metrics.get(headline)),
        "seconds": summary.get("seconds", "batch preview" if run.batch.exists() else "not finished"),
    }


def _read(path: Path) -> dict[str, Any]:
    """A JSON file of a run; nothing where the training has not written it, or was killed while it did."""
    try:
        found = json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _shown(name: str, value: Any) -> str:
    return f"{name} {value:.4f}" if name and isinstance(value, int | float) else ""
