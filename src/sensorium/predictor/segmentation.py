"""Raw pictures -> a class for every pixel, at the size the pictures have. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from sensorium.batches import VOID
from sensorium.evaluator.segmentation import Segmenter
from sensorium.predictor.opened import Opened
from sensorium.specs import SegmentationSpec
from sensorium.vision.decode import UnreadableImage, decode_image, probe_size
from sensorium.vision.fit_boxes import unfit_mask


@dataclass(frozen=True)
class Mask:
    """What is where in one picture.

    mask: (H, W) uint8 class numbers at the picture's own size, VOID where the model does not look (the edges that
    resize=crop cuts). shares: classes that occur, with their share of the pixels that are not VOID, the largest first.
    error: why there is none.
    """

    input: str
    mask: np.ndarray | None = None
    shares: tuple[tuple[str, float], ...] = ()
    error: str | None = None


class SegmentationPredictor:
    """A segmenter, ready to answer."""

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, SegmentationSpec)
        self.spec = opened.spec
        self.segmenter = Segmenter(
            model=opened.model,
            spec=opened.spec,
            device=opened.device,
            precision=opened.precision,
            memory_format=opened.memory_format,
        )

    def predict(self, paths: Iterable[Path], *, batch_size: int = 16) -> Iterator[Mask]:
        """Answers in the order of the paths, a batch at a time: memory stays flat however many there are."""
        remaining = iter(paths)
        while batch := list(islice(remaining, batch_size)):
            yield from self._answer(batch)

    def _answer(self, paths: list[Path]) -> Iterator[Mask]:
        decoded = [self._decode(path) for path in paths]
        pictures = [found[0] for found in decoded if not isinstance(found, str)]
        masks = iter(self.segmenter.masks(torch.from_numpy(np.stack(pictures))).numpy() if pictures else ())
        for path, found in zip(paths, decoded, strict=True):
            if isinstance(found, str):
                yield Mask(str(path), error=found)
                continue
            mask = unfit_mask(next(masks), size=found[1], resize=self.spec.resize)
            yield Mask(str(path), mask, class_shares(mask, self.spec.class_names))

    def _decode(self, path: Path) -> tuple[np.ndarray, tuple[int, int]] | str:
        """(C, H, W) uint8, prepared as the training pictures were, and (height, width) as it was; or what is wrong."""
        spec = self.spec
        try:
            picture = decode_image(path, image_size=spec.image_size, in_channels=spec.in_channels, resize=spec.resize)
            return picture, probe_size(path)
        except UnreadableImage as error:
            return str(error)


def class_shares(mask: np.ndarray, class_names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Classes that occur in a mask (H, W), and their share of its counted pixels, the largest first."""
    counts = np.bincount(mask[mask != VOID], minlength=len(class_names))
    order = np.argsort(-counts, kind="stable")
    return tuple((class_names[number], float(counts[number] / counts.sum())) for number in order if counts[number])
