"""Augmentation of a batch of recordings, on the device where it is: of their samples, and of their features.

Everything random comes from the numbers of `ExampleRandom`, so the same (seed, epoch, example) gives the same audio on
any number of workers and in any batch. For that, a transform takes equally many numbers from it whatever the batch is;
where it needs one for every sample, it draws the place of a piece of fixed noise instead (`sensorium.audio.noise`).
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom

Transforms = Mapping[str, nn.Module | None] | Sequence[nn.Module]


class AudioAugment(nn.Module):
    """Transforms of samples, in order, then of features.

    waves: modules forward(samples, lengths, random) -> (samples, lengths), by name or in a list; a name set to None is
    left out. features: modules forward(features, lengths, random) -> features, likewise; they see normalized features.
    All of them keep zeros past the end of each row.
    """

    def __init__(self, *, waves: Transforms = (), features: Transforms = ()) -> None:
        super().__init__()
        self.waves = _named(waves)
        self.features = _named(features)

    takes = "audio"  # what it is for

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return len(self.waves) + len(self.features) > 0

    def prepared(
        self, inputs: tuple[Tensor, ...], targets: Tensor, random: ExampleRandom, prepare: nn.Module
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """A batch's inputs as the model is called with them, changed before features are taken and after.

        targets are unchanged. Raises RequestError where samples are to be changed and only features are there.
        """
        signal, lengths = inputs
        if len(self.waves):
            if signal.ndim == 3:
                raise RequestError(
                    "dataset.cache=features keeps no samples for this augmentation to change.\n"
                    "Set dataset.cache=samples, or augment=spec_augment."
                )
            signal, lengths = self.on_waves(signal, lengths, random)
        features, lengths = prepare(signal, lengths)
        return (self.on_features(features, lengths, random), lengths), targets

    def on_waves(self, samples: Tensor, lengths: Tensor, random: ExampleRandom) -> tuple[Tensor, Tensor]:
        """Samples (B, N) and how many each row has, (B,) -> the same, of another N where the speed changes."""
        for transform in self.waves.values():
            samples, lengths = transform(samples, lengths, random)
        return samples, lengths

    def on_features(self, features: Tensor, lengths: Tensor, random: ExampleRandom) -> Tensor:
        """Features (B, T, F) of `lengths` (B,) frames -> (B, T, F)."""
        for transform in self.features.values():
            features = transform(features, lengths, random)
        return features


def _named(transforms: Transforms) -> nn.ModuleDict:
    named = transforms if isinstance(transforms, Mapping) else {str(i): t for i, t in enumerate(transforms)}
    return nn.ModuleDict({name: module for name, module in named.items() if module is not None})
