"""A detector as a graph, with its preprocessing, non-maximum suppression and calibration inside."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.batches import Boxes
from sensorium.errors import RequestError
from sensorium.models.exported import ExportedModel
from sensorium.nn.suppression import Detections
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.graphs import Graph, fitted_images, image_inputs
from sensorium.tasks.object_detection.evaluate import calibrated_scores

ALIKE = 0.01  # how far corners, as a share of the side, and scores of the same box are apart at most


class DetectionGraph(nn.Module):
    """Images of any size -> `Detections`, in pixels of the model's size. Run by PyTorch, it is the model's `forward`;
    exported, its `padded`.
    """

    def __init__(self, *, prepare: nn.Module, model: nn.Module, calibrate: nn.Module) -> None:
        super().__init__()
        self.prepare, self.model, self.calibrate = prepare, model, calibrate

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """inputs: images (B, C, H, W)."""
        (images,) = self.prepare(*inputs)
        model: Any = self.model
        if torch.compiler.is_exporting():
            found: Detections = model.padded(images)
        else:
            found = Detections.padded(model(images), model.max_detections)
        flat = calibrated_scores(found.scores.flatten(), self.calibrate)
        scores = flat.reshape(found.scores.shape).masked_fill(found.labels < 0, 0.0)
        return tuple(found._replace(scores=scores))


def detection_graph(model: LoadedModel, prepare: nn.Module) -> Graph:
    """The graph of a detector. Raises RequestError for a model of another's making that has no `padded`."""
    network: Any = model.model
    if missing := [name for name in ("padded", "max_detections", "score_threshold") if not hasattr(network, name)]:
        raise RequestError(
            f"{type(network).__name__} cannot be exported: it has no {missing[0]}. A detector is exported by its "
            "method padded(images) -> sensorium.nn.suppression.Detections, and needs max_detections and "
            "score_threshold, as SceneDetector has them."
        )
    calibrate = model.calibration.module(classes=False) if model.calibration else nn.Identity()
    least = calibrated_scores(torch.tensor([float(network.score_threshold)]), calibrate)
    module = DetectionGraph(prepare=fitted_images(model.spec, prepare), model=network, calibrate=calibrate)
    return Graph(
        module=module.eval(),
        outputs=Detections._fields,
        difference=partial(difference, side=max(model.spec.image_size), least=float(least)),
        **image_inputs(model.spec),
    )


class ExportedDetector(ExportedModel):
    """A detector of one graph, whose images are as they are stored."""

    loss_names: tuple[str, ...] = ()

    def forward(self, images: Tensor, targets: Boxes | None = None) -> list[dict[str, Tensor]]:
        """images: (B, C, H, W) -> B dicts of boxes (N, 4), labels (N,) and calibrated scores (N,)."""
        found = self.graphs["model"](images)
        return Detections(*(found[name] for name in Detections._fields)).of_images()


def difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], *, side: int, least: float) -> float:
    """How far the boxes of images are from those of the network, in any order: the largest difference of a score, or of
    a corner as a share of the image's side.

    A box without its like is as far as its score is above the lowest that the other had room for: which of two boxes
    at the threshold, or last of a full list, is given, is chance. side: pixels. least: the threshold of scores.
    """
    ours, theirs = (Detections(*(one[name] for name in Detections._fields)) for one in (wanted, found))
    if ours.counts.shape != theirs.counts.shape or not all(_is_padded(one) for one in (ours, theirs)):
        return math.inf
    if not all(one.isfinite().all() for one in (*ours, *theirs)):
        return math.inf
    pairs = zip(ours.of_images(), theirs.of_images(), strict=True)
    size = ours.labels.shape[1]
    return max((_of_image(*pair, side=side, least=least, size=size) for pair in pairs), default=0.0)


def _is_padded(found: Detections) -> bool:
    """Whether what follows the boxes of each image is what stands for none, and no box is."""
    there = torch.arange(found.labels.shape[1]) < found.counts[:, None]
    rest = (found.scores == 0) & (found.labels == -1) & (found.boxes == 0).all(2)
    return bool((rest | there).all()) and bool((found.labels >= 0)[there].all())


def _of_image(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], *, side: int, least: float, size: int) -> float:
    free = torch.ones(theirs["labels"].shape, dtype=torch.bool)
    corners = (ours["boxes"][:, None] - theirs["boxes"]).abs().amax(2) / side
    apart = torch.maximum(corners, (ours["scores"][:, None] - theirs["scores"]).abs())
    apart = apart.masked_fill(ours["labels"][:, None] != theirs["labels"], math.inf)
    worst, lowest = 0.0, [_lowest(one, least=least, size=size) for one in (ours, theirs)]
    for row, score in enumerate(ours["scores"].tolist()):
        nearest = float(apart[row].min()) if apart.shape[1] else math.inf
        if nearest > ALIKE:
            worst = max(worst, score - lowest[1])
            continue
        worst = max(worst, nearest)
        place = int(apart[row].argmin())
        free[place], apart[:, place] = False, math.inf
    return max([worst, *(score - lowest[0] for score in theirs["scores"][free].tolist())])


def _lowest(found: Mapping[str, Tensor], *, least: float, size: int) -> float:
    """The score below which a box had no place among those of an image."""
    full = found["scores"].shape[0] == size
    return max(least, float(found["scores"].min())) if full else least
