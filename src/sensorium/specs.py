"""What the data told us: everything a model or a prediction needs to know about a dataset, without the dataset.

A spec names the constructor arguments it has for a model (`offers`), the settings that make other data like this
(`dataset_settings`), and an example of what the model is called with, so that a pairing of data and model is tried
before training.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

Resize = Literal["crop", "stretch", "pad"]
_LENGTH = 8  # tokens of an example that a model is tried on
_FRAMES = 100  # frames of one, a second of sound as a rule


@dataclass(frozen=True, kw_only=True)
class _Spec:
    """What all have in common: a kind by name, and plain types for a checkpoint."""

    kind: ClassVar[str]
    unit: ClassVar[str]  # one example, in a word
    inputs: ClassVar[tuple[str, ...]]  # what a model's forward is called with, by name

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as a checkpoint stores it."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {"kind": self.kind, **values}


@dataclass(frozen=True, kw_only=True)
class ImageSpec(_Spec):
    """Labelled pictures of one size.

    image_size: (height, width) in pixels.
    resize: how a picture of another size is brought to image_size: "crop" scales the shorter side and cuts the
        middle, "pad" scales the longer side and fills with black, "stretch" ignores the aspect ratio.
    mean, std: per channel, of pixel values scaled to [0, 1], over the training split.
    """

    kind = "image"
    unit = "picture"
    inputs = ("images",)

    class_names: tuple[str, ...]
    in_channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Resize = "crop"

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def offers(self) -> dict[str, Any]:
        return {"in_channels": self.in_channels, "num_classes": self.num_classes, "image_size": self.image_size}

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return {"image_size": list(self.image_size), "channels": self.in_channels, "resize": self.resize}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes)

    def example(self, length: int = 0) -> tuple[Tensor, ...]:
        """One black picture."""
        return (torch.zeros(1, self.in_channels, *self.image_size),)

    def __str__(self) -> str:
        height, width = self.image_size
        colours = f"{self.in_channels} channel{'' if self.in_channels == 1 else 's'}"
        return f"pictures of {height}x{width} with {colours}, {self.num_classes} classes"


@dataclass(frozen=True, kw_only=True)
class TextSpec(_Spec):
    """Labelled texts.

    tokenizer: `Tokenizer.to_dict()`. max_length: tokens a text is cut to.
    """

    kind = "text"
    unit = "text"
    inputs = ("tokens", "lengths")

    class_names: tuple[str, ...]
    tokenizer: dict[str, Any]
    vocab_size: int
    pad_id: int
    max_length: int

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def offers(self) -> dict[str, Any]:
        return {"vocab_size": self.vocab_size, "pad_id": self.pad_id, "num_classes": self.num_classes}

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer, "max_length": self.max_length}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes)

    def example(self, length: int = _LENGTH) -> tuple[Tensor, ...]:
        """A text of so many unknown words."""
        return torch.ones(1, length, dtype=torch.int64), torch.tensor([length])

    def __str__(self) -> str:
        return f"texts over a vocabulary of {self.vocab_size:,}, {self.num_classes} classes"


@dataclass(frozen=True, kw_only=True)
class LanguageSpec(_Spec):
    """Running text.

    tokenizer: `Tokenizer.to_dict()`. context: tokens of a stretch in training.
    """

    kind = "language"
    unit = "token"
    inputs = ("tokens",)

    tokenizer: dict[str, Any]
    vocab_size: int
    context: int

    @property
    def offers(self) -> dict[str, Any]:
        return {"vocab_size": self.vocab_size, "context": self.context}

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer, "context": self.context}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, min(_LENGTH, self.context), self.vocab_size)

    def example(self, length: int = _LENGTH) -> tuple[Tensor, ...]:
        """A stretch of so many unknown tokens."""
        return (torch.ones(1, min(length, self.context), dtype=torch.int64),)

    def __str__(self) -> str:
        return f"tokens of running text over a vocabulary of {self.vocab_size:,}"


@dataclass(frozen=True, kw_only=True)
class TranslationSpec(_Spec):
    """Sentences and their translations.

    source_tokenizer, target_tokenizer: `Tokenizer.to_dict()`; the same one twice when the vocabulary is shared.
    max_length: tokens a sentence is cut to.
    """

    kind = "translation"
    unit = "pair"
    inputs = ("source", "lengths", "target_in")

    source_tokenizer: dict[str, Any]
    target_tokenizer: dict[str, Any]
    source_vocab_size: int
    target_vocab_size: int
    pad_id: int
    max_length: int

    @property
    def offers(self) -> dict[str, Any]:
        return {
            "source_vocab_size": self.source_vocab_size,
            "target_vocab_size": self.target_vocab_size,
            "pad_id": self.pad_id,
        }

    @property
    def dataset_settings(self) -> dict[str, Any]:
        tokenizers = {"source": self.source_tokenizer, "target": self.target_tokenizer}
        return {"tokenizer": tokenizers, "max_length": self.max_length}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, _LENGTH, self.target_vocab_size)

    def example(self, length: int = _LENGTH) -> tuple[Tensor, ...]:
        """A sentence of so many unknown words, and a translation as long."""
        tokens = torch.ones(1, length, dtype=torch.int64)
        return tokens, torch.tensor([length]), tokens

    def __str__(self) -> str:
        return f"sentence pairs over vocabularies of {self.source_vocab_size:,} and {self.target_vocab_size:,}"


@dataclass(frozen=True, kw_only=True)
class SoundSpec(_Spec):
    """Labelled recordings.

    features: arguments of `sensorium.audio.features.Features`, the sample rate among them.
    num_features: numbers of a frame.
    """

    kind = "sound"
    unit = "recording"
    inputs = ("features", "lengths")

    class_names: tuple[str, ...]
    features: dict[str, Any]
    num_features: int

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def offers(self) -> dict[str, Any]:
        return {"num_features": self.num_features, "num_classes": self.num_classes}

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return _sound_settings(self.features)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes)

    def example(self, length: int = _FRAMES) -> tuple[Tensor, ...]:
        """So many frames of silence."""
        return torch.zeros(1, length, self.num_features), torch.tensor([length])

    def __str__(self) -> str:
        return f"recordings at {self.features['sample_rate']:,} Hz, {self.num_classes} classes"


@dataclass(frozen=True, kw_only=True)
class SpeechSpec(_Spec):
    """Recordings with what is said in them.

    features, num_features: as in a `SoundSpec`. tokenizer: `Tokenizer.to_dict()`; its padding is the blank of CTC.
    language_model: an n-gram model of the training transcripts in ARPA's format, or nothing.
    """

    kind = "speech"
    unit = "recording"
    inputs = ("features", "lengths")

    features: dict[str, Any]
    num_features: int
    tokenizer: dict[str, Any]
    vocab_size: int
    language_model: str = ""

    @property
    def offers(self) -> dict[str, Any]:
        return {"num_features": self.num_features, "vocab_size": self.vocab_size}

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return _sound_settings(self.features) | {"tokenizer": self.tokenizer}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the log-probabilities for `example`; how many frames they have is the model's choice."""
        return (1, -1, self.vocab_size)

    def example(self, length: int = _FRAMES) -> tuple[Tensor, ...]:
        """So many frames of silence."""
        return torch.zeros(1, length, self.num_features), torch.tensor([length])

    def __str__(self) -> str:
        return f"speech at {self.features['sample_rate']:,} Hz over a vocabulary of {self.vocab_size:,}"


def _sound_settings(features: Mapping[str, Any]) -> dict[str, Any]:
    """What makes other recordings like these: the rate, and how features are taken."""
    how = {key: value for key, value in features.items() if key != "sample_rate"}
    return {"sample_rate": features["sample_rate"], "features": how}


Spec = ImageSpec | TextSpec | LanguageSpec | TranslationSpec | SoundSpec | SpeechSpec

# Every word a spec of any kind may have for a constructor, and every name of an input.
OFFERED = frozenset({"in_channels", "num_classes", "image_size", "vocab_size", "pad_id", "context"}) | frozenset(
    {"source_vocab_size", "target_vocab_size", "num_features"}
)
INPUTS = frozenset({"images", "tokens", "lengths", "source", "target_in", "features"})
_KINDS: dict[str, type[Spec]] = {
    spec.kind: spec for spec in (ImageSpec, TextSpec, LanguageSpec, TranslationSpec, SoundSpec, SpeechSpec)
}


def spec_from_dict(values: Mapping[str, Any]) -> Spec:
    """The inverse of `to_dict`. An unknown kind is a KeyError, an unknown key a TypeError."""
    arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return _KINDS[arguments.pop("kind")](**arguments)
