"""Why this class here: of the pixels that a class is given to, or of one pixel.

K. Vinogradova, A. Dibrov, G. Myers, "Towards interpretable semantic segmentation via gradient-weighted class activation
mapping" (Seg-Grad-CAM), 2020, arXiv 2002.11434: the score of a class is the mean of its logits over a set of pixels.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.specs import SemanticSegmentationSpec
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.image_explanations import ImagesExplainer
from sensorium.vision.fit_boxes import fit_boxes

METHODS = ("occlusion", "integrated_gradients", "gradient_shap", "gradcam")
CLASSES = 3  # explained where none are named: those with the most pixels


class _Asked(NamedTuple):
    """numbers: K classes. pixels: (K, H, W), weights that sum to 1 of the pixels that each score is the mean of."""

    numbers: list[int]
    pixels: Tensor


class SegmentationExplainer(ImagesExplainer):
    """A map for each class that occurs, or with pixel=x,y for the class of that pixel."""

    spec: SemanticSegmentationSpec
    dense = True

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        super().__init__(model, options, METHODS)

    def prepared(self, example: Example, image: Tensor, size: tuple[int, int]) -> Prepared:
        with torch.no_grad():
            logits = self.forward(self.network, image[None])[0].float()
        if not torch.isfinite(logits).all():
            return Prepared(name=example.name, error=not_finite(example.name))
        mask, probabilities = logits.argmax(dim=0), logits.softmax(dim=0)
        details = {}
        if self.options.pixel is None:
            asked = self._classes(mask)
        else:
            try:
                x, y = self._fitted(self.options.pixel, size)
            except ValueError as error:
                return Prepared(name=example.name, error=f"{example.name}: {error}")
            details = {"pixel": list(self.options.pixel), "box": [x, y, x + 1, y + 1]}
            names = self.options.target
            numbers = [int(mask[y, x])] if names is None else [self.spec.class_names.index(name) for name in names]
            here = torch.zeros_like(logits[: len(numbers)])
            here[:, y, x] = 1
            asked = _Asked(numbers, here)
        means = (probabilities[asked.numbers] * asked.pixels).sum(dim=(1, 2))
        return self.of(
            example,
            image,
            [
                Target(self.spec.class_names[number], float(value), details)
                for number, value in zip(asked.numbers, means, strict=True)
            ],
            score=partial(self._logits, asked=asked),
            measure=partial(self._probabilities, asked=asked),
        )

    def _classes(self, mask: Tensor) -> _Asked:
        """Each class over the pixels it is given to; a named one that has none over all of them."""
        counts = torch.bincount(mask.flatten(), minlength=self.spec.num_classes)
        if self.options.target is not None:
            numbers = [self.spec.class_names.index(name) for name in self.options.target]
        else:
            order = counts.argsort(descending=True, stable=True).tolist()
            numbers = [number for number in order if counts[number]][: self.options.top_k or CLASSES]
        everywhere = torch.ones_like(mask)
        found = torch.stack([(mask == number).long() if counts[number] else everywhere for number in numbers]).float()
        return _Asked(numbers, found / found.sum(dim=(1, 2), keepdim=True))

    def _fitted(self, pixel: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """A pixel of the image as it is given, in the one that the model sees. Raises ValueError for one outside."""
        x, y = pixel
        if not (x < size[1] and y < size[0]):
            raise ValueError(f"pixel={x},{y} lies outside of an image of {size[1]}x{size[0]} pixels (width, height)")
        box = np.array([[x, y, x + 1, y + 1]], dtype=np.float32)
        left, top, right, bottom = fit_boxes(box, size=size, image_size=self.spec.image_size, resize=self.spec.resize)[
            0
        ].tolist()
        height, width = self.spec.image_size
        column, row = int((left + right) // 2), int((top + bottom) // 2)
        if not (0 <= column < width and 0 <= row < height):
            raise ValueError(f"pixel={x},{y} is cut off before the model sees the image (resize={self.spec.resize})")
        return column, row

    def _logits(self, network: nn.Module, images: Tensor, *, asked: _Asked) -> Tensor:
        return (self.forward(network, images)[:, asked.numbers].float() * asked.pixels).sum(dim=(2, 3))

    def _probabilities(self, network: nn.Module, images: Tensor, *, asked: _Asked) -> Tensor:
        probabilities = self.forward(network, images).float().softmax(dim=1)
        return (probabilities[:, asked.numbers] * asked.pixels).sum(dim=(2, 3))
