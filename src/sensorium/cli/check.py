"""sensorium check: what is wrong with a dataset, as a table, check.html and check.json. Edits nothing."""

import shlex
from collections.abc import Callable, Sequence

from sensorium import checkpoint, output
from sensorium.build import check_targets, device_of, load_data, loaded_model
from sensorium.cli import guess, overwriting
from sensorium.cli.app import Config, check, command_line, run_hydra
from sensorium.cli.eval_data import check_address, settings_for
from sensorium.cli.predict import checkpoint_path
from sensorium.cli.request import dataset_section, own_arguments
from sensorium.data.base import SPLITS, Data, counted
from sensorium.errors import RequestError, unwritable
from sensorium.files import user_path, write_csv
from sensorium.inspection import page
from sensorium.inspection.checks import inspect
from sensorium.inspection.cleaned import cleaned
from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.training import step_cost

_SHOWN = 3  # examples of a finding on the screen


def run(arguments: list[str]) -> int:
    """Prints the findings and writes the report. 1 when one of them is an error."""
    if (taken_for := guess.expanded(arguments, verb="check")[1]) is not None:
        print(taken_for)
    found = findings_of(arguments, say=output.console().print)
    return int(any(one.severity == "error" for one in found))


def findings_of(arguments: list[str], *, say: Callable[..., None]) -> list[Finding]:
    """For the command and the Python API: the findings, reported as the arguments say."""
    found: list[Finding] = []
    given = guess.expanded(arguments, verb="check")[0]
    with command_line():
        run_hydra("check", own_arguments("check", given), lambda config: found.extend(_checked(config, given, say)))
    return found


def _checked(config: Config, arguments: list[str], say: Callable[..., None]) -> list[Finding]:
    """The findings of a composed config; arguments: of the command, for those about data. Raises RequestError."""
    check("check", config)
    loaded = None if config["ckpt"] is None else checkpoint.read(checkpoint_path(config["ckpt"]))
    settings = None if loaded is None else _settings(loaded, arguments, trust=config["trust"])
    section = dataset_section(arguments) if settings is None else settings.dataset
    overwriting.check({**config, "folder": None}, dataset=section)
    output.check_ending(config["output"], (".csv",))
    folder = None if config["folder"] is None else user_path(config["folder"])
    if folder is not None:
        page.check_folder(folder, overwrite=config["overwrite"])
    data = load_data(section, on_bad="skip")
    contents = registry.of(data.spec).contents(data)
    if config["output"] is not None and contents.table is None:
        raise RequestError(f"output={config['output']}: {contents.whynot}. Leave output= out.")
    findings = _inspected(contents, data, skip=config["skip"])
    if loaded is not None and settings is not None:
        if registry.of(data.spec) is not registry.of(loaded.spec):
            raise RequestError(f"This checkpoint was trained on {loaded.spec}; this data is {data.spec}.")
        model = loaded_model(loaded, device=device_of(config["accelerator"]), trust=config["trust"])
        findings += step_cost.measured(model, data, settings)
    show(findings, data, say)
    if folder is not None:
        about = {
            "command": shlex.join(["sensorium", "check", *arguments]),
            "dataset": str(data.spec),
            "examples": {name: len(getattr(data, name)) for name in SPLITS},
        }
        try:
            say(f"report: {page.write(folder, findings, about=about, notes=data.notes)}")
        except OSError as error:
            raise unwritable(str(folder), error, "Choose folder=OTHER.") from error
    if config["output"] is not None:
        columns, rows, dropped = cleaned(contents, findings)
        with output.writing(config["output"]):
            write_csv(user_path(config["output"]), [columns, *rows])
        say(f"{config['output']}: {counted(len(rows), contents.unit)}; {dropped:,} dropped")
    return findings


def _settings(loaded: checkpoint.Checkpoint, arguments: list[str], *, trust: bool) -> RunConfig:
    """The config of the checkpoint's training, with other data where the arguments name some."""
    if not trust:
        for section in ("dataset", "model"):
            check_targets(section, loaded.config[section])
    about_data = [one for one in arguments if one.startswith(("dataset=", "dataset."))]
    settings = settings_for(loaded, about_data, on_bad="skip", batch_size=None, decoding={}, arguments=arguments)
    if not trust:
        check_address(settings, about_data)
    return settings


def _inspected(contents: Contents, data: Data, *, skip: Sequence[str]) -> list[Finding]:
    task = registry.of(data.spec)
    facts = {name: task.facts(getattr(data, name), data.spec) for name in SPLITS}
    counts = {name: one.classes for name, one in facts.items()}
    return inspect(contents, problems=data.problems, counts=counts, counted=facts["train"].counted, skip=skip)


def show(findings: Sequence[Finding], data: Data, say: Callable[..., None]) -> None:
    """The table on the screen."""
    sizes = " + ".join(f"{len(getattr(data, name)):,}" for name in SPLITS)
    say(f"{sizes} {data.spec} (train + val + test)")
    if not findings:
        say("nothing found")
        return
    records: list[output.Record] = []
    for one in findings:
        first, *more = list(one.examples[:_SHOWN]) or [""]
        count = f"{one.count:,}" if one.count else ""
        records.append({"severity": one.severity, "check": one.check, "count": count, "finding": one.what})
        blank = {"severity": "", "check": "", "count": ""}
        records += [{**blank, "finding": f"  {item}"} for item in (first, *more) if item]
    say(output.table(records))
