"""sensorium predict: pictures in, class names with probabilities out."""

import glob
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sensorium import runs
from sensorium.cli import output
from sensorium.cli.app import Config, check, run_hydra
from sensorium.errors import RequestError
from sensorium.files import meant
from sensorium.predictor import Prediction, Predictor
from sensorium.vision.decode import list_images


def run(arguments: list[str]) -> int:
    """Exit status 1 when some inputs could not be read; the others are answered all the same."""
    failures = 0

    def job(config: Config) -> None:
        nonlocal failures
        failures += _job(config)

    run_hydra("predict", _literal_globs(arguments), job)
    return 1 if failures else 0


def _literal_globs(arguments: list[str]) -> list[str]:
    """Quotes input=photos/*.png for Hydra, whose grammar has no use for * and ? in a plain value."""

    def quoted(argument: str) -> str:
        key, _, value = argument.partition("=")
        plain = key == "input" and value and value[0] not in "['\""
        return f"input='{value}'" if plain and "'" not in value else argument

    return [quoted(argument) for argument in arguments]


def _job(config: Config) -> int:
    check("predict", config)
    kind, top_k = config["format"], config["top_k"]
    paths = inputs(config["input"])
    predictor = Predictor(
        path=checkpoint_path(config["ckpt"]), accelerator=config["accelerator"], trust=config["trust"]
    )
    failures = 0
    records: list[output.Record] = []
    streamed = config["output"] is None and kind != "table"
    for number, answer in enumerate(predictor.predict(paths, top_k=top_k, batch_size=config["batch_size"])):
        if answer.error is not None:
            failures += 1
            print(f"sensorium: {answer.error}", file=sys.stderr)
        record = _record(answer, kind, top_k=min(top_k, predictor.spec.num_classes))
        if streamed:
            sys.stdout.write(output.as_csv([record], header=number == 0) if kind == "csv" else output.as_json(record))
        elif answer.error is None or kind != "table":
            records.append(record)
    if not streamed and (records or config["output"]):
        output.write_records(records, format=kind, output=config["output"])
    return failures


def _record(answer: Prediction, kind: str, *, top_k: int) -> output.Record:
    if kind == "json":
        classes = [{"class": name, "probability": probability} for name, probability in answer.classes]
        return {"input": answer.input, "classes": classes} | ({"error": answer.error} if answer.error else {})
    if kind == "csv":
        record: output.Record = {"input": answer.input}
        for place in range(top_k):
            name, probability = answer.classes[place] if answer.classes else ("", "")
            record |= {f"class_{place + 1}": name, f"probability_{place + 1}": probability}
        return record | {"error": answer.error or ""}
    shown = "  ".join(f"{name} {probability:.3f}" for name, probability in answer.classes[1:])
    best = answer.classes[0] if answer.classes else ("", None)
    return {"input": answer.input, "class": best[0], "probability": best[1], "next": shown}


def checkpoint_path(given: Any) -> Path:
    """The checkpoint a person means: the file, or a run folder's best one."""
    path = Path(str(given))
    return runs.Run(path).best if (path / "checkpoints").is_dir() else path


def inputs(given: Any) -> Iterator[Path]:
    """The picture files a person means: file, folder, glob, list of these, or - for paths on standard input.

    A missing file, an empty folder or a glob without matches is a RequestError, before any is read.
    """
    if given == "-":
        return (Path(line.rstrip("\n")) for line in sys.stdin if line.strip())
    found: list[Path] = []
    for item in given if isinstance(given, list) else [given]:
        found += _expand(str(item))
    return iter(found)


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)


def _expand(item: str) -> list[Path]:
    path = Path(os.path.expanduser(item))  # noqa: PTH111 (Path.expanduser fails for an unknown user)
    if path.is_dir():
        files = list_images(path)
        if not files:
            raise RequestError(f"input={item}: the folder holds no pictures.")
        return files
    if path.exists():
        return [path]
    if any(sign in item for sign in "*?["):
        files = [Path(name) for name in sorted(_glob(str(path))) if Path(name).is_file()]
        if not files:
            raise RequestError(f"input={item}: no file matches. Quote it if the shell must leave it alone.")
        return files
    raise RequestError(f"input={item}: there is no such file or folder.{meant(path)}")
