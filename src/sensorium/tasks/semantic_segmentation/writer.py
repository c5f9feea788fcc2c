"""Predicted masks as indexed PNGs, and laid over their images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from sensorium.errors import RequestError
from sensorium.files import user_path
from sensorium.tasks.artifacts import Artifacts
from sensorium.tasks.image_writer import ImageWriter
from sensorium.tasks.semantic_segmentation.predict import MaskPrediction
from sensorium.tasks.semantic_segmentation.report import indexed, overlay
from sensorium.vision.decode import displayed_image
from sensorium.vision.depth import PixelRange


class MaskFiles(Artifacts):
    """folders: of the keys masks and overlay, those that were given, with their folders. inputs: all images.
    pixel_range: as predicted with.

    Raises RequestError for one folder given twice.
    """

    def __init__(
        self,
        folders: Mapping[str, str],
        *,
        inputs: Sequence[Path],
        palette: tuple[int, ...],
        pixel_range: PixelRange | None,
    ) -> None:
        given = {key: user_path(folder) for key, folder in folders.items()}
        if len({folder.resolve() for folder in given.values()}) < len(given):
            raise RequestError("masks and overlay name the same folder, where one would replace the other.\nGive two.")
        self._folders = {key: ImageWriter(key, folder, inputs) for key, folder in given.items()}
        self._palette, self._range = palette, pixel_range

    def targets(self) -> list[Path]:
        return [path for folder in self._folders.values() for path in folder.targets()]

    def write(self, prediction: MaskPrediction) -> MaskPrediction:
        if prediction.mask is None:
            return replace(prediction, files=dict.fromkeys(self._folders, ""))
        files = {}
        if "masks" in self._folders:
            files["masks"] = self._folders["masks"].write(prediction.input, indexed(prediction.mask, self._palette))
        if "overlay" in self._folders:
            height, width = prediction.mask.shape
            path = Path(prediction.input)
            image = displayed_image(path, image_size=(height, width), pixel_range=self._range)
            blended = Image.fromarray(overlay(image, prediction.mask, self._palette))
            files["overlay"] = self._folders["overlay"].write(prediction.input, blended)
        return replace(prediction, files={key: str(path) for key, path in files.items()})
