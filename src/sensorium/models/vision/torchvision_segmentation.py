"""The segmenters of torchvision: FCN, DeepLabV3 and LR-ASPP, each on one of its backbones.

J. Long, E. Shelhamer and T. Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015, arXiv
1411.4038. L.-C. Chen et al., "Rethinking atrous convolution for semantic image segmentation", 2017, arXiv 1706.05587.
A. Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv 1905.02244, section 6.4.

What differs: the first convolution takes as many channels as the data has; the last layer is new and lives under
`head`, for LR-ASPP as one convolution over what its two classify, joined; there is no auxiliary loss. DeepLabV3 learns
from a batch of one image too.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models
from torchvision.models import segmentation

from sensorium.errors import unknown
from sensorium.models.protocols import Segmenter
from sensorium.models.vision.torchvision import adapt_stem, with_published_weights

FAMILIES = ("fcn", "deeplabv3", "lraspp")


class TorchvisionSegmenter(nn.Module, Segmenter):
    """family: fcn, deeplabv3 or lraspp. backbone: as torchvision has it for the family: resnet50, resnet101 or
    mobilenet_v3_large.

    pretrained: start from torchvision's published weights (COCO, the classes of Pascal VOC), fetched when not yet on
    this computer; only the head starts fresh.

    Raises RequestError for an unknown family or backbone, and for weights that cannot be fetched.
    """

    def __init__(
        self, *, family: str, backbone: str, in_channels: int, num_classes: int, pretrained: bool = False
    ) -> None:
        super().__init__()
        if family not in FAMILIES:
            raise unknown("family of segmenters (model.family)", family, FAMILIES)
        names = models.list_models(module=segmentation, include=f"{family}_*")
        allowed = [name.removeprefix(f"{family}_") for name in names]
        if backbone not in allowed:
            raise unknown(f"backbone of {family} (model.backbone)", backbone, allowed)
        name = f"{family}_{backbone}"
        plain = {"weights": None, "weights_backbone": None}
        network = with_published_weights(name) if pretrained else models.get_model(name, **plain)
        adapt_stem(network, name=name, in_channels=in_channels, small=False, keep=pretrained)
        self.backbone = network.backbone
        neck = (_JoinedNeck if family == "lraspp" else _PlainNeck)(network.classifier)
        self.neck = neck
        self.head = nn.Conv2d(neck.features, num_classes, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K, H, W)."""
        logits = self.head(self.neck(self.backbone(images)))
        return F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)


class _PlainNeck(nn.Module):
    """What stands between the backbone's features and the last layer. features: channels that the latter gets."""

    features: int

    def __init__(self, classifier: nn.Sequential) -> None:
        super().__init__()
        *layers, last = classifier
        assert isinstance(last, nn.Conv2d)
        if isinstance(classifier, segmentation.deeplabv3.DeepLabHead):
            pooling = classifier[0].convs[-1]
            pooling[2] = _PooledNorm.like(pooling[2])
        self.layers, self.features = nn.Sequential(*layers), last.in_channels

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        return self.layers(features["out"])


class _JoinedNeck(nn.Module):
    """LR-ASPP's: fine features, and coarse ones gated by what the whole image shows."""

    features: int

    def __init__(self, classifier: segmentation.lraspp.LRASPPHead) -> None:
        super().__init__()
        self.cbr, self.scale = classifier.cbr, classifier.scale
        self.features = classifier.low_classifier.in_channels + classifier.high_classifier.in_channels

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        low, high = features["low"], features["high"]
        x = self.cbr(high) * self.scale(high)
        x = F.interpolate(x, size=low.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([low, x], dim=1)


class _PooledNorm(nn.BatchNorm2d):
    """Batch normalization of one position an image, of which a single image has no variance: running values then."""

    @classmethod
    def like(cls, norm: nn.BatchNorm2d) -> "_PooledNorm":
        new = cls(norm.num_features, eps=norm.eps)
        new.load_state_dict(norm.state_dict())
        return new

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)
