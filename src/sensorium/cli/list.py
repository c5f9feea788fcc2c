"""sensorium list: every choice in a line, the existing runs, or the size and cost of a model."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from sensorium import output
from sensorium.cli import configs
from sensorium.cli.list_runs import Filter, list_runs
from sensorium.cli.loading import loading
from sensorium.errors import RequestError, unknown

PLURALS = {"datasets": "dataset", "models": "model", "experiments": "experiment", "optimizers": "optimizer"}

_FILTERS = tuple(field.name for field in fields(Filter))


def run(arguments: list[str]) -> int:
    """Lists one group or all, or says what one model costs."""
    arguments = [f"what={argument}" if argument.isidentifier() else argument for argument in arguments]
    asked = _plainly(arguments)
    if asked is not None:
        _list(asked["what"], task=asked.get("task"), format=asked["format"], run_root="runs")
        return 0
    importlib.import_module("sensorium.cli.app").run_hydra("list", arguments, _job)
    return 0


def _plainly(arguments: list[str]) -> dict[str, str] | None:
    """The request when it is one that needs no Hydra, whose import and grammar take longer than all the rest: a group
    and a format by their names, or nothing at all. None for any other, wrong ones included.
    """
    asked = {"what": "all", "format": "table"}  # as in list.yaml
    allowed = {"what": ["all", "runs", *PLURALS, *configs.groups()], "format": ["table", "csv", "json", "jsonl"]}
    for argument in arguments:
        given = re.fullmatch(r"(what|format|task)=(\w+)", argument)
        if given is None or given[2] not in allowed.get(given[1], [given[2]]):  # _list checks a task
            return None
        asked[given[1]] = given[2]
    return asked


def _job(config: Mapping[str, Any]) -> None:
    importlib.import_module("sensorium.cli.app").check("list", config)
    wanted = Filter(**{key: config[key] for key in _FILTERS})
    if config["model"] is None or config["what"] == "runs":
        what, root = str(config["what"]), str(config["run_root"])
        _list(
            what,
            task=config["task"],
            format=config["format"],
            run_root=root,
            output_file=config["output"],
            wanted=wanted,
        )
        return
    _check_filters("model", wanted)
    output.write_records([_cost(str(config["model"]), config)], format=config["format"], output=config["output"])


def _list(
    what: str,
    *,
    task: str | None,
    format: str,  # noqa: A002 (the key)
    run_root: str,
    output_file: str | None = None,
    wanted: Filter | None = None,
) -> None:
    """Writes the choices of a group or of all; task: only the datasets and models of this one. wanted: which runs."""
    group = PLURALS.get(what, what)
    groups = configs.groups()
    if group not in ("all", "runs", *groups):
        raise unknown("group", group, ["all", "runs", *groups])
    facts = {"dataset": configs.dataset_facts, "model": configs.model_facts}
    if task is not None:
        if task not in configs.tasks():
            raise unknown("task", task, configs.tasks())
        if group not in ("all", *facts):
            raise RequestError(f"task= is for datasets and models, not for {group}. Leave it out.")
    _check_filters(group, wanted)
    if group == "runs":
        wanted, title = wanted or Filter(), f"runs in {run_root} (run_root=FOLDER lists those of another folder)"
        found = list_runs(Path(run_root), wanted)
        if found or format != "table" or output_file is not None:
            output.write_records(found, format=format, output=output_file, title=title)
        else:
            output.console().print(f"No run{wanted.described()} in {run_root}.")
        return
    chosen = groups if group == "all" else [group]
    records: list[output.Record] = []
    for name in chosen if task is None else [name for name in chosen if name in facts]:
        for choice, line in configs.options(name).items():
            known = facts[name](choice) if task is not None or (name == group and name in facts) else {}
            if task is None or task in known["task"].split():
                records.append({"group": name, "name": choice, **(known if name == group else {}), "what": line})
    output.write_records(records, format=format, output=output_file)


def _check_filters(what: str, wanted: Filter | None) -> None:
    """Rejects filters where no runs are listed. what: a group, "runs", or "model" for the cost of one."""
    given = [key for key in _FILTERS if getattr(wanted, key, None) is not None and (what, key) != ("model", "model")]
    if given and what != "runs":
        raise RequestError(f"{given[0]}= filters runs. Try: sensorium list runs {given[0]}={getattr(wanted, given[0])}")


def _cost(name: str, config: Mapping[str, Any]) -> output.Record:
    if name not in configs.options("model"):
        raise unknown("model", name, configs.options("model"))
    with loading():
        model_cost = importlib.import_module("sensorium.cli.model_cost")
    return model_cost.measure(name, config)
