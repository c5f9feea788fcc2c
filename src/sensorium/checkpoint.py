"""The self-contained checkpoint: one file is enough to evaluate, predict and resume; data, not code.

It is opened with `weights_only=True`, so nothing in it is executed. Beside Lightning's training state it holds, under
"sensorium", a format number, the resolved config and the spec. `state_dict` always holds the weights to predict with
(the averaged ones when an average is kept).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

import sensorium
from sensorium import checkpoint_shards
from sensorium.bounded import check_spec
from sensorium.errors import RequestError, RunError, cut
from sensorium.files import exists, is_folder, meant, not_a_file, replacing
from sensorium.migration import TASK_OF_KIND, migrated_config
from sensorium.models.exported import SUFFIX, is_exported, payload_of
from sensorium.nn.transfer import DAMAGED
from sensorium.specs import Spec, spec_from_dict
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.explanation_choice import ExplanationChoice
from sensorium.tasks.out_of_distribution import OutOfDistribution
from sensorium.torch_file import check_tensors, open_as_data, save, starts_like_zip

Part = TypeVar("Part", OutOfDistribution, ExplanationChoice)
FORMAT = 4
KEY = "sensorium"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of itself. weights: of the model, without Lightning's "model." prefix. calibration: None
    for one that is of an earlier format, was trained without, or is an average.
    """

    path: Path
    config: dict[str, Any]
    spec: Spec
    weights: dict[str, Tensor]
    epoch: int
    step: int
    calibration: Calibration | None = None
    out_of_distribution: OutOfDistribution | None = None
    explanation: ExplanationChoice | None = None


def description(config: dict[str, Any], spec: Spec) -> dict[str, Any]:
    """What every checkpoint carries under "sensorium"; plain types only."""
    return {"format": FORMAT, "version": sensorium.__version__, "config": config, "spec": spec.to_dict()}


def without_weights(path: Path) -> dict[str, Any]:
    """What an exported model keeps of a checkpoint: all but its weights and the state of its training."""
    payload = read_raw(path)
    return {key: payload[key] for key in (KEY, "epoch", "global_step")} | {"state_dict": {}}


def check_weights(path: Path, what: str) -> None:
    """Rejects what an exported model cannot do for want of a network. what: of the request."""
    if is_exported(path):
        raise RequestError(
            f"{what} needs the checkpoint: {path} is an exported model.\nGive the .ckpt file that it came from."
        )


def save_atomically(payload: dict[str, Any], path: Path) -> None:
    """Writes beside the target, syncs, renames: the file at `path` is the old one or the new one, never half of one."""
    try:
        with replacing(path) as file:
            save(payload, file)
    except OSError as error:
        raise RunError(f"{path}: could not be written ({error.strerror}). The previous file is unchanged.") from error


def read_raw(path: Path, *, whole: bool = True) -> dict[str, Any]:
    """The whole payload on the CPU, that of an exported model without weights.

    whole: False leaves the states of optimizers in shards, where they were saved so. Raises RequestError when the file
    is missing, truncated or not a checkpoint.
    """
    if is_exported(path):
        return _migrate(payload_of(path), path)
    if not exists(path):
        raise RequestError(
            f"There is no checkpoint {cut(path)}.{meant(path)}\nTraining writes RUN/checkpoints/best.ckpt."
        )
    if is_folder(path):
        exported = path / f"model{SUFFIX}"
        raise RequestError(
            f"{path} is a folder but not a run folder: there is no {path}/checkpoints/best.ckpt."
            + (f"\nIt holds an exported model: {exported}" if exists(exported) else "")
        )
    if wrong := not_a_file(path):
        raise RequestError(f"{path} is {wrong}; a checkpoint is a file, such as RUN/checkpoints/best.ckpt.")
    try:
        payload = open_as_data(path)
        check_tensors(payload)
    except DAMAGED as error:
        if path.suffix.lower() == ".pt2":
            raise RequestError(
                f"{path} is a program for torch.export.load, as format=torch writes it. Give the checkpoint, or a"
                " model.onnx (format=onnx)."
            ) from error
        what = "is incomplete" if starts_like_zip(path) else "is not a checkpoint"
        raise RequestError(f"{path} {what}: it cannot be opened as data ({type(error).__name__}).") from error
    if not isinstance(payload, dict) or KEY not in payload:
        raise RequestError(f"{path} is not a Sensorium checkpoint: it has no config and no class names.")
    payload = checkpoint_shards.join(payload, path, whole=whole)
    state = payload.get("state_dict")
    if isinstance(state, dict) and not all(isinstance(value, Tensor) for value in state.values()):
        raise RequestError(f"{path} is not a complete Sensorium checkpoint: a tensor of state_dict is missing.")
    return _migrate(payload, path)


def _check_whole(about: dict[str, Any], path: Path) -> None:
    """Rejects a description that lacks a part which every format has, or has something else in its place."""
    wrong = [name for name in ("config", "spec") if not isinstance(about.get(name), dict)]
    if not wrong:
        config, spec = about["config"], about["spec"]
        # What a training does not use is omitted, or null.
        sections = {name: config.get(name) or {} for name in ("decoding", "learning")}
        sections |= {name: config.get(name) for name in ("dataset", "model", "trainer")}
        wrong = [f"config.{name}" for name, section in sections.items() if not isinstance(section, dict)]
        words = {
            "spec.task": spec.get("kind", spec.get("task", "")),
            "config.memory_format": config.get("memory_format"),
        }
        words["config.trainer.precision"] = None if wrong else config["trainer"].get("precision")
        wrong += [name for name, word in words.items() if not isinstance(word, str)]
    if wrong:
        raise RequestError(f"{path} is not a complete Sensorium checkpoint: {wrong[0]} is missing or wrong.")


