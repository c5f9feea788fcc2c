"""The network of the CIFAR-10 speed record, for many accurate trainings in little time.

K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, arXiv 2404.00498, section 3 and appendix A:
a 2x2 convolution that whitens patches (frozen weights, trained bias), three groups of two 3x3 convolutions with batch
normalization and GELU, a pooling in each group, max pooling to one pixel, and logits scaled by 1/9. Normalization has
a trained bias and no trained scale; convolutions start as the identity on their first channels (Dirac).

What differs: the last pooling takes whatever is left of the image (3x3 at 28x28 and 32x32, as in the paper), so
larger images work too; batch normalization keeps PyTorch's epsilon. The paper's training (alternating flip,
lookahead, a larger learning rate for biases) belongs to a recipe, not to the network; of its averaging over several
views when evaluating, the horizontal flip is here (`flip_tta`).

`initialize` sets the whitening from training images, as the paper does from 5000. Without it the first layer is
the identity on each patch and its negative: a network that works, and learns more slowly.
Three channels and ten classes: 1,972,504 parameters and 288 frozen whitening weights.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError

MIN_SIDE = 9  # 9 pixels: 8 whitened, then 4, 2 and 1


class WhiteningConv(nn.Module):
    """A 2x2 convolution whose 4C outputs are uncorrelated with variance 1, followed by their negatives."""

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        size = 4 * in_channels
        self.filters: Tensor
        self.register_buffer("filters", torch.eye(size).view(size, in_channels, 2, 2))
        self.bias = nn.Parameter(torch.zeros(2 * size))

    @torch.no_grad()
    def initialize(self, images: Tensor, epsilon: float = 5e-4) -> None:
        """Set the filters to the eigenvectors of the covariance of patches, over the root of their eigenvalues.

        images: (N, C, H, W). epsilon: added to the eigenvalues, so that a direction without variance stays finite.
        """
        patches = F.unfold(images.double(), kernel_size=2).transpose(1, 2).flatten(0, 1)  # (N * positions, 4C)
        values, vectors = torch.linalg.eigh(torch.cov(patches.T))
        filters = (vectors / (values.clamp_min(0) + epsilon).sqrt()).T.flip(0)  # strongest direction first
        self.filters.copy_(filters.view_as(self.filters))

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns (B, 8C, H - 1, W - 1)."""
        return F.conv2d(images, torch.cat([self.filters, -self.filters]), self.bias)


class ConvGroup(nn.Module):
    """Convolution, pooling to half the size, convolution; each normalized and followed by GELU."""

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels, momentum=0.4)  # the paper's 0.6 is the share that is kept
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels, momentum=0.4)
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight[: conv.in_channels].data)
        for norm in (self.norm1, self.norm2):
            norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W); returns (B, out_channels, H / 2, W / 2), both rounded down."""
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class AirbenchCNN(nn.Module):
    """widths: channels of the three groups. flip_tta: when evaluating, logits are the mean over the image and its
    mirror image (section 3.5); off for images with a left and a right."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        image_size: tuple[int, int],
        widths: Sequence[int] = (64, 256, 256),
        flip_tta: bool = False,
    ) -> None:
        super().__init__()
        if min(image_size) < MIN_SIDE:
            raise RequestError(
                f"Model airbench_cnn takes images of at least {MIN_SIDE}x{MIN_SIDE} pixels, not "
                f"{image_size[0]}x{image_size[1]}.\nUse larger images, or model=small_cnn."
            )
        if len(widths) != 3:
            raise RequestError(f"widths of airbench_cnn are three numbers, such as [64,256,256], not {list(widths)}.")
        self.flip_tta = flip_tta
        self.whitening = WhiteningConv(in_channels=in_channels)
        channels = [8 * in_channels, *widths]
        self.groups = nn.Sequential(
            *(ConvGroup(in_channels=inputs, out_channels=outputs) for inputs, outputs in pairwise(channels))
        )
        self.head = nn.Linear(channels[-1], num_classes, bias=False)

    def initialize(self, images: Tensor) -> None:
        """Set the frozen whitening filters from training images, before the first step.

        images: (N, C, H, W) normalized as in training; a few thousand are enough.
        """
        self.whitening.initialize(images)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        if self.flip_tta and not self.training:
            return (self._logits(images) + self._logits(images.flip(3))) / 2
        return self._logits(images)

    def _logits(self, images: Tensor) -> Tensor:
        features = self.groups(F.gelu(self.whitening(images)))
        return self.head(features.amax(dim=(2, 3))) / 9
