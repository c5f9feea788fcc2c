"""Wide residual networks for small images.

S. Zagoruyko and N. Komodakis, "Wide residual networks", 2016, arXiv 1605.07146, table 1: WRN-depth-factor, three
stages of (depth - 4) / 6 blocks with 16, 32 and 64 times `widen_factor` channels. Blocks normalize before they
convolve (He et al. 2016, arXiv 1603.05027); where the shape changes, the shortcut is a 1x1 convolution of the
normalized input. Nothing differs. WRN-16-4 has 2,748,890 parameters for three channels and ten classes.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.initialisation import he_normal


class WideBlock(nn.Module):
    """BN-ReLU-conv, dropout, BN-ReLU-conv, and the shortcut around them."""

    def __init__(self, *, in_channels: int, out_channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        same_shape = stride == 1 and in_channels == out_channels
        self.shortcut = None if same_shape else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W); returns (B, out_channels, H / stride, W / stride), both rounded up."""
        active = F.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(active)
        active = self.dropout(F.relu(self.norm2(self.conv1(active))))
        return self.conv2(active) + shortcut


class WideResNet(nn.Module):
    """depth: layers with weights: 10, 16, 22, 28, 40. widen_factor: times the channels of a CIFAR ResNet.

    dropout: share of values between the two convolutions of a block set to zero in training; the paper tries 0.3.
    """

    def __init__(
        self, *, in_channels: int, num_classes: int, depth: int = 16, widen_factor: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            near = max(10, round((depth - 4) / 6) * 6 + 4)
            raise RequestError(f"depth of a wide ResNet is 10, 16, 22 and so on (6n+4), not {depth}; nearest: {near}.")
        layers: list[nn.Module] = [nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)]
        channels = 16
        for stage in range(3):
            out_channels = 16 * widen_factor * 2**stage
            for block in range((depth - 4) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(
                    WideBlock(in_channels=channels, out_channels=out_channels, stride=stride, dropout=dropout)
                )
                channels = out_channels
        layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers).apply(he_normal)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(self.features(images).mean(dim=(2, 3)))
