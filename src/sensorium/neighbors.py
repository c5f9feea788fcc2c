"""Training examples that a model takes for alike: written by `eval index=true`, shown by `explain nearest=`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.build import loaded_model, make_loader
from sensorium.checkpoint import Checkpoint, check_weights
from sensorium.data.base import Data
from sensorium.errors import RequestError
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.tasks.feature_index import ABOUT, FeatureIndex, Neighbor, fingerprint_of, read_index, write_index
from sensorium.tasks.inference import InferenceModel


def check_indexable(loaded: Checkpoint, *, wanted: bool = True) -> None:
    """Raises RequestError where an index is wanted of a task whose examples are no single vectors to its model."""
    task = registry.of(loaded.spec)
    if wanted:
        check_weights(loaded.path, "index=true")
    if wanted and not task.has_vectors:
        raise RequestError(f"index=true is not for {task.name}: its models make no single vector of an example.")


def write_feature_index(
    folder: Path, loaded: Checkpoint, data: Data, *, config: RunConfig, device: torch.device, trust: bool
) -> list[Path]:
    """The features of the training split, a batch at a time. config: of the evaluation. Returns the files."""
    check_indexable(loaded)
    train = registry.of(loaded.spec).relabeled(data.train, data.spec, loaded.spec)
    model = loaded_model(loaded, device=device, trust=trust)
    inference: InferenceModel[Any] = InferenceModel(spec=loaded.spec, **model.model_arguments)
    parts = inference.features(make_loader(config, train, shuffle=False, device=device))
    fingerprint = fingerprint_of(loaded.weights)
    return write_index(folder, parts, examples=len(train), dataset=config.dataset, fingerprint=fingerprint)


def index_in(
    folder: Path, loaded: Checkpoint, data: Data, *, config: RunConfig, device: torch.device, trust: bool
) -> None:
    """The same in a folder of the user's: both files take their places once they are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=folder) as name:
        for path in write_feature_index(Path(name), loaded, data, config=config, device=device, trust=trust):
            path.replace(folder / path.name)


def index_of(loaded: Checkpoint, given: str | Path | None) -> FeatureIndex:
    """The index in a folder that was named, else the newest beside the checkpoint. Raises RequestError for none."""
    fingerprint = fingerprint_of(loaded.weights)
    if given is not None:
        return read_index(Path(given), fingerprint=fingerprint)
    run = loaded.path.parent.parent if loaded.path.parent.name == "checkpoints" else loaded.path.parent
    there = sorted(run.glob(f"*/{ABOUT}"), key=lambda path: path.stat().st_mtime)
    if not there:
        raise RequestError(
            f"nearest= needs an index of the training examples, and {run.absolute()} has none.\n"
            f"Write one: sensorium eval ckpt={loaded.path} index=true"
        )
    return read_index(there[-1].parent, fingerprint=fingerprint)


def finder(
    index: FeatureIndex, count: int, examples: Callable[[list[int]], list[Any]]
) -> Callable[[np.ndarray], tuple[Neighbor, ...]]:
    """What gives for the features (F,) of an input the most similar training examples.

    examples: for rows of the training split their `Example`s.
    """

    def find(features: np.ndarray) -> tuple[Neighbor, ...]:
        found = index.nearest(features, count)
        if not found:
            raise RequestError(
                "No training example in the index can be compared with this input: the features of all of them, or "
                "of the input, are not finite.\nWrite the index again, or train with a smaller lr."
            )
        shown = examples([row for row, _ in found])
        return tuple(
            Neighbor(one.name, similarity, one.truth, one.raw)
            for (_, similarity), one in zip(found, shown, strict=True)
        )

    return find
