"""sensorium list runs: the runs below a folder, the newest first. No torch: it reads the small files of each run."""

from pathlib import Path
from typing import Any

from sensorium.errors import RequestError
from sensorium.files import json_value
from sensorium.output import Record
from sensorium.run_folder import RunFolder


def list_runs(root: Path) -> list[Record]:
    """A record for each run folder at root/NAME/DATE_TIME_XXXX. Raises RequestError when there is no such folder."""
    if not root.is_dir():
        raise RequestError(f"run_root={root}: there is no such folder; training creates it in the working directory.")
    found = [RunFolder(path.parent) for path in root.glob("*/*/config.yaml")]
    return [_record(run) for run in sorted(found, key=lambda run: (run.folder.name, run.folder), reverse=True)]


def _record(run: RunFolder) -> Record:
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
