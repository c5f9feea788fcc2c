"""From config to objects: the one place where data, model and task meet."""

import inspect
import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.errors import HydraException
from torch import nn

from sensorium import targets
from sensorium.bounded import check_decoding, no_larger_than
from sensorium.checkpoint import Checkpoint, read
from sensorium.data.base import Data, Split
from sensorium.data.loader import BatchLoader
from sensorium.data.mixed_order import training_order
from sensorium.data.order import BatchPlan
from sensorium.errors import RequestError, RunError, nearest, unknown
from sensorium.import_path import find_named
from sensorium.initial import start_from_vectors, start_from_weights
from sensorium.models.exported import is_exported, runners
from sensorium.models.protocols import Detector, Segmenter
from sensorium.nn.dry_run import REFUSALS, dry_run, reason
from sensorium.nn.transfer import check_loaded, freeze_backbone
from sensorium.run_config import RunConfig
from sensorium.specs import INPUTS, OFFERED, Spec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel

Config = Mapping[str, Any]

# What a section of a config found in a checkpoint may build. Anything else could be code of a stranger's choice.
OWN_TARGETS = {
    "dataset": ("sensorium.data.",),
    "model": ("sensorium.models.",),
    "augment": ("sensorium.vision.", "sensorium.audio.", "sensorium.text."),
    "task": ("sensorium.tasks.",),
    "learning": ("sensorium.tasks.", "sensorium.vision.", "sensorium.audio.", "sensorium.text."),
    "optimizer": ("sensorium.optim.", "torch.optim"),
    "scheduler": ("sensorium.optim.",),
    "callbacks": ("sensorium.training.", "lightning.pytorch.callbacks"),
    "logger": ("lightning.pytorch.loggers",),
}
# Keys of the model section that say what happens to a model once it is built; the rest goes to its constructor.
MODEL_TREATMENT = (
    "pretrained",
    "init",
    "vectors",
    "freeze",
    "unfreeze_epochs",
    "backbone_lr_scale",
    "layer_lr_decay",
    "adamw_lr",
)


def locate(target: str) -> Any:
    """The class or function at a dotted path. Raises RequestError when there is none, with the nearest name beside."""
    # Hydra says on standard error what the exception says again.
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)
    find_named(target)
    try:
        return hydra.utils.get_object(target)
    except (HydraException, ImportError, ValueError, AttributeError) as error:
        module, _, name = target.rpartition(".")
        beside = [name for name, found in vars(sys.modules.get(module, object)).items() if callable(found)]
        guess = nearest(name, beside) if module in sys.modules else None
        lines = [line.strip() for line in str(error).splitlines()]
        why = f" Did you mean {guess}?" if guess else f"\n{' '.join(lines[:2])}"
        raise RequestError(f"There is no class or function {target} (_target_).{why}") from error


def check_targets(section: str, value: Any) -> None:
    """Rejects a target that is not of Sensorium's own modules for this section.

    The object's own module counts, not the path: `sensorium.runs.os.system` is a path into another module.
    """
    if isinstance(value, Mapping):
        target = value.get("_target_")
        if target is not None:
            allowed = OWN_TARGETS.get(section, ())
            found = locate(target) if str(target).startswith(allowed) else None
            if found is None or not f"{getattr(found, '__module__', '')}.".startswith(allowed):
                raise RequestError(
                    f"The config in this checkpoint names {target} in section {section!r}; it is not Sensorium's own."
                    "\nIf you trust the source of the file, set trust=true."
                )
        for inner in value.values():
            check_targets(section, inner)
    elif isinstance(value, list):
        for inner in value:
            check_targets(section, inner)


def is_own(*, dataset: Config, model: Config, decoding: Config | None = None) -> bool:
    """Whether sections name Sensorium's own classes and no files for a search, so that their checkpoint opens without
    trust=true.
    """
    try:
        check_targets("dataset", dataset)
        check_targets("model", model)
        check_decoding(decoding or {}, {}, Path())
    except RequestError:
        return False
    return True


def instantiate(section: str, config: Config, **offered: Any) -> Any:
    """Builds a config section's `_target_`, and those nested in it. From `offered` it gets what its signature asks for.

    Raises RequestError for a target that is not what the section is for, for a key that it does not take, with the
    nearest one it does, and for a value that its annotation excludes or that it rejects.
    """
    target = config.get("_target_") if isinstance(config, Mapping) else None
    if target is None:
        raise RequestError(f"{section} has no _target_: it says neither which class nor which function to build.")
    found = locate(str(target))
    targets.check_kind(section, str(target), found)
    parameters = inspect.signature(found).parameters
    keys = [str(key) for key in config if not str(key).startswith("_")]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key in keys:
        if key not in parameters and not takes_any:
            allowed = [
                name for name in parameters if name not in offered and name not in ("self", "optimizer", "params")
            ]
            raise unknown(f"key in {section} ({str(target).rpartition('.')[2]})", key, allowed)
    given = {name: value for name, value in offered.items() if name in parameters and name not in keys}
    values = targets.check_values(section, found, {key: config[key] for key in keys})
    inner = {key: _nested(f"{section}.{key}", value) for key, value in values.items()}
    if config.get("_partial_"):
        return partial(found, **inner, **given)
    try:
        return found(**inner, **given)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
        raise targets.refused(section, values, error) from error


