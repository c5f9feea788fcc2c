"""Which data a checkpoint is evaluated on: its own, or other data chosen by overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from sensorium.build import load_data
from sensorium.checkpoint import Checkpoint
from sensorium.cli.app import explained, override
from sensorium.cli.composition import compose
from sensorium.cli.literal import literal
from sensorium.data.base import Data
from sensorium.data.io.tables import open_table
from sensorium.data.shards.addresses import find_shards, is_remote
from sensorium.errors import RequestError, cut, unknown
from sensorium.files import user_path
from sensorium.run_config import RunConfig
from sensorium.tasks import registry

SPLITS = ("train", "val", "test", "all")


def settings_for(
    loaded: Checkpoint,
    about_data: Sequence[str],
    *,
    on_bad: str,
    batch_size: int | None,
    decoding: Mapping[str, Any],
    arguments: Sequence[str] = (),
) -> RunConfig:
    """The config to evaluate with: the checkpoint's, with other data where asked.

    about_data: overrides dataset=NAME and dataset.KEY=VALUE. arguments: may hold --config-dir. decoding: None in it
    means as trained.
    """
    settings = dict(loaded.config)
    chosen = [argument for argument in about_data if argument.startswith("dataset=")]
    if chosen:
        settings["dataset"] = _composed(list(about_data), list(arguments))
    elif about_data:
        settings = override(settings, list(about_data))
        given = {argument.partition("=")[0] for argument in about_data}
        if "dataset.path" in given:  # the other files of the training do not belong to it
            own = [key for key in ("val_path", "test_path") if f"dataset.{key}" not in given]
            settings["dataset"] |= {key: None for key in own if key in settings["dataset"]}
    # Examples are always preprocessed as in training. A range of values is no choice of the training where the files
    # of other data differ: 12 bits of one camera, 16 of another.
    alike = loaded.spec.dataset_settings
    if any(argument.startswith("dataset.pixel_range=") for argument in about_data):
        alike = {key: value for key, value in alike.items() if key != "pixel_range"}
    settings["dataset"] = dict(settings["dataset"]) | {k: v for k, v in alike.items() if k in settings["dataset"]}
    settings["on_bad"] = on_bad
    if batch_size is not None:
        settings["eval_batch_size"] = batch_size
    settings["decoding"] = (settings.get("decoding") or {}) | {k: v for k, v in decoding.items() if v is not None}
    return RunConfig.from_dict(settings)


def check_address(settings: RunConfig, about_data: Sequence[str]) -> None:
    """A RequestError where reading the data would ask an address that only the checkpoint names, whoever made it."""
    if any(argument.startswith(("dataset=", "dataset.root=")) for argument in about_data):
        return
    if remote := remote_roots(settings):
        raise RequestError(
            f"The data is at {cut(remote[0])}, an address that the checkpoint names and you did not.\n"
            f"If you mean it, give dataset.root={cut(remote[0])}, or trust=true."
        )


def remote_roots(settings: RunConfig) -> list[str]:
    """The addresses of dataset.root that are not on this machine."""
    root = settings.dataset.get("root")
    return [str(one) for one in ([root] if isinstance(root, str) else root or ()) if is_remote(str(one))]


def _composed(about_data: list[str], arguments: list[str]) -> dict[str, Any]:
    """The dataset section for dataset=NAME dataset.KEY=..."""
    with explained("train", [*about_data, *arguments]):
        return cast(
            dict[str, Any], OmegaConf.to_container(compose("train", literal(about_data), arguments=arguments).dataset)
        )


def default_split(settings: RunConfig, about_data: Sequence[str]) -> str:
    """test; of other data without a test split of its own, all."""
    given = {argument.partition("=")[0] for argument in about_data}
    other = given & {"dataset.root", "dataset.path"}
    return "all" if other and not _has_test(settings.dataset, table="dataset.path" in given) else "test"


def _has_test(dataset: Mapping[str, Any], *, table: bool) -> bool:
    """Whether the data says what its test split is; else a share of it is held out, as test_fraction says.

    table: dataset.path was given, not dataset.root.
    """
    if "test_fraction" not in dataset:
        return True
    if "shard_bytes" in dataset:
        return any(shard.split == "test" for shard in find_shards(dataset["root"]))
    if not table:
        return dataset["root"] is None or (Path(str(dataset["root"])) / "test").is_dir()
    if dataset.get("test_path") is not None or dataset.get("split_column") is not None:
        return True
    path = user_path(str(dataset["path"]))
    return "split_column" in dataset and "split" in open_table(path, encoding=dataset.get("encoding")).columns


def split_of(data: Data, name: str) -> Any:
    """train, val or test, or all of them joined."""
    if name not in SPLITS:
        raise unknown("split", name, SPLITS)
    return data.train.joined([data.val, data.test]) if name == "all" else getattr(data, name)


def evaluation_data(
    loaded: Checkpoint, settings: RunConfig, about_data: Sequence[str], split: str | None
) -> tuple[Data, str, Any]:
    """The data, the name of the split, and the split with the class numbers of the model.

    Raises RequestError for data of another task, and for classes that the model does not know.
    """
    data = load_data(settings.dataset, on_bad=settings.on_bad)
    task = registry.of(loaded.spec)
    if registry.of(data.spec) is not task:
        raise RequestError(f"This checkpoint was trained on {loaded.spec}; this data is {data.spec}.")
    name = split or default_split(settings, about_data)
    chosen = split_of(data, name)
    if settings.on_bad == "skip":
        chosen, problems = task.without_unknown(chosen, data.spec, loaded.spec)
        data = replace(data, problems=(*data.problems, *problems))
    return data, name, task.relabeled(chosen, data.spec, loaded.spec)


def load_splits(loaded: Checkpoint) -> tuple[RunConfig, Data]:
    """The data that a checkpoint was trained on, and the config to read it with. Raises RequestError without it."""
    settings = settings_for(loaded, [], on_bad="fail", batch_size=None, decoding={})
    return settings, load_data(settings.dataset, on_bad=settings.on_bad)
