"""What stands between a batch as the data gives it and the model: augmentation, and preparation such as normalising."""

import torch
from torch import Tensor, nn

from sensorium.audio.augment import SoundAugment
from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.vision.augment import Augment

Inputs = tuple[Tensor, ...]


class Preparation(nn.Module):
    """A batch's `inputs` -> what the model is called with.

    prepare: module of all inputs -> a tuple. augment: of pictures before they are prepared; of sound before features
    are taken and after.
    """

    def __init__(self, *, prepare: nn.Module, augment: Augment | SoundAugment) -> None:
        super().__init__()
        self.prepare, self.augment = prepare, augment

    @property
    def augments(self) -> bool:
        """Whether training sees anything but what is stored."""
        if isinstance(self.augment, SoundAugment):
            return len(self.augment.waves) + len(self.augment.features) > 0
        return len(self.augment.transforms) > 0 or self.augment.mix is not None

    def forward(self, *inputs: Tensor) -> Inputs:
        with torch.autocast(inputs[0].device.type, enabled=False):  # spectra need all the digits
            return self.prepare(*inputs)

    def augmented(self, inputs: Inputs, targets: Tensor, random: ExampleRandom) -> tuple[Inputs, Tensor]:
        """Prepared inputs and their targets, (B, K) for pictures, changed at random."""
        if isinstance(self.augment, SoundAugment):
            return self._augmented_sound(self.augment, inputs, random), targets
        images, targets = self.augment(inputs[0], targets, random)
        return self(images, *inputs[1:]), targets

    def _augmented_sound(self, augment: SoundAugment, inputs: Inputs, random: ExampleRandom) -> Inputs:
        signal, lengths = inputs
        if len(augment.waves):
            if signal.ndim == 3:
                raise RequestError(
                    "dataset.cache=features keeps no samples for this augmentation to change.\n"
                    "Say dataset.cache=samples, or augment=spec_augment."
                )
            signal, lengths = augment.on_waves(signal, lengths, random)
        features, lengths = self(signal, lengths)
        return augment.on_features(features, lengths, random), lengths