def _nested(section: str, value: Any) -> Any:
    """A value with every section inside it that has a `_target_` built."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            return instantiate(section, value)
        return {key: _nested(f"{section}.{key}", inner) for key, inner in value.items()}
    return [_nested(section, inner) for inner in value] if isinstance(value, list) else value


# -- data


def load_data(section: Config, *, on_bad: str) -> Data:
    """Reads and validates the dataset of a section `dataset`."""
    return instantiate("dataset", section).load(on_bad=on_bad)


def make_loader(
    config: RunConfig, split: Split, *, shuffle: bool, device: torch.device, rank: int = 0, world_size: int = 1
) -> BatchLoader:
    """Batches of one split: shuffled by (seed, epoch) for training, else in order."""
    if not len(split):
        raise RequestError("This split has no examples.")
    plan = BatchPlan(
        size=config.step_size if shuffle else config.eval_batch_size,
        tokens=config.batch_tokens,
        shuffle=shuffle,
        seed=config.seed,
        rank=rank,
        world_size=world_size,
    )
    order = split.order(plan)
    if shuffle:
        ratio = config.learning.get("unlabelled_ratio", 0)
        order = training_order(split, plan, epoch_batches=config.epoch_batches, unlabelled_ratio=ratio)
    return BatchLoader(split=split, order=order, readers=config.workers, pin=device.type == "cuda")


# -- model


def build_model(model: Config, spec: Spec, *, seed: int, name: str | None = None, say: Any = None) -> nn.Module:
    """The model of a section `model` for data of this spec, with given weights and frozen layers as the section says.

    seed: of its first weights. name: for errors. say: called with what was and what was not loaded.
    """
    section = dict(model)
    treatment = {key: section.pop(key, None) for key in MODEL_TREATMENT}
    pretrained, init = treatment["pretrained"], treatment["init"]
    if isinstance(pretrained, str) or (pretrained and init is not None):
        raise RequestError(
            f"model.pretrained={str(pretrained).lower()}: this is for published weights, true or false.\n"
            f"To start from a file of weights set model.init={pretrained if init is None else init}, and leave it out."
        )
    if pretrained:
        section["pretrained"] = True
        if "pretrained" not in inspect.signature(locate(str(section["_target_"]))).parameters:
            raise RequestError(
                "model.pretrained=true: this model has no published weights.\n"
                "Give a checkpoint with model.init=FILE, or take a model of torchvision or timm, such as resnet18."
            )
    name = name or str(section["_target_"])
    if not fits(section, spec):
        raise Misfit(f"Model {name} does not take {spec}.")
    torch.manual_seed(seed)
    built: nn.Module = instantiate("model", section, **spec.offers)
    targets.check_sizes("model", section, built)
    _try(name, built, spec)
    report = None if init is None else start_from_weights(built, spec, Path(init), say)
    if treatment["vectors"] is not None:
        start_from_vectors(built, spec, Path(treatment["vectors"]), say)
    if treatment["freeze"] == "backbone":
        freeze_backbone(built)
        if report is not None:
            check_loaded(report)
        elif not pretrained and say is not None:
            say("model.freeze=backbone would freeze random weights: neither model.init nor model.pretrained is set.")
    elif treatment["freeze"] is not None:
        raise unknown("part to freeze (model.freeze)", str(treatment["freeze"]), ["backbone"])
    return built


class Misfit(RequestError):
    """A model that cannot take the data it was paired with."""


def fits(section: Config, spec: Spec) -> bool:
    """Whether a model section's constructor asks for no more than the spec has, and its forward takes such batches."""
    target = locate(str(section["_target_"]))
    asked = inspect.signature(target).parameters.values()
    needed = {p.name for p in asked if p.default is p.empty and p.name in OFFERED and p.name not in section}
    built = target if inspect.isclass(target) else target.__annotations__.get("return")
    named = [protocol for protocol in (Detector, Segmenter) if protocol in getattr(built, "__mro__", ())]
    if named != [protocol for protocol in (registry.of(spec).protocol,) if protocol is not None]:
        return False
    forward = getattr(built, "forward", None)
    names = tuple(inspect.signature(forward).parameters)[1:] if forward else ()
    # A forward with names of its own choice is tried, not evaluated.
    positional = any(name in INPUTS for name in names)
    return needed <= set(spec.offers) and (not positional or names[: len(spec.inputs)] == spec.inputs)


