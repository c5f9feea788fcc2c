"""sensorium eval: a checkpoint's metrics, tables and plots, on its own data or on other data."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from sensorium import checkpoint
from sensorium.build import check_targets, device_of, load_data
from sensorium.cli import evaluation, output
from sensorium.cli.app import Config, check, explained, override, run_hydra
from sensorium.cli.composition import compose
from sensorium.cli.predict import checkpoint_path
from sensorium.cli.request import own_arguments
from sensorium.data.base import Data
from sensorium.data.text.labelled import cut_note
from sensorium.data.text.tables import open_table
from sensorium.errors import RequestError, listing
from sensorium.evaluator.classification import Predictions
from sensorium.metrics.uncertainty import bootstrap_intervals, paired_comparison
from sensorium.specs import PictureSpec, SoundSpec, Spec, TextSpec, TranslationSpec

_OfClasses = PictureSpec | TextSpec | SoundSpec


def run(arguments: list[str]) -> int:
    """Evaluates. dataset=... and dataset.KEY=... belong to the checkpoint's config, the rest to eval's own."""
    about_data = [argument for argument in arguments if argument.startswith(("dataset=", "dataset."))]
    rest = own_arguments("eval", arguments)
    run_hydra("eval", rest, lambda config: _job(config, about_data, rest))
    return 0


def _loaded(config: Config) -> checkpoint.Checkpoint:
    """The checkpoint to judge, or the average of several."""
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
    settings = _settings(loaded, config, about_data, arguments)
    data = load_data(settings)
    name = config["split"] or _default_split(settings, about_data)
    split = _relabelled(_split(data, name), data.spec, loaded.spec)
    _say_cut(split, loaded.spec)
    device = device_of(config["accelerator"])
    result = evaluation.judge(loaded, split, config=settings, device=device, trust=config["trust"])

    metrics = evaluation.flat(result, name)
    records: list[output.Record] = [{"metric": key, "value": value} for key, value in metrics.items()]
    if config["bootstrap"]:
        records = _with_intervals(records, _classes(result, "bootstrap"), name, resamples=config["bootstrap"])
    if config["compare"] is not None:
        other = checkpoint.read(checkpoint_path(config["compare"]))
        records += _compared(other, loaded.spec, _classes(result, "compare"), split, settings, config)
    folder = Path(str(config["folder"])) if config["folder"] else _beside(loaded.path) / f"eval_{name}"
    try:
        evaluation.record_problems(folder, data.problems, say=lambda line: print(line, file=sys.stderr))
        evaluation.report(folder, result, split, loaded=loaded, predictions_format=config["predictions"])
    except OSError as error:
        raise RequestError(
            f"Tables and plots cannot be written to {folder}: {error.strerror}. Say folder=OTHER."
        ) from error
    kind = config["format"]
    if kind == "json":
        flat = {record["metric"]: record["value"] for record in records}
        intervals = {f"{r['metric']}_interval": [r["low"], r["high"]] for r in records if "low" in r}
        records = [flat | intervals]
    output.write_records(records, format=kind, output=config["output"], title=f"{name}: {len(split):,} examples")
    if kind == "table":
        for line in evaluation.signatures(result):
            output.console().print(line)
        output.console().print(f"\ntables and plots: {folder}")


def _settings(loaded: checkpoint.Checkpoint, config: Config, about_data: list[str], arguments: list[str]) -> Config:
    """The config to evaluate with: the checkpoint's, with other data where asked; pictures always as in training."""
    settings = dict(loaded.config)
    chosen = [argument for argument in about_data if argument.startswith("dataset=")]
    if chosen:
        settings["dataset"] = _composed(about_data, arguments)
    elif about_data:
        settings = override(settings, about_data)
        given = {argument.partition("=")[0] for argument in about_data}
        if "dataset.path" in given:  # the other files of the training do not belong to it
            own = [key for key in ("val_path", "test_path") if f"dataset.{key}" not in given]
            settings["dataset"] |= {key: None for key in own if key in settings["dataset"]}
    # Pictures and texts are always prepared as in training.
    alike = loaded.spec.dataset_settings
    settings["dataset"] = dict(settings["dataset"]) | {k: v for k, v in alike.items() if k in settings["dataset"]}
    settings["on_bad"] = config["on_bad"]
    if config["batch_size"] is not None:
        settings["eval_batch_size"] = config["batch_size"]
    settings["decoding"] = settings.get("decoding", {}) | {k: v for k, v in config["decoding"].items() if v is not None}
    return settings


