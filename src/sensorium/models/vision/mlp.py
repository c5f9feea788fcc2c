"""The multi-layer perceptron: linear layers with nonlinearities between them.

D. Rumelhart, G. Hinton and R. Williams, "Learning representations by back-propagating errors", Nature 323, 1986.

What differs: ReLU instead of the sigmoid, He's initialization, and dropout where asked for (Srivastava et al. 2014).
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from sensorium.nn.initialisation import he_normal


class MLP(nn.Module):
    """hidden: widths of the hidden layers, first to last. dropout: share of hidden values set to zero in training."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        image_size: tuple[int, int],
        hidden: Sequence[int] = (256, 256),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [in_channels * image_size[0] * image_size[1], *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers).apply(he_normal)
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(self.layers(images.flatten(1)))
