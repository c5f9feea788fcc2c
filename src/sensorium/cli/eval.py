"""sensorium eval: a checkpoint's metrics, tables and plots, on its own data or on other data."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sensorium import checkpoint, evaluation, output
from sensorium.bounded import check_decoding
from sensorium.build import check_targets, device_of
from sensorium.cli import evaluation_folder, overwriting
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.eval_data import check_address, evaluation_data, settings_for
from sensorium.cli.predict import checkpoint_path
from sensorium.cli.request import own_arguments
from sensorium.data.base import Data, counted
from sensorium.errors import RequestError, unwritable
from sensorium.files import user_path
from sensorium.neighbors import check_indexable, write_feature_index
from sensorium.robustness import examination
from sensorium.run_config import RunConfig
from sensorium.specs import Spec
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation
from sensorium.tasks.feature_index import FEATURES
from sensorium.tasks.plots import undrawn_notes
from sensorium.tasks.robustness import Robustness
from sensorium.tasks.robustness_report import write_robustness
from sensorium.tasks.slice_report import write_slices
from sensorium.tasks.slices import Slices
from sensorium.verdict import line_of

RESAMPLES = 1000  # of a comparison, where bootstrap= does not say


def run(arguments: list[str]) -> int:
    """Evaluates. dataset=... and dataset.KEY=... belong to the checkpoint's config, the rest to eval's own."""
    about_data = [argument for argument in arguments if argument.startswith(("dataset=", "dataset."))]
    rest = own_arguments("eval", arguments)
    run_hydra("eval", rest, lambda config: _job(config, about_data, rest))
    return 0


def _loaded(config: Config) -> checkpoint.Checkpoint:
    """The checkpoint to evaluate, or the average of several."""
    given = config["ckpt"] if isinstance(config["ckpt"], list) else [config["ckpt"]]
    if len(given) > 1 and not config["average"]:
        raise RequestError("Several checkpoints can be averaged, with average=true, or compared, with compare=OTHER.")
    return checkpoint.averaged([checkpoint.read(checkpoint_path(path)) for path in given])


def _job(config: Config, about_data: list[str], arguments: list[str]) -> None:
    check("eval", config)
    loaded = _loaded(config)
    if not config["trust"]:
        for section in ("dataset", "model"):
            check_targets(section, loaded.config[section])
        check_decoding(loaded.config.get("decoding") or {}, config["decoding"], loaded.path)
    task = registry.of(loaded.spec)
    task.check_decoding(config["decoding"])
    other = _other(config, loaded.spec)
    settings = settings_for(
        loaded,
        about_data,
        on_bad=config["on_bad"],
        batch_size=config["batch_size"],
        decoding=config["decoding"],
        arguments=arguments,
    )
    if not config["trust"]:
        check_address(settings, about_data)
    overwriting.check(config, dataset=settings.dataset)
    output.file_format(config["format"], config["output"])
    check_indexable(loaded, wanted=config["index"])
    calibration_file = _calibration_file(config, loaded, settings)
    data, name, split = evaluation_data(loaded, settings, about_data, config["split"])
    folder = Path(str(config["folder"])) if config["folder"] else _beside(loaded.path) / f"eval_{name}"
    evaluation_folder.check(folder, overwrite=config["overwrite"])
    if note := evaluation_folder.replaced(folder, loaded.path):
        output.complain(note)
    for note in data.reading:
        output.complain(note)
    for note in task.truncation_notes(split, loaded.spec):
        output.complain(note)
    asked = examination(
        data,
        name,
        split,
        loaded.spec,
        by=config["slices"],
        corrupt=config["corrupt"],
        config=settings,
        say=output.complain,
    )
    if calibration_file is not None:
        loaded = _calibrated(loaded, split, calibration_file, settings, config)
    device = device_of(config["accelerator"])
    result = evaluation.evaluate(loaded, split, config=settings, device=device, trust=config["trust"])
    records = _records(result, name, resamples=config["bootstrap"])
    if other is not None:
        records += _compared(other, result, (name, split), loaded.spec, settings, about_data, config)
    result = asked.of(
        result, loaded, split, config=settings, device=device, trust=config["trust"], resamples=config["bootstrap"]
    )
    _write(folder, Evaluated(loaded, result, data, name, split, settings), config)
    if config["format"] == "table":
        line = line_of(result, data, name, split, own=not about_data and settings.labels_per_class is None)
    else:
        line = ""  # its interval takes a while
    _print(records, result, config, title=f"{name}: {counted(len(split), task.example)}", line=line, folder=folder)


class Evaluated(NamedTuple):
    """name: of the split."""

    loaded: checkpoint.Checkpoint
    result: Evaluation
    data: Data
    name: str
    split: Any
    settings: RunConfig


def _write(folder: Path, evaluated: Evaluated, config: Config) -> None:
    """Tables and plots. Raises RunError where they cannot be written."""
    loaded, result, data, name, split, settings = evaluated
    notes: list[str] = []
    about = {"checkpoint": str(loaded.path), "split": name, "metrics": evaluation.named(result, name)}
    try:
        with evaluation_folder.filled(folder, overwrite=config["overwrite"], about=about) as place:
            evaluation.record_problems(place, data.problems, say=notes.append)
            paths = registry.of(loaded.spec).report(
                result,
                folder=place,
                split=split,
                spec=loaded.spec,
                predictions_format=config["predictions"],
                split_name=name,
            )
            if result.slices is not None:
                paths += write_slices(place, result.slices)
            if result.corruptions is not None:
                paths += write_robustness(place, result.corruptions)
            notes += _indexed(place, loaded, data, settings, config)
            notes += [*output.formula_notes(paths), *undrawn_notes()]
    except OSError as error:
        raise unwritable(f"{folder}: tables and plots", error, "Set folder=OTHER.") from error
    for note in notes:
        output.complain(note.replace(str(place), str(folder)))


def _indexed(
    place: Path, loaded: checkpoint.Checkpoint, data: Data, settings: RunConfig, config: Config
) -> Iterator[str]:
    """index=true: the features of the training split beside the results; says where."""
    if config["index"]:
        device = device_of(config["accelerator"])
        write_feature_index(place, loaded, data, config=settings, device=device, trust=config["trust"])
        yield f"index of the features of {len(data.train):,} training examples: {place / FEATURES}"


def _calibration_file(config: Config, loaded: checkpoint.Checkpoint, settings: RunConfig) -> Path | None:
    """Where calibrate= writes to, before anything is evaluated. Raises RequestError for what would be lost by it, and
    for a task that is not calibrated.
    """
    if config["calibrate"] is None:
        return None
    checkpoint.check_weights(loaded.path, "calibrate=")
    if not registry.of(loaded.spec).calibrates:
        registry.of(loaded.spec).calibration(None)
    path = user_path(str(config["calibrate"]))
    try:
        overwriting.check(config | {"output": str(path)}, dataset=settings.dataset)
    except RequestError as error:
        raise RequestError(str(error).replace("output=", "calibrate=")) from error
    return path


def _calibrated(
    loaded: checkpoint.Checkpoint, split: Any, path: Path, settings: RunConfig, config: Config
) -> checkpoint.Checkpoint:
    """The checkpoint with a calibration on this split, written to a new file."""
    found = evaluation.calibrated(
        loaded, split, config=settings, device=device_of(config["accelerator"]), trust=config["trust"]
    )
    checkpoint.write_calibrated(loaded, found, path)
    for line in [*found.lines(), f"calibrated checkpoint: {path}"]:
        output.complain(line)
    return replace(loaded, calibration=found)


def _other(config: Config, spec: Spec) -> checkpoint.Checkpoint | None:
    """The checkpoint to compare with, before anything is evaluated. Raises RequestError for one that predicts other
    things; what it reads (sizes of images, tokens) may be prepared otherwise.
    """
    if config["compare"] is None:
        return None
    other = checkpoint.read(checkpoint_path(config["compare"]))
    if not config["trust"]:
        check_targets("model", other.config["model"])
    if not other.spec.predicts_as(spec):
        raise RequestError(
            f"compare: the two checkpoints do not share class names and kind of data: {other.spec}, and {spec}."
        )
    return other


def _records(result: Evaluation, split: str, *, resamples: int) -> list[output.Record]:
    """A record for each metric, with a confidence interval where resamples are asked for."""
    intervals = result.intervals(resamples) if resamples else {}
    ends = {f"{split}/{name}": {"low": low, "high": high} for name, (low, high) in intervals.items()}
    metrics = evaluation.named(result, split)
    return [{"metric": name, "value": value} | ends.get(name, {}) for name, value in metrics.items()]


def _print(
    records: list[output.Record],
    result: Evaluation,
    config: Config,
    *,
    title: str,
    line: str,
    folder: Path,
) -> None:
    """line: of the headline metric, below a table."""
    if config["format"] in ("json", "jsonl"):
        flat = {record["metric"]: record["value"] for record in records}
        intervals = {f"{r['metric']}_interval": [r["low"], r["high"]] for r in records if "low" in r}
        groups = {"slices": result.slices.to_dict()} if result.slices else {}
        corrupted = {"corruptions": result.corruptions.to_dict()} if result.corruptions else {}
        output.write_text(output.as_json(flat | intervals | groups | corrupted), output=config["output"])
        return
    output.write_records(records, format=config["format"], output=config["output"], title=title)
    if config["format"] == "table":
        for text in (*result.signatures(), line):
            output.console().print(text)
        if result.slices is not None:
            _print_slices(result.slices, type(result).compared_by)
        if result.corruptions is not None:
            _print_corruptions(result.corruptions)
        if folder.is_dir():  # not every task has any
            output.console().print(f"\ntables and plots: {folder}")


def _print_slices(found: Slices, metrics: tuple[str, ...]) -> None:
    """metrics: those that a table on a screen has room for."""
    few = ["few"] if any(one.few for one in found.slices) else []
    shown = ["group", "examples", *metrics, "low", "high", *few]
    rows = [{key: value for key, value in row.items() if key in shown} for row in found.records()]
    output.console().print("")
    output.console().print(output.table(rows, title=f"by {found.by}"))
    output.console().print(found.line(), markup=False)


def _print_corruptions(found: Robustness) -> None:
    part = f"{found.examples:,}" if found.examples == found.total else f"{found.examples:,} of {found.total:,}"
    output.console().print("")
    output.console().print(
        output.table(found.records(), title=f"{found.headline.name} of {part} examples by severity of corruption")
    )
    for line in found.lines():
        output.console().print(line)


def _compared(
    other: checkpoint.Checkpoint,
    result: Evaluation,
    given: tuple[str, Any],
    spec: Spec,
    settings: RunConfig,
    about_data: list[str],
    config: Config,
) -> list[output.Record]:
    """This checkpoint (a) against another (b) on the same examples. given: name of the split, and the split."""
    name, split = given
    if other.spec != spec:  # of another image size or tokenizer: the same examples, prepared for it
        own = {key: value for key, value in other.spec.dataset_settings.items() if key in settings.dataset}
        settings = replace(settings, dataset={**settings.dataset, **own})
        _, _, prepared = evaluation_data(other, settings, about_data, name)
        if list(prepared.names) != list(split.names):
            raise RequestError(
                f"compare: prepared for the two checkpoints, {name} does not have the same examples"
                f" ({len(split):,} and {len(prepared):,})."
            )
        split = prepared
    rival = evaluation.evaluate(
        other, split, config=settings, device=device_of(config["accelerator"]), trust=config["trust"]
    )
    found = result.compared(rival, config["bootstrap"] or RESAMPLES)
    return [{"metric": f"compare/{name}", "value": value} for name, value in found.items()]


def _beside(path: Path) -> Path:
    """The run folder of a checkpoint that lies in one, else the checkpoint's own folder."""
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent
