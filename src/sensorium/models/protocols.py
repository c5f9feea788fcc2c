"""What a model of each task offers, for the code that calls it. Tensors in, tensors out; the letters are DESIGN's.

A model needs to name a protocol (`class UNet(nn.Module, Segmenter)`) only where inputs alone do not tell what it is
for: detectors and segmenters take the same images as a classifier.
"""

from typing import Any, Protocol, Self, runtime_checkable

from torch import Tensor

from sensorium.batches import Boxes

Tensors = tuple[Tensor, ...]


class Network(Protocol):
    """Any `nn.Module`, as far as a task handles it."""

    def to(self, *args: Any, **kwargs: Any) -> Self: ...
    def eval(self) -> Self: ...


class ImageClassifier(Network, Protocol):
    """Images to classes, tags or numbers."""

    def __call__(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""


class TokenClassifier(Network, Protocol):
    """Texts or frames of audio to classes."""

    def __call__(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (B, T) or features (B, T, F); lengths: (B,); returns logits (B, K)."""


class Detector(Network, Protocol):
    """Images to bounding boxes. loss_names: of the losses that it gives with targets."""

    loss_names: tuple[str, ...]

    def __call__(self, images: Tensor, targets: Boxes | None = None) -> Any:
        """images: (B, C, H, W); returns B dicts of boxes (N, 4), labels (N,), scores (N,), or, with targets, losses ()
        by name.
        """


class Segmenter(Network, Protocol):
    """Images to a class for every pixel."""

    def __call__(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K, H, W)."""


class LanguageModel(Network, Protocol):
    """Tokens to what may follow. carries_state: whether training continues from the state after the previous batch."""

    carries_state: bool

    def __call__(self, tokens: Tensor, state: Tensors | None = None) -> tuple[Tensor, Tensors]:
        """tokens: (B, T); returns logits (B, T, V) and the state, to be given back with the tokens that follow."""


class Seq2Seq(Network, Protocol):
    """Sentences to sentences."""

    def __call__(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """source: (B, S); lengths: (B,); target_in: (B, U); returns logits (B, U, V)."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensors, Tensors]:
        """source: (B, S); returns memory and the state before the first target token."""

    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """tokens: (N,); returns logits (N, V) for the token after each, and the new state (`decoding.beam.Stepper`)."""

    def attention(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Weights (B, U, S) with which each target position attends to the source."""


class CTCRecognizer(Network, Protocol):
    """Frames of audio to tokens and blanks."""

    def __call__(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, T, F); returns log-probabilities (B, T', V), and their lengths (B,)."""

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """T' for each of lengths T."""


@runtime_checkable
class StreamingCTC(CTCRecognizer, Protocol):
    """A recognizer that can also be given audio in chunks."""

    def stream(self, features: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """features: the next (B, t, F); returns the log-probabilities (B, t', V) that are now final, and the state."""

    def flush(self, state: Any) -> Tensor:
        """The log-probabilities (B, t', V) of what is left at the end of the audio."""


@runtime_checkable
class StartsFromData(Protocol):
    """A model whose first weights come from a sample of the training data."""

    def initialize(self, *inputs: Tensor) -> None:
        """Sets weights from preprocessed inputs. Its attribute `initialize_examples` says how many (1,024)."""


@runtime_checkable
class CountsPerExample(Protocol):
    """A classifier that counts something for each example, such as spikes."""

    def counted(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """As `__call__`, and by name a number for each example (B,)."""
