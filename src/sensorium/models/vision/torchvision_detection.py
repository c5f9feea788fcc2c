"""Detectors of torchvision: SSDlite, Faster R-CNN, FCOS and RetinaNet.

The networks are torchvision's own: https://docs.pytorch.org/vision/stable/models.html#object-detection. SSD: W. Liu et
al. 2016, arXiv 1512.02325, in the form of M. Sandler et al. 2018, arXiv 1801.04381. Faster R-CNN: S. Ren et al. 2015,
arXiv 1506.01497. FCOS: Z. Tian et al. 2019, arXiv 1904.01355. RetinaNet: T.-Y. Lin et al. 2017, arXiv 1708.02002.

What differs: images come as they are, neither scaled nor normalized once more; a gray one is repeated for all three
channels; anchors are made for images of 800 pixels and shrink with smaller ones; the MobileNet of Faster R-CNN hands
on cells of 8, 16 and 32 pixels instead of 32 alone, and fewer proposals are looked at, which small images allow;
boxes and losses are computed in float32; all that scores at least score_threshold is kept, for the mean average
precision asks for it.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone
from torchvision.models.detection.image_list import ImageList

from sensorium.batches import IGNORED, Boxes
from sensorium.errors import RequestError
from sensorium.models.protocols import Detector
from sensorium.models.vision import torchvision_padded
from sensorium.models.vision.torchvision import unreachable
from sensorium.nn.suppression import Detections

FULL_SIZE = 800  # pixels of the longer side that torchvision's anchors are made for


class _AsTheyAre(nn.Module):
    """Instead of torchvision's transform, which scales and normalizes: the data has done both."""

    def forward(self, images: Tensor, targets: Any = None) -> tuple[ImageList, Any]:
        """images: (B, 3, H, W)."""
        return ImageList(images, [tuple(images.shape[-2:])] * len(images)), targets

    def postprocess(self, answers: Any, image_shapes: Any, original_image_sizes: Any) -> Any:
        """Boxes are in pixels of the image already."""
        return answers


class TorchvisionDetector(nn.Module, Detector):
    """detector: one of torchvision's, whose parts become this module's own, its last one as `head`. heads: the parts of
    it that say something of boxes. background: whether it has a class 0 for nothing. loss_names: of its losses.
    """

    def __init__(
        self,
        *,
        detector: nn.Module,
        in_channels: int,
        heads: Sequence[nn.Module],
        background: bool,
        loss_names: tuple[str, ...],
    ) -> None:
        super().__init__()
        if in_channels not in (1, 3):
            raise RequestError(f"torchvision's detectors take images of 1 or 3 channels, not {in_channels}.")
        self.loss_names, self.background = loss_names, int(background)
        last: Any = getattr(detector, "roi_heads", detector)
        self.score_threshold, self.max_detections = last.score_thresh, last.detections_per_img
        detector.transform = _AsTheyAre()
        for part in (detector.get_submodule("backbone"), *heads):
            part.register_forward_hook(_in_float32)
        # Not registered itself: its parts are, under names by which the head is known.
        self._detector = (detector,)
        for name, part in detector.named_children():
            self.add_module("head" if name == "roi_heads" else name, part)

    def forward(self, images: Tensor, targets: Boxes | None = None) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """images: (B, C, H, W) -> B dicts of boxes (N, 4) in pixels, labels (N,) and scores (N,), the best first.

        With targets: the losses that `loss_names` lists, (), in training mode. Difficult boxes are omitted.
        """
        (detector,) = self._detector
        detector.training = self.training
        seen = _in_color(images)
        if targets is not None:
            return detector(seen, self._as_torchvision(targets))
        found = detector(seen)
        return [one | {"boxes": one["boxes"].float(), "labels": one["labels"] - self.background} for one in found]

    def padded(self, images: Tensor) -> Detections:
        """As `forward` without targets, for all images of a batch at once."""
        found = torchvision_padded.detect(self._detector[0], _in_color(images))
        return found._replace(labels=torch.where(found.labels < 0, found.labels, found.labels - self.background))

    def _as_torchvision(self, targets: Boxes) -> list[dict[str, Tensor]]:
        """The boxes of each image that are there, that are to be learned and that have an area."""
        sides = targets.boxes[:, :, 2:] - targets.boxes[:, :, :2]
        learnt = (targets.labels != IGNORED) & ~targets.difficult & (sides > 0).all(2)
        rows = zip(targets.boxes.float(), targets.labels + self.background, learnt, strict=True)
        return [{"boxes": boxes[kept], "labels": labels[kept]} for boxes, labels, kept in rows]


def _in_color(images: Tensor) -> Tensor:
    """(B, 1, H, W) or (B, 3, H, W) -> (B, 3, H, W)."""
    return images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)


def _in_float32(module: nn.Module, inputs: Any, output: Any) -> Any:
    """Where objects are: half the digits would move anchors and boxes by pixels."""
    if isinstance(output, Tensor):
        return output.float()
    if isinstance(output, Mapping):
        return OrderedDict((name, _in_float32(module, inputs, value)) for name, value in output.items())
    return type(output)(_in_float32(module, inputs, value) for value in output)


