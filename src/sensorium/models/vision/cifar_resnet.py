"""Residual networks for small images.

K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2016, arXiv 1512.03385,
section 4.2: depth 6n+2, three stages of n blocks with 16, 32 and 64 channels, no pooling but the last average.
Shortcuts are the paper's option A for CIFAR, without parameters: every second pixel, missing channels zero.

What differs: the last batch normalization of each block starts with weight zero, so that every block starts as the
identity (Goyal et al. 2017, arXiv 1706.02677, section 5.1).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.convolution import ConvBatchNorm
from sensorium.nn.initialisation import he_normal


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them."""

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.new_channels = stride, out_channels - in_channels
        self.conv1 = ConvBatchNorm(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.conv2 = ConvBatchNorm(in_channels=out_channels, out_channels=out_channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W); returns (B, out_channels, H / stride, W / stride), both rounded up."""
        shortcut = x[:, :, :: self.stride, :: self.stride]
        shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))
        return F.relu(self.conv2(self.conv1(x)) + shortcut)


class CifarResNet(nn.Module):
    """depth: layers with weights: 8, 14, 20, 32, 44, 56, 110. width: channels of the first stage."""

    def __init__(self, *, in_channels: int, num_classes: int, depth: int, width: int = 16) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            near = max(8, round((depth - 2) / 6) * 6 + 2)
            raise RequestError(f"depth of a CIFAR ResNet is 8, 14, 20 and so on (6n+2), not {depth}; nearest: {near}.")
        layers: list[nn.Module] = [ConvBatchNorm(in_channels=in_channels, out_channels=width)]
        channels = width
        for stage in range(3):
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(in_channels=channels, out_channels=width * 2**stage, stride=stride))
                channels = width * 2**stage
        self.features = nn.Sequential(*layers).apply(he_normal)
        for layer in layers:
            if isinstance(layer, BasicBlock):
                nn.init.zeros_(layer.conv2.norm.weight)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(self.features(images).mean(dim=(2, 3)))


def resnet8(*, in_channels: int, num_classes: int, width: int = 16) -> CifarResNet:
    """75,290 parameters for three channels and ten classes."""
    return CifarResNet(in_channels=in_channels, num_classes=num_classes, depth=8, width=width)


def resnet20(*, in_channels: int, num_classes: int, width: int = 16) -> CifarResNet:
    """269,722 parameters for three channels and ten classes; the paper reports 91.25% on CIFAR-10."""
    return CifarResNet(in_channels=in_channels, num_classes=num_classes, depth=20, width=width)
