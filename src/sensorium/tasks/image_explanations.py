"""Explanations of images, for every task whose inputs are images."""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sensorium.attribution.subject import Measure, Subject, grid_segments, grid_windows
from sensorium.specs import ImageInputSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.explaining import AttributionExplainer, Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, Explanation, TargetMap
from sensorium.tasks.feature_index import Neighbor
from sensorium.tasks.image_inputs import DecodedImage, ImageReader
from sensorium.tasks.inference import InferenceModel
from sensorium.tasks.report_media import image_uri
from sensorium.vision.heat import Panel, overlay, side_by_side, stacked
from sensorium.vision.normalise import as_float, from_pixels

METHODS = ("gradcam", "occlusion", "integrated_gradients", "gradient_shap", "rollout")
CELLS = 14  # of an image's grid of segments, along each side
LARGE = 128  # pixels of the shorter side from which squares are hidden two cells apart: a quarter of the passes


@dataclass(frozen=True, kw_only=True)
class ImageExplanation(Explanation):
    """image: (H, W, 3) uint8, as the model is given it. Saved as .png, heat maps beside the image, or .json."""

    formats: ClassVar[tuple[str, ...]] = (".png", ".json")

    image: np.ndarray

    def content(self, suffix: str) -> bytes:
        file = BytesIO()
        self.drawn().save(file, format="png")
        return file.getvalue()

    def drawn(self) -> Any:
        """The image, and beside it one panel for each target; below, the training examples that are alike."""
        panels = [Panel(self.image, (self.input.rpartition("/")[2], f"method: {self.method}"))]
        for one in self.targets:
            box = one.details.get("box")
            panels.append(Panel(overlay(self.image, one.attribution), _lines(one), box))
        rows = [side_by_side(panels)]
        if self.neighbors:
            rows.append(side_by_side([_neighbor_panel(one, self.image.shape[:2]) for one in self.neighbors]))
        return stacked(rows)

    def card(self, one: TargetMap) -> dict[str, Any]:
        return {"image": image_uri(overlay(self.image, one.attribution).transpose(2, 0, 1))}


def _neighbor_panel(one: Neighbor, size: tuple[int, ...]) -> Panel:
    """A training example (H, W, C) uint8 in the size of the image."""
    pixels = np.repeat(one.raw, 3, axis=2) if one.raw.shape[2] == 1 else one.raw[:, :, :3]
    fitted = Image.fromarray(np.ascontiguousarray(pixels)).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    lines = (f"{one.similarity:.3f}  {', '.join(one.target)}", one.name.rpartition("/")[2])
    return Panel(np.asarray(fitted), lines)


def _lines(one: TargetMap) -> tuple[str, ...]:
    found, title = one.faithfulness, f"{one.target}  {one.score:.3f}"
    if found is None:
        return (title,)
    if one.warnings():
        return (title, f"do not believe: {one.warnings()[0]}")
    return (title, f"deletion {found.deletion:.2f} (random {found.random_deletion:.2f})")


class ImagesExplainer(AttributionExplainer):
    """What explainers of every task share that is given images. cells: of the grid that is hidden, along each side.

    dense: as of a `Subject`.
    """

    form = ImageExplanation
    dense: ClassVar[bool] = False

    def __init__(
        self, model: LoadedModel, options: ExplainOptions, methods: tuple[str, ...], *, cells: int = CELLS
    ) -> None:
        self.cells = cells
        self.inference: InferenceModel[Any] = InferenceModel(spec=model.spec, **model.model_arguments)
        self.spec: ImageInputSpec = model.spec
        self._reader = ImageReader(model, PredictOptions(batch_size=options.batch_size))
        super().__init__(options, methods, self.inference.model)

    def forward(self, network: torch.nn.Module, images: Tensor) -> Any:
        """images: (N, C, H, W) from 0 to 1; what the network gives for them, in float32, with gradients."""
        prepared = self.inference.prepare(images)
        return network(*(one.contiguous(memory_format=torch.channels_last) for one in prepared))  # twice as fast

    @abstractmethod
    def prepared(self, example: Example, image: Tensor, size: tuple[int, int]) -> Prepared:
        """One readable image (C, H, W) from 0 to 1. size: height and width as it was given."""

    def prepare(self, inputs: Iterable[Any]) -> Iterator[Prepared]:
        waiting: deque[Example | None] = deque()

        def raw() -> Iterator[Any]:
            for one in inputs:
                waiting.append(one if isinstance(one, Example) else None)
                yield one.raw if isinstance(one, Example) else one

        for read in self._reader.read_batches(raw()):
            for name, image in read:
                example = waiting.popleft() or Example(name, None)
                if isinstance(image, DecodedImage):
                    pixels = as_float(from_pixels(image.pixels)).to(self.inference.device)
                    yield self.prepared(example, pixels, image.size)
                else:
                    yield Prepared(name=example.name, error=str(image))

    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> ImageExplanation:
        shown = np.zeros((1, 1, 3), np.uint8) if prepared.shown is None else prepared.shown
        return ImageExplanation(input=prepared.name, method=method, targets=maps, error=prepared.error, image=shown)

    def notes(self) -> list[str]:
        return [*super().notes(), *self._reader.notes()]

    def of(
        self,
        example: Example,
        image: Tensor,
        targets: Iterable[Target],
        *,
        score: Measure,
        measure: Measure | None = None,
        direction: Tensor | None = None,
    ) -> Prepared:
        """An image with the functions that score its targets, hidden by its mean color in a grid of cells."""
        _, height, width = image.shape
        mean = torch.tensor(self.spec.mean, device=image.device, dtype=image.dtype)
        subject = Subject(
            network=self.network,
            features=image,
            baseline=mean[:, None, None].expand_as(image).contiguous(),
            segments=grid_segments(height, width, self.cells),
            windows=grid_windows(
                min(self.cells, height), min(self.cells, width), step=2 if min(height, width) >= LARGE else 1
            ),
            score=score,
            measure=measure,
            direction=direction,
            batch_size=self.options.batch_size,
            dense=self.dense,
        )
        return Prepared(name=example.name, subject=subject, targets=tuple(targets), shown=displayed(image))


def image_examples(split: Any, rows: Sequence[int], truth: Sequence[tuple[str, ...]]) -> list[Example]:
    """Rows of a split of images as they are displayed, with what is right for each."""
    images = split.displayed(np.asarray(rows))
    return [
        Example(split.names[row], image.transpose(1, 2, 0), right)
        for row, image, right in zip(rows, images, truth, strict=True)
    ]


def displayed(image: Tensor) -> np.ndarray:
    """(C, H, W) from 0 to 1 -> (H, W, 3) uint8."""
    pixels = (image.detach().cpu().clamp(0, 1) * 255).round().byte().numpy().transpose(1, 2, 0)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3]
