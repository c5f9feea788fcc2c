"""What travels from data to task: named tuples of tensors, which Lightning moves to the device as they are.

Every batch says what the model is called with (`inputs`) and which examples it holds (`indices`).
"""

from typing import NamedTuple

from torch import Tensor

IGNORED = -100  # a target that counts for nothing; what torch's losses leave out unless told otherwise


class ImageBatch(NamedTuple):
    """A batch of labelled pictures.

    images: (B, C, H, W) uint8 as cut from the store.
    labels: (B,) int64 class numbers.
    indices: (B,) int64 row of each example in its split; names files, seeds augmentation.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.images,)


class TextBatch(NamedTuple):
    """A batch of labelled texts.

    tokens: (B, T) int64, filled up with pad_id. lengths: (B,) int64 tokens of each text. labels: (B,) int64 class
    numbers. indices: (B,) int64 row of each example in its split.
    """

    tokens: Tensor
    lengths: Tensor
    labels: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.tokens, self.lengths)


class LanguageBatch(NamedTuple):
    """Stretches of running text and what follows each token.

    tokens: (B, T) int64. targets: (B, T) int64, the token after each, or IGNORED. indices: (B,) int64 where in the
    text each stretch begins.
    """

    tokens: Tensor
    targets: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.tokens,)


class TranslationBatch(NamedTuple):
    """Sentences and their translations.

    source: (B, S) int64 ending in EOS, filled up with pad_id. lengths: (B,) int64 tokens of each source. target_in:
    (B, U) int64, BOS and the translation. target_out: (B, U) int64, the translation and EOS, then IGNORED. indices:
    (B,) int64 row of each pair in its split.
    """

    source: Tensor
    lengths: Tensor
    target_in: Tensor
    target_out: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.source, self.lengths, self.target_in)


Batch = ImageBatch | TextBatch | LanguageBatch | TranslationBatch
