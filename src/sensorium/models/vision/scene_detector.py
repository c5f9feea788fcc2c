"""A small single-stage detector that learns from scratch on a CPU.

Every cell of a fine map says, for each class, whether it is the center of an object, and how far the object's sides
are: Z. Liu, T. Zheng, G. Xu, Z. Yang, H. Liu and D. Cai, "Training-time-friendly network for real-time object
detection" (TTFNet), 2019, arXiv 1909.00700, on the heat maps of X. Zhou, D. Wang and P. Kraehenbuehl, "Objects as
points" (CenterNet), 2019, arXiv 1904.07850, and the distances of Z. Tian et al., "FCOS", 2019, arXiv 1904.01355.

What differs: a residual network of our own, joined by lateral sums (Lin et al. 2017, arXiv 1612.03144) instead of
deformable convolutions; one Gaussian serves both losses; every box weighs alike; the distances are exponentials; a
loose non-maximum suppression takes away what neighboring peaks find twice.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image, generalized_box_iou_loss

from sensorium.batches import IGNORED, Boxes
from sensorium.errors import RequestError
from sensorium.models.protocols import Detector
from sensorium.nn.convolution import ConvBatchNorm
from sensorium.nn.initialisation import he_normal
from sensorium.nn.suppression import ABSENT, Detections, suppressed

COARSEST = 32  # pixels of a cell of the last stage
STRIDES = (4, 8, 16, 32)  # of the stages
SPREAD = 0.54  # of the Gaussian that marks a box, as a share of its sides: three deviations to either side (TTFNet)
PRIOR = 0.02  # what a cell believes at the start
BOX_WEIGHT = 2.0  # of the loss of the sides beside that of the heat maps


class SceneTargets(NamedTuple):
    """The targets of the cells of a batch.

    heat: (B, K, h, w) from 0 to 1, 1 at the middle of a box, the difficult ones too. middles: (B, K, h, w) bool, of
    boxes to learn. boxes: (B, h, w, 4) pixels, of the smallest box that a cell belongs to. weights: (B, h, w), whose
    sum over the cells of one box is 1.
    """

    heat: Tensor
    middles: Tensor
    boxes: Tensor
    weights: Tensor


class Block(nn.Module):
    """Two 3x3 convolutions and the shortcut around them (He et al. 2016)."""

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBatchNorm(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.conv2 = ConvBatchNorm(in_channels=out_channels, out_channels=out_channels, relu=False)
        self.stride = stride
        # Every second pixel is taken beforehand: oneDNN's gradient of a strided 1x1 convolution of fewer than 16
        # channels writes beyond its memory (torch 2.11, channels_last).
        alike = stride == 1 and in_channels == out_channels
        other = ConvBatchNorm(in_channels=in_channels, out_channels=out_channels, kernel_size=1, relu=False)
        self.shortcut: nn.Module = nn.Identity() if alike else other

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, h, w); returns (B, out_channels, h / stride, w / stride)."""
        return F.relu(self.conv2(self.conv1(x)) + self.shortcut(x[:, :, :: self.stride, :: self.stride]))


