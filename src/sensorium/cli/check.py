"""sensorium check: what is wrong with a dataset, as a table, check.html and check.json. Edits nothing."""

from collections.abc import Sequence
from pathlib import Path

from sensorium import output
from sensorium.build import load_data
from sensorium.cli import guess, overwriting
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.request import dataset_section, own_arguments
from sensorium.data.base import SPLITS, Data
from sensorium.errors import RequestError, unwritable
from sensorium.files import user_path, write_csv
from sensorium.inspection import page
from sensorium.inspection.checks import inspect
from sensorium.inspection.cleaned import cleaned
from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding
from sensorium.tasks import registry

_SHOWN = 3  # examples of a finding on the screen


def run(arguments: list[str]) -> int:
    """Prints the findings and writes the report. 1 when one of them is an error."""
    if (taken_for := guess.expanded(arguments, verb="check")[1]) is not None:
        print(taken_for)
    found = findings_of(arguments)
    return int(any(one.severity == "error" for one in found))


def findings_of(arguments: list[str]) -> list[Finding]:
    """For the command and the Python API: the findings, reported as the arguments say."""
    found: list[Finding] = []
    section = dataset_section(arguments)
    run_hydra("check", own_arguments("check", arguments), lambda config: found.extend(_checked(config, section)))
    return found


def _checked(config: Config, section: Config) -> list[Finding]:
    """The findings of a composed config and a section `dataset`. Raises RequestError."""
    check("check", config)
    overwriting.check({**config, "folder": None}, dataset=section)
    folder = user_path(config["folder"]) if config["folder"] is not None else None
    if folder is not None:
        page.check_folder(folder, overwrite=config["overwrite"])
    data = load_data(section, on_bad="skip")
    task = registry.of(data.spec)
    contents = task.contents(data)
    if config["output"] is not None and contents.table is None:
        raise RequestError(f"output={config['output']}: {contents.whynot}. Leave output= out.")
    facts = {name: task.facts(getattr(data, name), data.spec) for name in SPLITS}
    findings = inspect(
        contents,
        problems=data.problems,
        counts={name: one.classes for name, one in facts.items()},
        counted=facts["train"].counted,
        skip=config["skip"],
    )
    show(findings, data)
    if folder is not None:
        about = {"dataset": str(data.spec), "examples": {name: len(getattr(data, name)) for name in SPLITS}}
        try:
            print(f"report: {page.write(folder, findings, about=about, notes=data.notes)}")
        except OSError as error:
            raise unwritable(str(folder), error, "Choose folder=OTHER.") from error
    if config["output"] is not None:
        _write(str(config["output"]), contents, findings)
    return findings


def show(findings: Sequence[Finding], data: Data) -> None:
    """The table on the screen."""
    screen = output.console()
    sizes = " + ".join(f"{len(getattr(data, name)):,}" for name in SPLITS)
    screen.print(f"{sizes} {data.spec} (train + val + test)")
    if not findings:
        screen.print("nothing found")
        return
    records: list[output.Record] = []
    for one in findings:
        first, *more = list(one.examples[:_SHOWN]) or [""]
        count = f"{one.count:,}" if one.count else ""
        records.append({"severity": one.severity, "check": one.check, "count": count, "finding": one.what})
        blank = {"severity": "", "check": "", "count": ""}
        records += [{**blank, "finding": f"  {item}"} for item in (first, *more) if item]
    screen.print(output.table(records))


def _write(path: str, contents: Contents, findings: Sequence[Finding]) -> None:
    columns, rows, dropped = cleaned(contents, findings)
    with output.writing(path):
        write_csv(Path(user_path(path)), [columns, *rows])
    print(f"{path}: {len(rows):,} {contents.unit}s; {dropped:,} left out")
