"""U-Net: a contracting path, an expanding path, and skip connections between them at every level.

O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional networks for biomedical image segmentation", MICCAI 2015,
arXiv 1505.04597, figure 1.

What differs: convolutions are padded, so that the image keeps its size, and normalized by batch; blocks may be
residual; above the first level there may be a thin one, of one convolution each way and half as many channels, so that
the first one works on half an image at a quarter of the cost. Images of any size: a half is rounded up, and what
comes back a pixel too large is cut. So nothing is ever filled up but the borders of convolutions, with zeros.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.models.protocols import Segmenter
from sensorium.nn.convolution import ConvBatchNorm
from sensorium.nn.initialisation import he_normal


class DoubleConv(nn.Module):
    """Two convolutions of 3x3. residual: they add to what comes in (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, *, in_channels: int, out_channels: int, residual: bool) -> None:
        super().__init__()
        self.first = ConvBatchNorm(in_channels=in_channels, out_channels=out_channels)
        self.second = ConvBatchNorm(in_channels=out_channels, out_channels=out_channels, relu=not residual)
        self.shortcut: nn.Module | None = None
        if residual:
            same = in_channels == out_channels
            options = {"in_channels": in_channels, "out_channels": out_channels}
            self.shortcut = nn.Identity() if same else ConvBatchNorm(**options, kernel_size=1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in_channels, H, W); returns (B, out_channels, H, W)."""
        found = self.second(self.first(x))
        return found if self.shortcut is None else F.relu(found + self.shortcut(x))


class Up(nn.Module):
    """Doubles the image, joins it to the one of the contracting path, and convolves both with the module convs."""

    def __init__(self, *, in_channels: int, out_channels: int, convs: nn.Module) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.convs = convs

    def forward(self, x: Tensor, across: Tensor) -> Tensor:
        """x: (B, in_channels, h, w); across: (B, out_channels, H, W), H and W the double or one less, as returned."""
        height, width = across.shape[-2:]
        return self.convs(torch.cat([across, self.enlarge(x)[..., :height, :width]], dim=1))


class UNet(nn.Module, Segmenter):
    """width: channels of the first level; each further one has twice as many; cost grows with its square.

    depth: how often the image is halved below the first level. thin: a level of half the channels and half the
    convolutions above the first. residual: blocks add to what comes in. dropout: share of the lowest level's numbers
    set to zero in training. flip_tta: when evaluating, logits are the mean over the image and its horizontal flip; off
    for images with a left and a right.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        width: int = 24,
        depth: int = 4,
        thin: bool = False,
        residual: bool = False,
        dropout: float = 0.1,
        flip_tta: bool = False,
    ) -> None:
        super().__init__()
        self.flip_tta = flip_tta
        widths = [*([width // 2] if thin else []), *(width * 2**level for level in range(depth + 1))]

        def convs(level: int, channels: int) -> nn.Module:
            out_channels = widths[level]
            if thin and level == 0:
                return ConvBatchNorm(in_channels=channels, out_channels=out_channels)
            return DoubleConv(in_channels=channels, out_channels=out_channels, residual=residual)

        self.down = nn.ModuleList(convs(level, (in_channels, *widths)[level]) for level in range(len(widths)))
        self.halve = nn.MaxPool2d(2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(
            Up(in_channels=below, out_channels=channels, convs=convs(level, 2 * channels))
            for level, (channels, below) in reversed([*enumerate(pairwise(widths))])
        )
        self.apply(he_normal)
        self.head = nn.Conv2d(widths[0], num_classes, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K, H, W)."""
        if self.flip_tta and not self.training:
            return (self._logits(images) + self._logits(images.flip(3)).flip(3)) / 2
        return self._logits(images)

    def _logits(self, images: Tensor) -> Tensor:
        x = images
        across: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.halve(x) if level else x)
            across.append(x)
        x = self.dropout(across.pop())
        for block in self.up:
            x = block(x, across.pop())
        return self.head(x)