def _composed(about_data: list[str], arguments: list[str]) -> dict[str, Any]:
    """The dataset section for dataset=NAME dataset.KEY=..."""
    with explained("train", [*about_data, *arguments]):
        return OmegaConf.to_container(compose("train", about_data, arguments=arguments).dataset)  # type: ignore[return-value]


def _default_split(settings: Config, about_data: list[str]) -> str:
    """The test part; of other data that has none of its own, everything."""
    given = {argument.partition("=")[0] for argument in about_data}
    other = given & {"dataset.root", "dataset.path"}
    return "all" if other and not _has_test(settings["dataset"], table="dataset.path" in given) else "test"


def _has_test(dataset: dict[str, Any], *, table: bool) -> bool:
    """Whether the data says what its test part is; else a share of it is held out, as test_fraction says.

    table: dataset.path was given, not dataset.root.
    """
    if "test_fraction" not in dataset:
        return True
    if not table:
        return dataset["root"] is None or (Path(str(dataset["root"])) / "test").is_dir()
    if dataset.get("test_path") is not None or dataset.get("split_column") is not None:
        return True
    path = Path(str(dataset["path"])).expanduser()
    return "split_column" in dataset and "split" in open_table(path, encoding=dataset.get("encoding")).columns


def _split(data: Data, name: str) -> Any:
    return data.train.joined([data.val, data.test]) if name == "all" else getattr(data, name)


def _say_cut(split: Any, spec: Spec) -> None:
    """How many texts are judged by their beginnings, if any."""
    if isinstance(spec, TextSpec | TranslationSpec):
        for note in cut_note(split.cut, spec.max_length):
            print(note, file=sys.stderr)


def _classes(result: evaluation.Result, key: str) -> Predictions:
    """What bootstrap and compare can work with."""
    if not isinstance(result, Predictions):
        raise RequestError(f"{key} is there for classification only so far; leave it out for this checkpoint.")
    return result


def _relabelled(split: Any, found: Spec, trained: Spec) -> Any:
    """Labels by the checkpoint's class numbers. Raises RequestError for a class that the model does not know, and for
    data of another kind.
    """
    if found.kind != trained.kind:
        raise RequestError(f"This checkpoint was trained on {trained}; this data is {found}.")
    if not isinstance(found, _OfClasses) or not isinstance(trained, _OfClasses):
        return split
    if found.class_names == trained.class_names:
        return split
    if found.kind == "masks":  # numbers of pixels in files: they are not renumbered
        raise RequestError(
            f"The classes of this data are {listing(found.class_names, limit=12)}.\n"
            f"The model was trained for {listing(trained.class_names, limit=12)}, in this order."
        )
    strange = [name for name in found.class_names if name not in trained.class_names]
    if strange:
        raise RequestError(
            f"This data has classes that the model was not trained for: {listing(strange, limit=8)}.\n"
            f"It knows: {listing(trained.class_names, limit=12)}."
        )
    numbers = np.array([trained.class_names.index(name) for name in found.class_names])
    boxes = found.kind == "boxes"  # several labels a picture
    return replace(split, labels=[numbers[labels] for labels in split.labels] if boxes else numbers[split.labels])


def _with_intervals(
    records: list[output.Record], predictions: Predictions, split: str, *, resamples: int
) -> list[output.Record]:
    intervals = bootstrap_intervals(
        probabilities=predictions.probabilities, labels=predictions.labels, resamples=resamples
    )
    ends = {f"{split}/{name}": {"low": low, "high": high} for name, (low, high) in intervals.items()}
    return [record | ends.get(record["metric"], {}) for record in records]


def _compared(
    other: checkpoint.Checkpoint, spec: Spec, predictions: Predictions, split: Any, settings: Config, config: Config
) -> list[output.Record]:
    """This checkpoint (a) against another (b) on the same examples, which both must see alike."""
    names = [getattr(found, "class_names", None) for found in (other.spec, spec)]
    if other.spec.offers != spec.offers or names[0] != names[1]:
        raise RequestError(
            f"compare: the two checkpoints do not share class names and kind of data: {other.spec}, and {spec}."
        )
    rival = evaluation.judge(
        other, split, config=settings, device=device_of(config["accelerator"]), trust=config["trust"]
    )
    rival = _classes(rival, "compare")
    found = paired_comparison(a=predictions.probabilities, b=rival.probabilities, labels=predictions.labels)
    return [{"metric": f"compare/{name}", "value": value} for name, value in found.items()]


def _beside(path: Path) -> Path:
    """The run folder of a checkpoint that lies in one, else the checkpoint's own folder."""
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent
