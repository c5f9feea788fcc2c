"""Non-maximum suppression over a batch of fixed shape, as an operator that an exported graph keeps whole.

How many boxes stay depends on their values, which a graph of fixed shapes cannot say; which of them stay, it can. The
operator becomes one NonMaxSuppression of ONNX (`sensorium.export.translations`).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

ABSENT = -1.0  # the score of what is no candidate
OFFSET = 1000  # candidates of an image up to which torchvision tells classes apart by moving their boxes (on a CPU)


class Detections(NamedTuple):
    """Boxes of B images, padded to the same number: the best first, then score 0, label -1 and a box without area.

    boxes: (B, N, 4) pixels. labels: (B, N) int64. scores: (B, N). counts: (B,) int64, how many an image has.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    counts: Tensor

    def of_images(self) -> list[dict[str, Tensor]]:
        """Boxes (N, 4), labels (N,) and scores (N,) of each image, as torchvision's detectors give them."""
        names = ("boxes", "labels", "scores")
        return [
            {name: value[row, :count] for name, value in zip(names, self, strict=False)}
            for row, count in enumerate(self.counts.tolist())
        ]

    @classmethod
    def padded(cls, found: list[dict[str, Tensor]], size: int) -> "Detections":
        """The inverse of `of_images`. size: N."""
        boxes, labels, scores = (
            torch.stack([_filled(one[name], size, value) for one in found])
            for name, value in (("boxes", 0), ("labels", -1), ("scores", 0))
        )
        return cls(boxes, labels, scores, torch.tensor([one["labels"].shape[0] for one in found]))


def _filled(values: Tensor, size: int, value: int) -> Tensor:
    rest = values.new_full((size - values.shape[0], *values.shape[1:]), value)
    return torch.cat([values, rest])


@torch.library.custom_op("sensorium::kept", mutates_args=())
def kept(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float, classes: int) -> Tensor:
    """Which candidates no better one of their class overlaps by more than a threshold (IoU).

    boxes: (B, N, 4). scores: (B, N), `ABSENT` for what is no candidate. labels: (B, N) int64 below `classes`. Returns
    (B, N) bool.
    """
    found = torch.zeros_like(scores, dtype=torch.bool)
    for row in range(scores.shape[0]):
        candidates = (scores[row] >= 0).nonzero()[:, 0]
        parts = (one[row][candidates] for one in (boxes, scores, labels))
        found[row, candidates[batched_nms(*parts, threshold)]] = True
    return found


@kept.register_fake
def _(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float, classes: int) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


def suppressed(
    boxes: Tensor, scores: Tensor, labels: Tensor, *, threshold: float, classes: int, most: int
) -> Detections:
    """The best candidates that no better one of their class overlaps, `most` at most. Arguments as of `kept`."""
    stay = kept(boxes.detach(), scores.detach(), labels, threshold, classes)
    best, places = scores.masked_fill(~stay, ABSENT).topk(min(most, scores.shape[1]))
    there = best >= 0
    found = boxes.gather(1, places[:, :, None].expand(-1, -1, 4))
    return Detections(
        found * there[:, :, None], labels.gather(1, places).masked_fill(~there, -1), best * there, there.sum(1)
    )
