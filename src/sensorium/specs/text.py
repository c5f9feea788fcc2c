"""Texts: with a class each, as running text, or in pairs."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sensorium.specs.base import AnySpec, ClassesSpec, LogitsSpec

_LENGTH = 8  # tokens of an example that a model is tried on


@dataclass(frozen=True, kw_only=True)
class TextInputSpec(AnySpec):
    """Texts one by one, whatever a model answers.

    tokenizer: `Tokenizer.to_dict()`. max_length: tokens a text is truncated to.
    """

    unit = "text"
    inputs = ("tokens", "lengths")

    tokenizer: dict[str, Any]
    vocab_size: int
    pad_id: int
    max_length: int

    @property
    def embedded_tokenizer(self) -> dict[str, Any]:
        return self.tokenizer

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer, "max_length": self.max_length}

    def example(self, length: int = _LENGTH) -> tuple[Tensor, ...]:
        """A text of so many unknown words."""
        return torch.ones(1, length, dtype=torch.int64), torch.tensor([length])

    def __str__(self) -> str:
        return f"texts over a vocabulary of {self.vocab_size:,}"


@dataclass(frozen=True, kw_only=True)
class TextClassificationSpec(ClassesSpec, TextInputSpec, LogitsSpec):
    """Labelled texts."""

    task = "text_classification"

    @property
    def offers(self) -> dict[str, Any]:
        return {"vocab_size": self.vocab_size, "pad_id": self.pad_id, "num_classes": self.num_classes}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes)

    def __str__(self) -> str:
        return f"{super().__str__()}, {self.num_classes} classes"


@dataclass(frozen=True, kw_only=True)
class LanguageModelingSpec(LogitsSpec):
    """Running text.

    tokenizer: `Tokenizer.to_dict()`. context: tokens of a segment in training.
    """

    task = "language_modeling"
    unit = "token"
    inputs = ("tokens",)

    tokenizer: dict[str, Any]
    vocab_size: int
    context: int

    @property
    def embedded_tokenizer(self) -> dict[str, Any]:
        return self.tokenizer

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
        """A segment of so many unknown tokens."""
        return (torch.ones(1, min(length, self.context), dtype=torch.int64),)

    def __str__(self) -> str:
        return f"tokens of running text over a vocabulary of {self.vocab_size:,}"


@dataclass(frozen=True, kw_only=True)
class TranslationSpec(LogitsSpec):
    """Sentences and their translations.

    source_tokenizer, target_tokenizer: `Tokenizer.to_dict()`; the same one twice when the vocabulary is shared.
    max_length: tokens a sentence is truncated to.
    """

    task = "translation"
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