def _migrate(payload: dict[str, Any], path: Path) -> dict[str, Any]:
    """Brings an older format up to date. A newer one is rejected.

    Format 1 knew images only, and did not say so. Format 2 had other names for tasks and for what trains them. Format 3
    had no calibration, without which the probabilities of a checkpoint that has one would be others.
    """
    if not isinstance(payload[KEY], dict):
        raise RequestError(f"{path} is not a complete Sensorium checkpoint: {KEY} is wrong.")
    found = payload[KEY].get("format")
    if not isinstance(found, int) or found > FORMAT:
        raise RequestError(
            f"{path} has checkpoint format {found}; this Sensorium ({sensorium.__version__}) reads up to {FORMAT}.\n"
            f"It was written by Sensorium {payload[KEY].get('version')}: install that version or a newer one."
        )
    _check_whole(payload[KEY], path)
    about = payload[KEY]
    if found < 3:
        spec = {"kind": "image", **about.get("spec", {})}
        kind = spec.pop("kind")
        about["spec"] = {"task": TASK_OF_KIND.get(kind, kind), **spec}
    about["format"] = FORMAT
    if isinstance(payload[KEY].get("config"), dict):
        payload[KEY]["config"] = migrated_config(payload[KEY]["config"])
    return payload


def read(path: Path) -> Checkpoint:
    """Opens a checkpoint for evaluation or prediction. Raises RequestError as `read_raw` does."""
    payload = read_raw(path)
    prefix = "model."
    try:
        about, state = payload[KEY], payload["state_dict"]
        check_spec(about["spec"], path)
        spec = spec_from_dict(about["spec"])
        return Checkpoint(
            path=path,
            config=about["config"],
            spec=spec,
            weights={key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)},
            epoch=payload["epoch"],
            step=payload["global_step"],
            calibration=_calibration(about.get("calibration"), spec, path),
            out_of_distribution=_part(
                OutOfDistribution, about.get("out_of_distribution"), "out-of-distribution detector", path
            ),
            explanation=_part(ExplanationChoice, about.get("explanation"), "explanation method", path),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"{path} is not a complete Sensorium checkpoint: {error} is missing or wrong.") from error


def _calibration(stored: Any, spec: Spec, path: Path) -> Calibration | None:
    if stored is None:
        return None
    try:
        return Calibration.from_dict(stored, num_classes=len(spec.classes), targets=len(spec.targets))
    except ValueError as error:
        raise RequestError(f"{path}: its calibration is damaged: {error}.") from error


def _part(of: type[Part], stored: Any, what: str, path: Path) -> Part | None:
    if stored is None:
        return None
    try:
        return of.from_dict(stored)
    except ValueError as error:
        raise RequestError(f"{path}: its {what} is damaged: {error}.") from error


def write_part(loaded: Checkpoint, part: OutOfDistribution | ExplanationChoice) -> None:
    """Puts one of them into a checkpoint's file, and leaves everything else of it as it was read."""
    payload = read_raw(loaded.path)
    payload[KEY]["explanation" if isinstance(part, ExplanationChoice) else "out_of_distribution"] = part.to_dict()
    save_atomically(payload, loaded.path)


def write_calibrated(loaded: Checkpoint, calibration: Calibration, path: Path) -> None:
    """A checkpoint with this calibration and everything else as it was read, at `path`: atomically, also in its place.

    Its weights are those of `loaded`, which may be an average.
    """
    payload = read_raw(loaded.path)
    payload[KEY]["calibration"] = calibration.to_dict()
    for name in ("out_of_distribution", "explanation"):
        if getattr(loaded, name) is None:  # an average has other features
            payload[KEY].pop(name, None)
    payload["state_dict"] |= {f"model.{name}": value for name, value in loaded.weights.items()}
    save_atomically(payload, path)


def averaged(checkpoints: list[Checkpoint]) -> Checkpoint:
    """The first one, with the mean of all their weights (Junczys-Dowmunt et al. 2016, section 2.3).

    Whole numbers, such as counts of batches, are the first one's. Raises RequestError when they are not of one model.
    """
    first, *others = checkpoints
    for one in checkpoints if others else ():
        check_weights(one.path, "average=true")
    for other in others:
        shapes = [{name: value.shape for name, value in c.weights.items()} for c in (first, other)]
        if shapes[0] != shapes[1] or first.spec != other.spec:
            raise RequestError(f"{first.path} and {other.path} cannot be averaged: model or data differ.")
    weights = {
        name: torch.stack([c.weights[name].double() for c in checkpoints]).mean(0).to(value.dtype)
        if value.is_floating_point() and others
        else value
        for name, value in first.weights.items()
    }
    if others:  # what was measured of one is not true of their mean
        return replace(first, weights=weights, calibration=None, out_of_distribution=None, explanation=None)
    return replace(first, weights=weights)


def newest_readable(paths: list[Path], *, from_start: bool = False) -> tuple[Path | None, str | None]:
    """The first of these files that opens whole, and a note when it is not the first one.

    Raises RequestError when there are some and none opens, unless from_start says that this is known.
    """
    broken: list[str] = []
    for path in paths:
        if not path.exists():
            continue
        try:
            read_raw(path)
        except RequestError:
            broken.append(path.name)
            continue
        return path, f"{broken[0]} is incomplete; resuming from {path.name}, the previous one." if broken else None
    if broken and not from_start:
        raise RequestError(
            f"{' and '.join(broken)} cannot be read: this run can only start again from the beginning.\n"
            "To start again, add resume_from_start=true."
        )
    if broken:
        return None, f"{' and '.join(broken)} cannot be read; starting from the beginning."
    return None, "No checkpoint had been written yet; starting from the beginning."
