"""What torchvision's detectors find, computed for all images of a batch at once, so that it can be exported.

torchvision goes through the images one by one and drops boxes on the way, which leaves a graph neither an open batch
size nor fixed shapes. Here boxes that would be dropped get the score `ABSENT`; the same boxes stay.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers
from torchvision.models.detection.ssd import SSD
from torchvision.ops import clip_boxes_to_image, roi_align
from torchvision.ops.poolers import MultiScaleRoIAlign, initLevelMapper

from sensorium.nn.suppression import ABSENT, Detections, suppressed


def detect(detector: nn.Module, images: Tensor) -> Detections:
    """images: (B, 3, H, W). Labels are torchvision's: 0 is the background where there is one."""
    named: dict[str, Tensor] = detector.get_submodule("backbone")(images)
    features = list(named.values())
    if isinstance(detector, FasterRCNN):
        proposals, there = _proposals(detector.rpn, features, images)
        return _of_proposals(detector.roi_heads, named, proposals, there, images)
    if isinstance(detector, SSD):
        return _of_default_boxes(detector, features, images)
    assert isinstance(detector, FCOS | RetinaNet)
    return _of_levels(detector, features, images)


def _anchors(generator: nn.Module, images: Tensor, features: list[Tensor]) -> Tensor:
    """(A, 4), the same for every image."""
    anchors: Tensor = generator(ImageList(images, [tuple(images.shape[-2:])]), features)[0]
    return anchors


