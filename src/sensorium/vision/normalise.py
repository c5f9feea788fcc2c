"""From stored pixels to normalized network inputs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.vision.depth import WHITE


def from_pixels(pixels: np.ndarray) -> Tensor:
    """Stored pixels as a batch: uint8 stay so, four times smaller to move; uint16, which few operations of torch know,
    become float32 in [0, 1].
    """
    if pixels.dtype == np.uint8:
        return torch.from_numpy(pixels)
    return torch.from_numpy(pixels.astype(np.float32)).div_(WHITE)


def as_float(images: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]; float as it is."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


class Normalise(nn.Module):
    """(x - mean) / std for each channel, of pixels scaled to [0, 1].

    mean, std: C numbers, of the training split. memory_format: of what comes out; the model comes in the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__()
        self._memory_format = memory_format
        # Not persistent: the spec in the checkpoint is their one home.
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Images (B, C, H, W), uint8 or float in [0, 1] -> float (B, C, H, W), alone in a tuple."""
        normalised = (as_float(images) - self.mean) / self.std
        return (normalised.contiguous(memory_format=self._memory_format),)
