"""Any image classifier of timm (pytorch-image-models), by name.

R. Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models; each network has its own
paper. Needs the optional package `timm`.

What differs: the last layer is a new linear layer under `head`. The rest is as timm builds it: the first convolution
is timm's for the data's channels, nothing is adapted to small images, and patches that do not divide an image leave
its right and bottom border unread. For images of 64 pixels and less take a model of Sensorium's own.
"""

from typing import Any

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError, missing_extra, unknown
from sensorium.nn.dry_run import REFUSALS, dry_run, reason


class TimmClassifier(nn.Module):
    """name: as `timm.list_models()` prints it, such as "resnet18", optionally with a weights tag ("resnet18.a1_in1k").

    pretrained: start from the published weights, fetched when not yet on this computer; only the head starts fresh.

    Raises RequestError when timm is not installed, for an unknown name, for images of a size the network cannot
    take, and for weights that cannot be fetched.
    """

    def __init__(
        self, *, name: str, in_channels: int, num_classes: int, image_size: tuple[int, int], pretrained: bool = False
    ) -> None:
        super().__init__()
        self.backbone = _build(name, in_channels, image_size, pretrained)
        try:
            features = dry_run(self.backbone, torch.zeros(1, in_channels, *image_size))  # (1, F)
        except REFUSALS as error:
            raise RequestError(
                f"Model {name} cannot take images of {image_size[0]}x{image_size[1]} pixels: {reason(error)}.\n"
                "Use larger images, or a model for small ones: small_cnn, resnet8, resnet20."
            ) from error
        self.head = nn.Linear(features.shape[1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(self.backbone(images))


def _build(name: str, in_channels: int, image_size: tuple[int, int], pretrained: bool) -> nn.Module:
    """timm's network without its last layer: images in, features (B, F) out."""
    try:
        import timm
    except ImportError as error:
        raise missing_extra("timm", "timm") from error
    if not timm.is_model(name):
        raise unknown("timm model", name, timm.list_models())
    published = timm.get_pretrained_cfg(name)
    sized: dict[str, Any] = {}
    if published is not None and published.fixed_input_size:
        sized = {"img_size": tuple(image_size)}
    try:
        return timm.create_model(name, pretrained=pretrained, in_chans=in_channels, num_classes=0, **sized)
    except (AssertionError, ArithmeticError, TypeError, ValueError) as error:
        height, width = image_size
        raise RequestError(
            f"timm cannot build {name} for images of {height}x{width} pixels: {error}.\n"
            "Use images of 224x224, or a model for small ones: small_cnn, resnet8, resnet20."
        ) from error
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise RequestError(
            f"The published weights of timm's {name} could not be downloaded: {error}.\n"
            f"Fetch them where there is a network ('hf download timm/{name}') and copy that computer's "
            "~/.cache/huggingface here, or set model.pretrained=false."
        ) from error
