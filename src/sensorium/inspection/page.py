"""check.html, one file that needs no network, and check.json with every example."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from sensorium.errors import RequestError, listing, printable
from sensorium.files import is_file, is_folder, json_text, json_value, write_atomically
from sensorium.inspection.findings import SEVERITIES, Finding

NAMES = ("check.html", "check.json")
FORMAT = "sensorium check 1"
_SHOWN = 200  # examples of a finding on the page


def write(folder: Path, findings: Sequence[Finding], *, about: Mapping[str, Any], notes: Sequence[str]) -> Path:
    """Both files; where the page is. about: dataset and examples by split. notes: of loading."""
    counts = {severity: sum(one.severity == severity for one in findings) for severity in SEVERITIES}
    found = {"format": FORMAT, **about, "counts": counts, "findings": [one.to_dict() for one in findings]}
    write_atomically(folder / "check.json", json_text({**found, "notes": list(notes)}, indent=2) + "\n")
    template = files("sensorium.inspection").joinpath("check.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["printable"] = printable
    page = environment.from_string(template).render(
        about=about, counts=counts, findings=findings, notes=notes, shown=_SHOWN
    )
    write_atomically(folder / "check.html", page)
    return folder / "check.html"


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Rejects a folder in which a file that no check wrote would be replaced. Raises RequestError."""
    if overwrite or not is_folder(folder):
        return
    there = [name for name in NAMES if is_file(folder / name)]
    found: Any = None
    with suppress(OSError, ValueError):
        found = json_value((folder / "check.json").read_text(encoding="utf-8"))
    own = isinstance(found, dict) and found.get("format") == FORMAT
    if there and not own:
        raise RequestError(
            f"folder={folder} holds {listing(there)}, which no check wrote.\n"
            "Set folder=OTHER, or overwrite=true to replace files of these names."
        )
