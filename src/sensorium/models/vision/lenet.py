"""LeNet-5.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998, section II.B.

What differs: ReLU instead of tanh, max pooling instead of trained averages, every map of the second convolution sees
all six of the first, and a linear layer instead of radial basis functions, as LeNet is commonly trained today. At
28x28 and 32x32 these are the paper's shapes: 6 maps of 28x28, 16 of 10x10, 400-120-84-K; 61,706 parameters for one
channel and ten classes. Other sizes: images under 16 pixels skip the first pooling, and the second pooling always
ends at 5x5 or less, so that the linear layers do not grow with the image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.initialisation import he_normal


class GridMaxPool(nn.Module):
    """Maxima over a grid of cells that may overlap; ONNX has no such operator, and gets each cell by itself.

    grid: rows and columns.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W); returns (B, C, rows, columns)."""
        if not torch.compiler.is_exporting():
            return F.adaptive_max_pool2d(x, self.grid)
        for axis, cells in zip((2, 3), self.grid, strict=True):
            side = x.shape[axis]
            spans = [(side * cell // cells, -(-side * (cell + 1) // cells)) for cell in range(cells)]
            x = torch.stack([x.narrow(axis, start, end - start).amax(axis) for start, end in spans], dim=axis)
        return x


class LeNet(nn.Module):
    """Two convolutions with pooling, then three linear layers. image_size: (height, width), from 5x5."""

    def __init__(self, *, in_channels: int, num_classes: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        if min(image_size) < 5:
            raise RequestError(
                f"Model lenet takes images of at least 5x5 pixels, not {image_size[0]}x{image_size[1]}.\n"
                "Use larger images, or model=mlp."
            )
        padding = 0 if min(image_size) >= 32 else 2  # the paper's 32x32 is a 28x28 digit with a border of 2
        pool = 1 if min(image_size) < 16 else 2
        grid = [min(5, (side + 2 * padding - 4) // pool - 4) for side in image_size]
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=padding),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(pool),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(inplace=True),
            GridMaxPool((grid[0], grid[1])),
            nn.Flatten(),
            nn.Linear(16 * grid[0] * grid[1], 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, 84),
            nn.ReLU(inplace=True),
        ).apply(he_normal)
        self.head = nn.Linear(84, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(self.features(images))
