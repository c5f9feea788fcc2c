"""Augmentation of images together with what is marked in them: boxes, or a class for every pixel.

What moves an image moves its boxes or its mask along, as torchvision's transforms.v2 does with tv_tensors; the amounts
come from `ExampleRandom`, so that the result for an example does not depend on the batch it is in.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as published

from sensorium.batches import IGNORED, VOID, Boxes
from sensorium.errors import unknown
from sensorium.randomness import ExampleRandom
from sensorium.vision.checks import interval, number
from sensorium.vision.geometry import centres, sample
from sensorium.vision.normalise import as_float

Marks = Boxes | Tensor  # Boxes, or masks (B, H, W) uint8

FILLS = ("mean", "black")
_SMALLEST = 2.0  # pixels of a side; a smaller box is no longer looked for


class SceneAugment(nn.Module):
    """Transforms of each image and its marks, in order.

    transforms: modules by name; a name set to None is omitted. Those with `moves = True` are called with (images,
    marks, random) and give images and marks, the others change images (B, C, H, W) float in [0, 1] alone, called with
    (images, random).
    """

    takes = "images with boxes or masks"  # what it is for

    def __init__(self, *, transforms: Mapping[str, nn.Module | None]) -> None:
        super().__init__()
        self.transforms = nn.ModuleDict({name: module for name, module in transforms.items() if module is not None})

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return len(self.transforms) > 0

    def prepared(
        self, inputs: tuple[Tensor, ...], targets: Marks, random: ExampleRandom, prepare: nn.Module
    ) -> tuple[tuple[Tensor, ...], Marks]:
        """A batch's inputs as the model is called with them, and its marks, both changed."""
        images, targets = self(inputs[0], targets, random)
        return prepare(images, *inputs[1:]), targets

    def forward(self, images: Tensor, marks: Marks, random: ExampleRandom) -> tuple[Tensor, Marks]:
        """Images (B, C, H, W) uint8 or float in [0, 1], and marks -> float images in [0, 1], and marks."""
        images = as_float(images)
        for transform in self.transforms.values():
            if getattr(transform, "moves", False):
                images, marks = transform(images, marks, random)
            else:
                images = transform(images, random)
        return images, marks


class SceneFlip(nn.Module):
    """Mirrors every other image and its marks, at random.

    horizontal, vertical: which mirrors; each is applied with probability 0.5.
    """

    moves = True

    def __init__(self, *, horizontal: bool, vertical: bool) -> None:
        super().__init__()
        self.horizontal, self.vertical = horizontal, vertical

    def forward(self, images: Tensor, marks: Marks, random: ExampleRandom) -> tuple[Tensor, Marks]:
        chosen = random.uniform(2) < 0.5
        if self.horizontal:
            images, marks = self._flipped(images, marks, chosen[:, 0], published.horizontal_flip)
        if self.vertical:
            images, marks = self._flipped(images, marks, chosen[:, 1], published.vertical_flip)
        return images, marks

    @staticmethod
    def _flipped(
        images: Tensor, marks: Marks, chosen: Tensor, flip: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Marks]:
        where = chosen[:, None, None]
        images = torch.where(where[..., None], flip(images), images)
        if isinstance(marks, Boxes):
            moved = _plain(flip(_boxes(marks.boxes, images))).view_as(marks.boxes)
            there = where & (marks.labels != IGNORED)[..., None]
            return images, marks._replace(boxes=torch.where(there, moved, marks.boxes))
        return images, torch.where(where, _plain(flip(tv_tensors.Mask(marks))), marks)