def _stage(*, in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    """The first block halves both sides."""
    first = Block(in_channels=in_channels, out_channels=out_channels, stride=2)
    others = (Block(in_channels=out_channels, out_channels=out_channels, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)


class Head(nn.Module):
    """A cell's scores and sides, in float32: few numbers, for which half the digits would save nothing."""

    def __init__(self, *, channels: int, num_classes: int) -> None:
        super().__init__()
        self.classes = nn.Conv2d(channels, num_classes, 1)
        self.sides = nn.Conv2d(channels, 4, 1)
        for layer, start in ((self.classes, math.log(PRIOR / (1 - PRIOR))), (self.sides, 0.0)):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, start)

    def forward(self, of_classes: Tensor, of_sides: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, C, h, w) twice; returns logits (B, K, h, w) and sides (B, 4, h, w)."""
        with torch.autocast(of_classes.device.type, enabled=False):
            return self.classes(of_classes.float()), self.sides(of_sides.float())


class SceneDetector(nn.Module, Detector):
    """width: channels of the first stage; cost grows with its square. blocks: of each of the four stages. stride:
    pixels of a cell, 4 for objects from about 8 pixels, or 8, which is faster. score_threshold: what scores less is not
    found. nms_threshold: overlap from which the weaker of two boxes of a class is dropped. max_detections: boxes of a
    image at most.

    Raises RequestError for a stride that is neither 4 nor 8.
    """

    loss_names = ("heat", "sides")

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        width: int = 32,
        blocks: int = 2,
        stride: int = 4,
        score_threshold: float = 0.01,
        nms_threshold: float = 0.6,
        max_detections: int = 100,
    ) -> None:
        super().__init__()
        if stride not in STRIDES[:2]:
            raise RequestError(f"model.stride={stride} is not possible: a cell has 4 or 8 pixels.")
        self.stride, self.max_detections = stride, max_detections
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        self.stem = ConvBatchNorm(in_channels=in_channels, out_channels=width, stride=2)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.ModuleList(
            _stage(in_channels=before, out_channels=channels, blocks=blocks) for before, channels in pairwise(widths)
        )
        channels = 2 * width
        self.laterals = nn.ModuleList(nn.Conv2d(n, channels, 1) for n in widths[1 + STRIDES.index(stride) :])
        self.joined, self.of_classes, self.of_sides = (
            ConvBatchNorm(in_channels=channels, out_channels=channels) for _ in range(3)
        )
        self.apply(he_normal)
        for module in self.modules():
            if isinstance(module, Block):  # begins as its shortcut
                nn.init.zeros_(module.conv2.norm.weight)
        self.head = Head(channels=channels, num_classes=num_classes)

    def forward(self, images: Tensor, targets: Boxes | None = None) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """images: (B, C, H, W) -> B dicts of boxes (N, 4) in pixels, labels (N,) and scores (N,), the best first.

        With targets: the losses `heat` and `sides`, (), in float32.
        """
        if targets is None:
            return self.padded(images).of_images()
        logits, boxes = self._heads(images)
        return losses(logits, boxes, assign(targets, shape=logits.shape, stride=self.stride))

    def padded(self, images: Tensor) -> Detections:
        """As `forward` without targets, for all images of a batch at once."""
        logits, boxes = self._heads(images)
        return self._found(logits.sigmoid(), boxes, size=(images.shape[-2], images.shape[-1]))

    def _heads(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of each cell: logits (B, K, h, w), and boxes (B, h, w, 4) in pixels."""
        features = self.features(images)
        logits, sides = self.head(self.of_classes(features), self.of_sides(features))
        return logits, self._boxes(sides)

    def features(self, images: Tensor) -> Tensor:
        """(B, 2 width, H / stride, W / stride), sides rounded up."""
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % COARSEST, 0, -height % COARSEST))
        stages = []
        x = self.stem(padded)
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        joined: Tensor | None = None
        for lateral, stage in zip(reversed(self.laterals), reversed(stages), strict=False):
            found = lateral(stage)
            joined = found if joined is None else found + F.interpolate(joined, scale_factor=2.0, mode="nearest")
        assert joined is not None
        return self.joined(joined)[:, :, : -(-height // self.stride), : -(-width // self.stride)]

    def _boxes(self, sides: Tensor) -> Tensor:
        """(B, 4, h, w) logarithms of the distances to the four sides, in units of two cells -> (B, h, w, 4) pixels."""
        left, top, right, bottom = (sides.clamp(-6, 6).exp() * (2 * self.stride)).unbind(1)
        x, y = (
            (torch.arange(n, device=sides.device, dtype=sides.dtype) + 0.5) * self.stride
            for n in (sides.shape[-1], sides.shape[-2])
        )
        y = y[:, None]
        return torch.stack([x - left, y - top, x + right, y + bottom], dim=-1)

    def _found(self, scores: Tensor, boxes: Tensor, *, size: tuple[int, int]) -> Detections:
        """scores: (B, K, h, w). boxes: (B, h, w, 4). size: of the image."""
        peaks = scores * (F.max_pool2d(scores, 3, stride=1, padding=1) == scores)
        best, places = peaks.flatten(1).topk(min(2 * self.max_detections, peaks[0].numel()))
        cells = scores.shape[-2] * scores.shape[-1]
        labels, places = places // cells, places % cells
        clipped = clip_boxes_to_image(self._at(boxes, places), size)
        good = (best >= self.score_threshold) & (clipped[:, :, 2:] > clipped[:, :, :2]).all(2)
        return suppressed(
            clipped,
            best.masked_fill(~good, ABSENT),
            labels,
            threshold=self.nms_threshold,
            classes=scores.shape[1],
            most=self.max_detections,
        )

    @staticmethod
    def _at(boxes: Tensor, places: Tensor) -> Tensor:
        """boxes: (B, h, w, 4). places: (B, N) numbers of cells. Returns (B, N, 4)."""
        return boxes.flatten(1, 2).gather(1, places[:, :, None].expand(-1, -1, 4))


def assign(targets: Boxes, *, shape: torch.Size, stride: int) -> SceneTargets:
    """The target of each cell for the boxes in the images. shape: (B, K, h, w) of the maps."""
    batch, _, height, width = shape
    boxes, labels = targets.boxes.float(), targets.labels
    if labels.shape[1] == 0:  # not one box in the batch
        empty = boxes.new_zeros(shape)
        return SceneTargets(empty, empty.bool(), boxes.new_zeros(batch, height, width, 4), empty[:, 0])
    there = labels != IGNORED
    learnt = there & ~targets.difficult
    sizes = (boxes[:, :, 2:] - boxes[:, :, :2]).clamp(min=1e-3)  # (B, M, 2)
    limits = torch.tensor([width - 1, height - 1], device=boxes.device)
    middles = ((boxes[:, :, :2] + boxes[:, :, 2:]) / (2 * stride)).floor().long().clamp(min=0).minimum(limits)
    bumps = _bump(middles[:, :, 1], sizes[:, :, 1] / stride, height)[:, :, :, None]
    bumps = bumps * _bump(middles[:, :, 0], sizes[:, :, 0] / stride, width)[:, :, None] * there[:, :, None, None]
    numbers = labels.clamp(min=0)
    heat = bumps.new_zeros(shape).scatter_reduce_(1, numbers[:, :, None, None].expand_as(bumps), bumps, "amax")

    rows = torch.arange(batch, device=boxes.device)[:, None].expand_as(labels)
    exact = torch.zeros(shape, dtype=torch.bool, device=boxes.device)
    exact[rows[learnt], numbers[learnt], middles[learnt][:, 1], middles[learnt][:, 0]] = True

    # A cell learns the sides of the smallest box it belongs to: the larger one has other cells.
    mine = (bumps > 0) & learnt[:, :, None, None]
    areas = sizes.prod(2)[:, :, None, None].expand_as(bumps).masked_fill(~mine, torch.inf)
    owner = areas.argmin(1)  # (B, h, w)
    owned = bumps * (mine & (owner[:, None] == torch.arange(labels.shape[1], device=boxes.device)[:, None, None]))
    weights = (owned / owned.sum((2, 3), keepdim=True).clamp(min=1e-6)).sum(1)
    wanted = boxes.gather(1, owner.flatten(1)[:, :, None].expand(-1, -1, 4)).view(batch, height, width, 4)
    return SceneTargets(heat, exact, wanted, weights)


def _bump(middles: Tensor, sizes: Tensor, cells: int) -> Tensor:
    """Gaussians along one side of the map: middles, sizes (B, M) in cells -> (B, M, cells), 0 beyond 3 deviations."""
    deviation = (SPREAD * sizes[:, :, None] + 1) / 6
    away = (torch.arange(cells, device=sizes.device) - middles[:, :, None]) / deviation
    return torch.exp(-away.square() / 2) * (away.abs() <= 3)


def losses(logits: Tensor, boxes: Tensor, targets: SceneTargets) -> dict[str, Tensor]:
    """The penalty-reduced focal loss of the heat maps, and 1 - GIoU of the boxes, both for one box on average.

    logits: (B, K, h, w). boxes: (B, h, w, 4).
    """
    count = targets.middles.sum().clamp(min=1)
    chance = logits.sigmoid()
    hits = (1 - chance).square() * F.logsigmoid(logits) * targets.middles
    # What is near a middle, or in the middle of a difficult box, is hardly background.
    misses = chance.square() * F.logsigmoid(-logits) * (1 - targets.heat).pow(4) * ~targets.middles
    used = targets.weights > 0
    gaps = generalized_box_iou_loss(boxes[used], targets.boxes[used]) * targets.weights[used]
    return {"heat": -(hits + misses).sum() / count, "sides": BOX_WEIGHT * gaps.sum() / count}
