"""What travels from data to task: named tuples of tensors, which Lightning moves to the device as they are."""

from typing import NamedTuple

from torch import Tensor


class ImageBatch(NamedTuple):
    """A batch of labelled pictures.

    images: (B, C, H, W) uint8 as cut from the store.
    labels: (B,) int64 class numbers.
    indices: (B,) int64 row of each example in its split; names files, seeds augmentation.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
