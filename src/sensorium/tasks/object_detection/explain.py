"""Why this box: what of the image the score of a detection comes from.

V. Petsiuk et al., "Black-box explanation of object detectors via saliency maps" (D-RISE), 2021, arXiv 2006.03204: a
changed image still has a detection as far as one of its class overlaps with it, by overlap times score.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.explaining import Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.image_explanations import ImagesExplainer
from sensorium.tasks.object_detection.predict import THRESHOLD

METHODS = ("occlusion", "integrated_gradients", "gradient_shap", "gradcam")
CELLS = 28  # of the grid: objects are smaller than the images of a classifier's


class DetectionExplainer(ImagesExplainer):
    """One map a box, from the highest score on."""

    spec: ObjectDetectionSpec
    dense = True

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        super().__init__(model, options, METHODS, cells=CELLS)
        self.threshold = THRESHOLD if options.threshold is None else options.threshold

    def prepared(self, example: Example, image: Tensor, size: tuple[int, int]) -> Prepared:
        with torch.no_grad():
            (found,) = self.forward(self.network, image[None])
        names, targets = self.spec.class_names, self.options.target
        wanted = [
            place
            for place, (label, score) in enumerate(zip(found["labels"].tolist(), found["scores"].tolist(), strict=True))
            if score >= self.threshold and (targets is None or names[label] in targets)
        ][: self.options.top_k]
        boxes, labels, scores = (found[key][wanted] for key in ("boxes", "labels", "scores"))
        return self.of(
            example,
            image,
            [
                Target(names[label], score, {"box": [round(side, 2) for side in box]})
                for label, score, box in zip(labels.tolist(), scores.tolist(), boxes.tolist(), strict=True)
            ],
            score=partial(self._still_there, boxes=boxes, labels=labels),
        )

    def _still_there(self, network: nn.Module, images: Tensor, *, boxes: Tensor, labels: Tensor) -> Tensor:
        """Of each image (N, C, H, W) and box (K, 4) with its label (K,): the best overlap times score, (N, K)."""
        rows = []
        for found in self.forward(network, images):
            alike = (found["labels"][:, None] == labels[None, :]) * box_iou(found["boxes"], boxes)  # (D, K)
            none = boxes.new_zeros(1, len(boxes))
            rows.append(torch.cat([alike * found["scores"][:, None].float(), none]).amax(dim=0))
        # An image in which nothing is found depends on it as well: with a gradient of 0.
        return torch.stack(rows) + 0 * images.sum(dim=(1, 2, 3))[:, None]