def _try(name: str, model: nn.Module, spec: Spec) -> None:
    """One example through the model, so that a pairing that cannot work is rejected before training."""
    try:
        found = dry_run(model, *spec.example())
    except REFUSALS as error:
        raise Misfit(f"Model {name} cannot work on {spec}: {reason(error)}.") from error
    if fault := spec.fault(found):
        raise Misfit(f"Model {name} {fault}.")


def model_of(checkpoint: Checkpoint, *, trust: bool) -> nn.Module:
    """The trained model in a checkpoint, in evaluation mode. Raises RequestError for targets that are not our own."""
    config = checkpoint.config
    if not makes_classes(config.get("learning")):
        raise RequestError(
            f"{checkpoint.path} has features and no classes yet (learning=simclr).\n"
            f"Train them with labels: sensorium train model.init={checkpoint.path}"
        )
    if not trust:
        check_targets("model", config["model"])
    section = {key: value for key, value in config["model"].items() if key not in MODEL_TREATMENT}
    offers = checkpoint.spec.offers
    if not trust:
        with no_larger_than(checkpoint.weights, [section, offers], checkpoint.path):
            instantiate("model", section, **offers)
    model = instantiate("model", section, **offers)
    try:
        model.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        raise RunError(f"{checkpoint.path}: its weights do not fit its config: {str(error).splitlines()[0]}") from error
    if damaged := next((name for name, value in checkpoint.weights.items() if value.isnan().any()), None):
        raise RunError(f"{checkpoint.path}: its weights are not numbers (NaN in {damaged}). Train again.")
    return model.eval()


def loaded_model(
    checkpoint: Checkpoint, *, device: torch.device, trust: bool, decoding: Mapping[str, Any] | None = None
) -> LoadedModel:
    """A checkpoint's model with all that its task needs. decoding: keys that replace those of the training's config."""
    config, calibration = checkpoint.config, checkpoint.calibration
    if not trust:
        check_decoding(config.get("decoding") or {}, decoding or {}, checkpoint.path)
    if exported := is_exported(checkpoint.path):
        task = registry.of(checkpoint.spec)
        model: nn.Module = task.exported(runners(checkpoint.path, task.graph_names), checkpoint.spec)
        if calibration is not None and task.graphs_calibrate:  # the graph has done it
            calibration = replace(calibration, scaling=None)
    else:
        model = model_of(checkpoint, trust=trust)
    precision = registry.of(checkpoint.spec).eval_precision(config["trainer"]["precision"])
    return LoadedModel(
        spec=checkpoint.spec,
        model=model,
        device=device,
        precision="32-true" if exported else precision,
        memory_format="contiguous" if exported else config["memory_format"],
        decoding=dict(config.get("decoding") or {}) | dict(decoding or {}),
        dataset=dict(config.get("dataset") or {}),
        calibration=calibration,
        out_of_distribution=checkpoint.out_of_distribution,
    )


def load_model(
    path: Path, *, accelerator: str = "auto", trust: bool = False, decoding: Mapping[str, Any] | None = None
) -> LoadedModel:
    """accelerator: cpu, gpu, mps or auto. trust: build targets that are not Sensorium's own, and read files that the
    checkpoint names. decoding: as in `loaded_model`.
    """
    return loaded_model(read(path), device=device_of(accelerator), trust=trust, decoding=decoding)


def makes_classes(learning: Config | None) -> bool:
    """Whether a section `learning` trains a model that predicts; one that learns without labels has features alone."""
    return (learning or {}).get("_target_") != "sensorium.tasks.learning.simclr.SimCLR"


# -- what the config leaves open


def device_of(accelerator: str) -> torch.device:
    """The device that Lightning would take for this name: cpu, gpu (cuda), mps, or auto."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if accelerator == "auto":
        accelerator = "gpu" if cuda else "mps" if mps else "cpu"
    if accelerator in ("gpu", "cuda"):
        if not cuda:
            raise RequestError(
                "accelerator=gpu: no CUDA GPU is available here.\nTake accelerator=cpu or accelerator=auto."
            )
        return torch.device("cuda", 0)
    if accelerator == "mps":
        if not mps:
            raise RequestError(
                "accelerator=mps: this machine has no Apple GPU.\nTake accelerator=cpu or accelerator=auto."
            )
        return torch.device("mps")
    if accelerator != "cpu":
        raise unknown("accelerator", str(accelerator), ["auto", "cpu", "gpu", "mps"])
    return torch.device("cpu")
