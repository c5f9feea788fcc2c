"""Raw images -> a class for every pixel, at the size of the images."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from sensorium.batches import VOID
from sensorium.output import Record
from sensorium.specs import SemanticSegmentationSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, not_finite
from sensorium.tasks.image_inputs import ImagesPredictor, RawImage, stacked
from sensorium.tasks.semantic_segmentation.evaluate import SegmentationInference
from sensorium.vision.decode import UnreadableImage
from sensorium.vision.fit_boxes import unfit_mask

_CLASSES_SHOWN = 5  # of a mask in a table by default


@dataclass(frozen=True)
class MaskPrediction(Prediction):
    """mask: (H, W) uint8 class numbers at the image's own size, VOID where the model does not look (the edges that
    resize=crop cuts); None with an error. shares: classes that occur, with their share of the pixels that are not
    VOID, the largest first. class_names: all that the model knows. shown: how many classes a table shows. files: paths
    of what was written of it, by key.
    """

    mask: np.ndarray | None = None
    shares: tuple[tuple[str, float], ...] = ()
    class_names: tuple[str, ...] = ()
    shown: int = _CLASSES_SHOWN
    files: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> Record:
        classes = [{"class": name, "share": share} for name, share in self.shares]
        size = {} if self.mask is None else dict(zip(("height", "width"), self.mask.shape, strict=True))
        error = {"error": self.error} if self.error else {}
        return {"input": self.input, **size, **self.files, "classes": classes} | error

    def rows(self) -> list[Record]:
        shares = dict(self.shares)
        columns = {f"share_{name}": shares.get(name, 0.0 if shares else "") for name in self.class_names}
        return [{"input": self.input, **self.files, **columns, "error": self.error or ""}]

    def summary(self) -> Record:
        shown = "  ".join(f"{name} {share:.3f}" for name, share in self.shares[: self.shown])
        return {"input": self.input, **self.files, "classes": shown}


class SegmentationPredictor(ImagesPredictor):
    """A segmentation model ready to predict."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        super().__init__(model, options)
        self.spec: SemanticSegmentationSpec = model.spec
        self.shown = options.top_k or len(self.spec.class_names)
        self.segmenter = SegmentationInference(spec=self.spec, **model.model_arguments)

    def predict(self, inputs: Iterable[RawImage]) -> Iterator[MaskPrediction]:
        class_names = self.spec.class_names
        for read in self.read_batches(inputs):
            images = stacked(read)
            masks = iter(self.segmenter.finite_masks(images[0]) if images else ())
            for name, one in read:
                if isinstance(one, UnreadableImage):
                    yield MaskPrediction(name, class_names=class_names, error=str(one))
                    continue
                found = next(masks)
                if found is None:
                    yield MaskPrediction(name, class_names=class_names, error=not_finite(name))
                    continue
                mask = unfit_mask(found, size=one.size, resize=self.spec.resize)
                yield MaskPrediction(name, mask, class_shares(mask, class_names), class_names, self.shown)


def class_shares(mask: np.ndarray, class_names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Classes that occur in a mask (H, W), and their share of its counted pixels, the largest first."""
    counts = np.bincount(mask[mask != VOID], minlength=len(class_names))
    order = np.argsort(-counts, kind="stable")
    return tuple((class_names[number], float(counts[number] / counts.sum())) for number in order if counts[number])