def _decoded(coder: Any, codes: Tensor, boxes: Tensor) -> Tensor:
    """codes: (B, N, 4) or (B, N, 4 K); boxes: (B, N, 4). Returns (B, N, 4) or (B, N, 4 K)."""
    decode = getattr(coder, "decode_single", coder.decode)
    found: Tensor = decode(codes.flatten(0, 1), boxes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return found


def _at(values: Tensor, places: Tensor) -> Tensor:
    """Rows `places` (B, N) of values (B, M, D): (B, N, D)."""
    return values.gather(1, places[:, :, None].expand(-1, -1, values.shape[2]))


def _best(scores: Tensor, *, above: float, most: int) -> tuple[Tensor, Tensor]:
    """The best of scores (..., N) that are above a threshold, `ABSENT` for the others; and their places."""
    found = scores.masked_fill(scores <= above, ABSENT).topk(min(most, scores.shape[-1]))
    return found.values, found.indices


def _of_levels(detector: FCOS | RetinaNet, features: list[Tensor], images: Tensor) -> Detections:
    """Of each map the best places and classes, then those that overlap with no better one."""
    heads = detector.head(features)
    logits = heads["cls_logits"]
    scores = logits.sigmoid()
    if "bbox_ctrness" in heads:
        scores = (scores * heads["bbox_ctrness"].sigmoid()).sqrt()
    anchors = _anchors(detector.anchor_generator, images, features)
    classes, cells = logits.shape[2], [one.shape[2] * one.shape[3] for one in features]
    counts = [count * (logits.shape[1] // sum(cells)) for count in cells]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for level, codes, own in zip(
        scores.split(counts, 1), heads["bbox_regression"].split(counts, 1), anchors.split(counts), strict=True
    ):
        best, places = _best(level.flatten(1), above=detector.score_thresh, most=detector.topk_candidates)
        rows = places // classes
        boxes = _decoded(detector.box_coder, _at(codes, rows), own[rows])
        found.append((_clipped(boxes, images), best, places % classes))
    boxes, best, labels = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    return suppressed(
        boxes, best, labels, threshold=detector.nms_thresh, classes=classes, most=detector.detections_per_img
    )


def _of_default_boxes(detector: SSD, features: list[Tensor], images: Tensor) -> Detections:
    """Of each class the best boxes, then those that overlap with no better one."""
    heads = detector.head(features)
    scores = heads["cls_logits"].softmax(2).transpose(1, 2)[:, 1:]  # (B, K, A)
    anchors = _anchors(detector.anchor_generator, images, features)
    codes = heads["bbox_regression"]
    boxes = _clipped(_decoded(detector.box_coder, codes, anchors.expand(codes.shape[0], -1, -1)), images)
    best, places = _best(scores, above=detector.score_thresh, most=detector.topk_candidates)
    labels = torch.arange(1, scores.shape[1] + 1, device=images.device)[:, None].expand_as(places)
    return suppressed(
        _at(boxes, places.flatten(1)),
        best.flatten(1),
        labels.flatten(1),
        threshold=detector.nms_thresh,
        classes=scores.shape[1] + 1,
        most=detector.detections_per_img,
    )


def _proposals(rpn: RegionProposalNetwork, features: list[Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (B, P, 4) that may have an object, and which of them there are, (B, P) bool."""
    objectness, codes = rpn.head(features)
    counts = [one.shape[1] * one.shape[2] * one.shape[3] for one in objectness]
    anchors = _anchors(rpn.anchor_generator, images, features)
    size = images.shape[0]
    logits, flat = concat_box_prediction_layers(objectness, codes)
    boxes = _decoded(rpn.box_coder, flat.reshape(size, -1, 4), anchors.expand(size, -1, -1))
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for level, (own, there) in enumerate(
        zip(logits.reshape(size, -1).split(counts, 1), boxes.split(counts, 1), strict=True)
    ):
        best, places = own.topk(min(rpn.pre_nms_top_n(), own.shape[1]))
        clipped = _clipped(_at(there, places), images)
        scores = best.sigmoid()
        small = _is_small(clipped, rpn.min_size) | (scores < rpn.score_thresh)
        found.append((clipped, scores.masked_fill(small, ABSENT), torch.full_like(places, level)))
    candidates, scores, levels = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    kept = suppressed(
        candidates, scores, levels, threshold=rpn.nms_thresh, classes=len(counts), most=rpn.post_nms_top_n()
    )
    return kept.boxes, kept.labels >= 0


def _of_proposals(
    heads: RoIHeads, features: dict[str, Tensor], proposals: Tensor, there: Tensor, images: Tensor
) -> Detections:
    """The classes of proposals, each with a box of its own for each class."""
    pooled = _pooled(heads.box_roi_pool, features, proposals, images)
    logits, codes = heads.box_predictor(heads.box_head(pooled))
    size, count = proposals.shape[:2]
    classes = logits.shape[1]
    scores = logits.softmax(1).reshape(size, count, classes)[:, :, 1:]
    boxes = _decoded(heads.box_coder, codes.reshape(size, count, 4 * classes), proposals)
    boxes = _clipped(boxes.reshape(size, count, classes, 4)[:, :, 1:], images)
    absent = (scores <= heads.score_thresh) | _is_small(boxes, 1e-2) | ~there[:, :, None]  # torchvision's constant
    labels = torch.arange(1, classes, device=images.device).expand_as(scores)
    return suppressed(
        boxes.flatten(1, 2),
        scores.masked_fill(absent, ABSENT).flatten(1),
        labels.flatten(1),
        threshold=heads.nms_thresh,
        classes=classes,
        most=heads.detections_per_img,
    )


def _pooled(pooler: MultiScaleRoIAlign, features: dict[str, Tensor], proposals: Tensor, images: Tensor) -> Tensor:
    """(B P, C, 7, 7): each proposal from the map that its size belongs to."""
    maps = [one for name, one in features.items() if name in pooler.featmap_names]
    scales = [2.0 ** round(math.log2(one.shape[2] / images.shape[2])) for one in maps]
    size, count = proposals.shape[:2]
    boxes = proposals.flatten(0, 1)
    numbers = torch.arange(size, device=boxes.device)[:, None].expand(-1, count).reshape(-1, 1)
    rois = torch.cat([numbers.to(boxes.dtype), boxes], 1)
    levels = _levels(pooler, scales, boxes)[:, None, None, None]
    found: Tensor | None = None
    for level, (one, scale) in enumerate(zip(maps, scales, strict=True)):
        aligned = roi_align(one, rois, pooler.output_size, scale, pooler.sampling_ratio)
        found = aligned if found is None else torch.where(levels == level, aligned, found)
    assert found is not None
    return found


def _levels(pooler: MultiScaleRoIAlign, scales: Sequence[float], boxes: Tensor) -> Tensor:
    """The number of the map of each box."""
    ends = (int(-math.log2(scale)) for scale in (scales[0], scales[-1]))
    mapper = initLevelMapper(*ends, pooler.canonical_scale, pooler.canonical_level)
    levels: Tensor = mapper([boxes])
    return levels


def _clipped(boxes: Tensor, images: Tensor) -> Tensor:
    return clip_boxes_to_image(boxes, (images.shape[-2], images.shape[-1]))


def _is_small(boxes: Tensor, side: float) -> Tensor:
    return ((boxes[..., 2:] - boxes[..., :2]) < side).any(-1)
