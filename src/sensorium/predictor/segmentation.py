"""Raw pictures -> a class for every pixel, at the size the pictures have. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensorium.batches import VOID
from sensorium.evaluator.segmentation import Segmenter
from sensorium.predictor.opened import Opened
from sensorium.predictor.pictures import read_batches, stacked
from sensorium.specs import SegmentationSpec
from sensorium.vision.decode import UnreadableImage
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
        self.segmenter = Segmenter(spec=opened.spec, **opened.model_arguments)

    def predict(self, paths: Iterable[Path], *, batch_size: int = 16) -> Iterator[Mask]:
        """Answers in the order of the paths, a batch at a time: memory stays flat however many there are."""
        for read in read_batches(paths, self.spec, batch_size=batch_size):
            pictures = stacked(read)
            masks = iter(self.segmenter.masks(pictures[0]).numpy() if pictures else ())
            for path, one in read:
                if isinstance(one, UnreadableImage):
                    yield Mask(str(path), error=str(one))
                    continue
                mask = unfit_mask(next(masks), size=one.size, resize=self.spec.resize)
                yield Mask(str(path), mask, class_shares(mask, self.spec.class_names))


def class_shares(mask: np.ndarray, class_names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Classes that occur in a mask (H, W), and their share of its counted pixels, the largest first."""
    counts = np.bincount(mask[mask != VOID], minlength=len(class_names))
    order = np.argsort(-counts, kind="stable")
    return tuple((class_names[number], float(counts[number] / counts.sum())) for number in order if counts[number])