def _anchors(image_size: tuple[int, int], sizes: Sequence[tuple[float, ...]]) -> AnchorGenerator:
    """sizes: in pixels of an image of full size, of each map."""
    scale = min(1.0, max(image_size) / FULL_SIZE)
    scaled = tuple(tuple(size * scale for size in level) for level in sizes)
    return AnchorGenerator(scaled, ((0.5, 1.0, 2.0),) * len(scaled))


def _load_published(detector: nn.Module, weights: Any) -> None:
    """All weights trained on COCO whose shapes are those here; the layers of the classes start fresh."""
    try:
        published = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise unreachable(str(weights), weights, error) from error
    ours = detector.state_dict()
    fitting = {name: value for name, value in published.items() if name in ours and value.shape == ours[name].shape}
    detector.load_state_dict(fitting, strict=False)


def ssdlite(
    *,
    in_channels: int,
    num_classes: int,
    score_threshold: float = 0.01,
    max_detections: int = 100,
    pretrained: bool = False,
) -> TorchvisionDetector:
    """SSDlite on a MobileNetV3, whose boxes are shares of the image; 2,331,260 parameters for 10 classes."""
    detector = detection.ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=num_classes + 1,
        score_thresh=score_threshold,
        detections_per_img=max_detections,
    )
    if pretrained:
        _load_published(detector, detection.SSDLite320_MobileNet_V3_Large_Weights.DEFAULT)
    return TorchvisionDetector(
        detector=detector,
        in_channels=in_channels,
        heads=[detector.head],
        background=True,
        loss_names=("classification", "bbox_regression"),
    )


def fasterrcnn_mobilenet(
    *,
    in_channels: int,
    num_classes: int,
    image_size: tuple[int, int],
    score_threshold: float = 0.01,
    max_detections: int = 100,
    pretrained: bool = False,
) -> TorchvisionDetector:
    """Faster R-CNN on a MobileNetV3 with a feature pyramid; 19,569,285 parameters for 10 classes."""
    backbone = mobilenet_backbone(
        backbone_name="mobilenet_v3_large",
        weights=None,
        fpn=True,
        norm_layer=nn.BatchNorm2d,
        trainable_layers=6,
        returned_layers=[2, 3, 5],  # cells of 8, 16 and 32 pixels; those of 64 come on top
    )
    detector = detection.FasterRCNN(
        backbone,
        num_classes=num_classes + 1,
        rpn_anchor_generator=_anchors(image_size, [(32.0, 48.0), (64.0, 128.0), (192.0, 256.0), (384.0, 512.0)]),
        rpn_post_nms_top_n_train=1000,
        rpn_post_nms_top_n_test=300,
        box_batch_size_per_image=128,
        box_score_thresh=score_threshold,
        box_detections_per_img=max_detections,
    )
    if pretrained:
        _load_published(detector, detection.FasterRCNN_MobileNet_V3_Large_FPN_Weights.DEFAULT)
    return TorchvisionDetector(
        detector=detector,
        in_channels=in_channels,
        heads=[detector.rpn.head, detector.roi_heads.box_predictor],
        background=True,
        loss_names=("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"),
    )


def fcos(
    *,
    in_channels: int,
    num_classes: int,
    score_threshold: float = 0.01,
    max_detections: int = 100,
    pretrained: bool = False,
) -> TorchvisionDetector:
    """FCOS on a ResNet-50 with a feature pyramid, without anchors; 32,136,015 parameters for 10 classes."""
    detector = detection.fcos_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=num_classes,
        score_thresh=score_threshold,
        detections_per_img=max_detections,
    )
    if pretrained:
        _load_published(detector, detection.FCOS_ResNet50_FPN_Weights.DEFAULT)
    return TorchvisionDetector(
        detector=detector,
        in_channels=in_channels,
        heads=[detector.head.classification_head, detector.head.regression_head],
        background=False,
        loss_names=("classification", "bbox_regression", "bbox_ctrness"),
    )


def retinanet(
    *,
    in_channels: int,
    num_classes: int,
    image_size: tuple[int, int],
    score_threshold: float = 0.01,
    max_detections: int = 100,
    pretrained: bool = False,
) -> TorchvisionDetector:
    """RetinaNet on a ResNet-50 with a feature pyramid; 32,387,774 parameters for 10 classes."""
    octave = [2 ** (third / 3) for third in range(3)]
    detector = detection.retinanet_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=num_classes,
        anchor_generator=_anchors(image_size, [tuple(32.0 * 2**n * step for step in octave) for n in range(5)]),
        score_thresh=score_threshold,
        detections_per_img=max_detections,
    )
    if pretrained:
        _load_published(detector, detection.RetinaNet_ResNet50_FPN_Weights.DEFAULT)
    return TorchvisionDetector(
        detector=detector,
        in_channels=in_channels,
        heads=[detector.head.classification_head, detector.head.regression_head],
        background=False,
        loss_names=("classification", "bbox_regression"),
    )
