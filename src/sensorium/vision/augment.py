"""Augmentation of a whole batch, on the device where the batch is.

Workers only cut stored pixels; everything random happens here, at once for all images, from the numbers of
`ExampleRandom`. The same (seed, epoch, example) gives the same image on any number of workers.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sensorium.randomness import ExampleRandom
from sensorium.vision.mix import CutMix, MixUp
from sensorium.vision.normalise import as_float


class Augment(nn.Module):
    """Transforms of each image, in order, then a mix of two.

    transforms: modules forward(images, random) -> images, by name or in a list; a name set to None is omitted. Those
    with `any_dtype = True` that come first work on the stored uint8 pixels, the others get float in [0, 1].
    mix: what to make of two images and their targets, or None.
    """

    def __init__(
        self, *, transforms: Mapping[str, nn.Module | None] | Sequence[nn.Module], mix: MixUp | CutMix | None
    ) -> None:
        super().__init__()
        named = transforms if isinstance(transforms, Mapping) else {str(i): t for i, t in enumerate(transforms)}
        self.transforms = nn.ModuleDict({name: module for name, module in named.items() if module is not None})
        self.mix = mix

    takes = "images"  # what it is for

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return len(self.transforms) > 0 or self.mix is not None

    def prepared(
        self, inputs: tuple[Tensor, ...], targets: Tensor, random: ExampleRandom, prepare: nn.Module
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """A batch's inputs as the model is called with them, and its targets (B, K), both changed."""
        images, targets = self(inputs[0], targets, random)
        return prepare(images, *inputs[1:]), targets

    def forward(self, images: Tensor, targets: Tensor, random: ExampleRandom) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) uint8 or float in [0, 1], targets (B, K) -> float images in [0, 1], targets (B, K)."""
        for transform in self.transforms.values():
            if not getattr(transform, "any_dtype", False):
                images = as_float(images)
            images = transform(images, random)
        images = as_float(images)
        if self.mix is not None:
            images, targets = self.mix(images, targets, random)
        return images, targets
