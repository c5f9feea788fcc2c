"""VGG-11 with batch normalization and a head for small images.

K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015,
arXiv 1409.1556, table 1, column A.

What differs: batch normalization after every convolution, and one linear layer on the averaged last maps instead of
three with 4096 units, which takes 9.2 million parameters instead of 133. A pooling that would leave less than one
pixel is omitted, so images of any size work. The published network is `model=torchvision model.name=vgg11_bn`.
"""

from torch import Tensor, nn

from sensorium.nn.convolution import ConvBatchNorm
from sensorium.nn.initialisation import he_normal

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))


class VGG11(nn.Module):
    """dropout: share of the features before the last layer set to zero in training."""

    def __init__(
        self, *, in_channels: int, num_classes: int, image_size: tuple[int, int], dropout: float = 0.5
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side = in_channels, min(image_size)
        for stage in STAGES:
            for width in stage:
                layers.append(ConvBatchNorm(in_channels=channels, out_channels=width))
                channels = width
            if side >= 2:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.features = nn.Sequential(*layers).apply(he_normal)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        features = self.features(images).mean(dim=(2, 3))  # (B, 512)
        return self.head(self.dropout(features))
