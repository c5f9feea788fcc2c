"""What travels from data to task: named tuples of tensors, which Lightning moves to the device as they are.

Every batch says what the model is called with (`inputs`) and which examples it holds (`indices`).
"""

from typing import NamedTuple

from torch import Tensor

VOID = 255  # of a mask's pixel: it belongs to no class and is ignored
IGNORED = -100  # an ignored target; what torch's losses ignore by default


class ImageBatch(NamedTuple):
    """A batch of labeled images.

    images: (B, C, H, W) uint8 as cut from the store, or, of more than 8 bits, float in [0, 1].
    labels: (B,) int64 class numbers.
    indices: (B,) int64 row of each example in its split; names files, seeds augmentation.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.images,)


class TagBatch(NamedTuple):
    """A batch of images and their tags.

    images: (B, C, H, W) as in an `ImageBatch`. targets: (B, K) uint8, 1 for each tag that an image has, else 0.
    indices: (B,) int64 row of each example in its split.
    """

    images: Tensor
    targets: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.images,)


class Boxes(NamedTuple):
    """What there is to find in a batch of images, each list padded to the longest.

    boxes: (B, M, 4) float32, left, top, right and bottom in pixels of the image as it is in the batch, from its upper
    left corner. labels: (B, M) int64 class numbers; IGNORED where there is no box. difficult: (B, M) bool, boxes that
    count neither for nor against a detector (a crowd, or marked difficult).
    """

    boxes: Tensor
    labels: Tensor
    difficult: Tensor


class DetectionBatch(NamedTuple):
    """A batch of images and the boxes in them.

    images: (B, C, H, W) as in an `ImageBatch`. boxes, labels, difficult: as in `Boxes`. indices: (B,) int64 row of
    each example in its split.
    """

    images: Tensor
    boxes: Tensor
    labels: Tensor
    difficult: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.images,)

    @property
    def targets(self) -> Boxes:
        return Boxes(self.boxes, self.labels, self.difficult)


class MaskBatch(NamedTuple):
    """A batch of images with a class for every pixel.

    images: (B, C, H, W) as in an `ImageBatch`. masks: (B, H, W) uint8 class numbers, or VOID. indices: (B,) int64
    row of each example in its split.
    """

    images: Tensor
    masks: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.images,)


class TextBatch(NamedTuple):
    """A batch of labeled texts.

    tokens: (B, T) int64, padded with pad_id. lengths: (B,) int64 tokens of each text. labels: (B,) int64 class
    numbers. indices: (B,) int64 row of each example in its split.
    """

    tokens: Tensor
    lengths: Tensor
    labels: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.tokens, self.lengths)


class ImageRegressionBatch(NamedTuple):
    """A batch of images and their numbers.

    images: (B, C, H, W) as in an `ImageBatch`. targets: (B, K) float32, standardized as the spec says. indices:
    (B,) int64 row of each example in its split.
    """

    images: Tensor
    targets: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.images,)


class TextRegressionBatch(NamedTuple):
    """A batch of texts and their numbers.

    tokens: (B, T) int64, padded with pad_id. lengths: (B,) int64 tokens of each text. targets, indices: as in an
    `ImageRegressionBatch`.
    """

    tokens: Tensor
    lengths: Tensor
    targets: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.tokens, self.lengths)


class LanguageBatch(NamedTuple):
    """Segments of running text and what follows each token.

    tokens: (B, T) int64. targets: (B, T) int64, the token after each, or IGNORED. indices: (B,) int64 where in the
    text each segment begins.
    """

    tokens: Tensor
    targets: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.tokens,)


class TranslationBatch(NamedTuple):
    """Sentences and their translations.

    source: (B, S) int64 ending in EOS, padded with pad_id. lengths: (B,) int64 tokens of each source. target_in:
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


class AudioBatch(NamedTuple):
    """A batch of labeled recordings.

    signal: (B, N) float32 samples from -1 to 1, zeros past the end; or (B, T, F) float32 features before
    normalization, where the dataset keeps those. lengths: (B,) int64 samples or frames. labels: (B,) int64 class
    numbers. indices: (B,) int64 row of each example in its split.
    """

    signal: Tensor
    lengths: Tensor
    labels: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.signal, self.lengths)


class SpeechBatch(NamedTuple):
    """A batch of recordings and their transcripts.

    signal, lengths, indices: as in a `AudioBatch`. targets: (B, U) int64 tokens of each transcript, then 0.
    target_lengths: (B,) int64 tokens of each transcript.
    """

    signal: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    indices: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.signal, self.lengths)


Batch = (
    ImageBatch
    | TagBatch
    | DetectionBatch
    | MaskBatch
    | TextBatch
    | ImageRegressionBatch
    | TextRegressionBatch
    | LanguageBatch
    | TranslationBatch
    | AudioBatch
    | SpeechBatch
)