class SceneZoom(nn.Module):
    """Makes each image larger or smaller about its middle, and moves it; its marks go along.

    scale: smallest and largest factor of a side, drawn uniformly on a logarithmic scale. translate: how far it moves at
    most, right or left and down or up, as a share of the side. smallest_share: a box of whose area less is left inside
    the image is no longer looked for, as one with a side of less than 2 pixels. fill: what is seen outside of the
    image, its mean color ("mean") or "black"; masks are void there.
    """

    moves = True

    def __init__(self, *, scale: Sequence[float], translate: float, smallest_share: float, fill: str) -> None:
        super().__init__()
        self.scale = interval("scale", scale, 0.05, 20.0)
        self.translate = number("translate", translate, 0.0, 1.0)
        self.smallest_share = number("smallest_share", smallest_share, 0.0, 1.0)
        if fill not in FILLS:
            raise unknown("fill", fill, FILLS)
        self.fill = fill

    def forward(self, images: Tensor, marks: Marks, random: ExampleRandom) -> tuple[Tensor, Marks]:
        low, high = (math.log(factor) for factor in self.scale)
        draws = random.uniform(3)
        scale = (low + (high - low) * draws[:, 0]).exp()
        right, down = ((2 * draws[:, 1:] - 1) * self.translate).unbind(1)
        return self.zoomed(images, marks, scale, right * images.shape[-1], down * images.shape[-2])

    def zoomed(self, images: Tensor, marks: Marks, scale: Tensor, right: Tensor, down: Tensor) -> tuple[Tensor, Marks]:
        """Each image (B, C, H, W) float and its marks scaled about the middle by (B,), then moved by (B,) pixels.

        What torchvision's `affine` does one image at a time is done for the batch at once: ten times as fast.
        """
        height, width = images.shape[-2:]
        x, y = centres(images)
        x = (x - width / 2 - right[:, None, None]) / scale[:, None, None] + width / 2
        y = (y - height / 2 - down[:, None, None]) / scale[:, None, None] + height / 2
        # Read as the distance from what is seen outside, which is zero there.
        fill = _mean_colours(images) if self.fill == "mean" else images.new_zeros(images.shape[:2])
        fill = fill[:, :, None, None]
        moved = (sample(images - fill, x, y) + fill).clamp_(0, 1)
        if isinstance(marks, Boxes):
            middle = torch.tensor([width / 2, height / 2] * 2, device=images.device)
            shift = torch.stack((right, down, right, down), dim=1)[:, None]
            boxes = (marks.boxes - middle) * scale[:, None, None] + middle + shift
            return moved, self._inside(marks, boxes, scale, images)
        return moved, _nearest(marks, x, y)

    def _inside(self, marks: Boxes, moved: Tensor, scale: Tensor, images: Tensor) -> Boxes:
        """The moved boxes cut at the edges of the image; IGNORED where too little is left."""
        height, width = images.shape[-2:]
        edges = moved.new_tensor([width, height, width, height])
        boxes = moved.clamp(min=torch.zeros_like(edges), max=edges)
        sides = boxes[..., 2:] - boxes[..., :2]
        whole = (marks.boxes[..., 2:] - marks.boxes[..., :2]).prod(-1) * scale[:, None] ** 2
        # A little less than the share, for rounding: 1.0 keeps what is inside as a whole.
        enough = sides.prod(-1) >= whole * self.smallest_share * (1 - 1e-4)
        kept = enough & (sides >= _SMALLEST).all(-1) & (marks.labels != IGNORED)
        labels = torch.where(kept, marks.labels, IGNORED)
        return Boxes(torch.where(kept[..., None], boxes, 0.0), labels, marks.difficult & kept)


def _nearest(masks: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Masks (B, H, W) read at the pixels that hold x (B, 1, W) and y (B, H, 1); VOID outside."""
    height, width = masks.shape[-2:]
    rows, columns = y.floor().long(), x.floor().long()
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    number = torch.arange(len(masks), device=masks.device)[:, None, None]
    read = masks[number, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return torch.where(inside, read, VOID).to(masks.dtype)


def _boxes(boxes: Tensor, images: Tensor) -> tv_tensors.BoundingBoxes:
    """Boxes (..., 4) as torchvision takes them, (N, 4), not cut at the edges."""
    size = (images.shape[-2], images.shape[-1])
    flat = boxes.reshape(-1, 4)
    return tv_tensors.BoundingBoxes(flat, format="XYXY", canvas_size=size, clamping_mode=None)


def _plain(marks: Tensor) -> Tensor:
    return marks.as_subclass(Tensor)


def _mean_colours(images: Tensor) -> Tensor:
    """(B, C) mean of each channel; whole numbers are added up, so that the batch cannot change the rounding."""
    total = (images * 2**24).long().sum((2, 3))
    return total.double().div(images[0, 0].numel() * 2**24).float()
