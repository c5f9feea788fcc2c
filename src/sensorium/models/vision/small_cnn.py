"""A small convolutional network: the default, good on small images in a minute on a CPU.

No paper of its own. The shape is VGG's (Simonyan and Zisserman 2015, arXiv 1409.1556): stages of 3x3 convolutions
whose width doubles where the image halves, here three stages of 1, 2 and 2 convolutions with batch normalization,
a global average at the end (Lin et al. 2014, arXiv 1312.4400) and dropout before the last layer.

One channel at 28x28, width 20: 109,510 parameters with ten classes, 17 million FLOPs (a multiply-add is two).
"""

from torch import Tensor, nn

from sensorium.nn.convolution import ConvBatchNorm
from sensorium.nn.initialisation import he_normal


class SmallCNN(nn.Module):
    """width: channels of the first stage; the others have twice and four times as many; cost grows with its square.

    dropout: share of the features before the last layer set to zero in training.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        image_size: tuple[int, int],
        width: int = 20,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        large = max(image_size) > 64  # a photograph is brought to a quarter of its size first
        side = min(image_size) // (4 if large else 1)
        first_pool, second_pool = side >= 8, side >= 16  # never below 4x4: an 8x8 digit is halved once
        self.features = nn.Sequential(
            ConvBatchNorm(in_channels=in_channels, out_channels=width, stride=2 if large else 1),
            nn.MaxPool2d(2) if large else nn.Identity(),
            nn.MaxPool2d(2) if first_pool else nn.Identity(),
            ConvBatchNorm(in_channels=width, out_channels=2 * width),
            ConvBatchNorm(in_channels=2 * width, out_channels=2 * width),
            nn.MaxPool2d(2) if second_pool else nn.Identity(),
            ConvBatchNorm(in_channels=2 * width, out_channels=4 * width),
            ConvBatchNorm(in_channels=4 * width, out_channels=4 * width),
        ).apply(he_normal)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        features = self.features(images).mean(dim=(2, 3))  # (B, 4 * width)
        return self.head(self.dropout(features))
