"""The perceptron: one layer of weights from pixels to classes.

F. Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the brain",
Psychological Review 65(6), 1958.

What differs: one unit for each class instead of a binary one, and no layer of random wires before it. With
`optimizer=rosenblatt` every unit learns by his rule of error correction; on cross-entropy, which every other optimizer
gets, this is logistic regression.
"""

from torch import Tensor, nn


class Perceptron(nn.Module):
    """One linear layer. image_size: (height, width)."""

    def __init__(self, *, in_channels: int, num_classes: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        height, width = image_size
        self.head = nn.Linear(in_channels * height * width, num_classes)
        nn.init.zeros_(self.head.weight)  # one layer has no symmetry to break
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(images.flatten(1))
