"""A folder of images that `predict` writes: one PNG for each input, and no image of the user's own replaced."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from sensorium.errors import RequestError, unwritable
from sensorium.files import replacing, same_file
from sensorium.output import FileNames


class ImageWriter:
    """Names each PNG after its input; of inputs that would share a name, the second ends in _2, and so on.

    key: the argument that named the folder, for errors. inputs: all that will be predicted for.

    Raises RequestError for the folder that an input lies in, where a PNG could take an input's place.
    """

    def __init__(self, key: str, folder: Path, inputs: Sequence[Path]) -> None:
        self.key, self.folder = key, folder
        self._names, self._inputs = FileNames(folder, suffix=".png"), inputs
        if any(same_file(parent, folder) for parent in {path.parent for path in inputs}):
            raise RequestError(f"{key}={folder} is the folder of the input images.\nChoose another folder.")

    def targets(self) -> list[Path]:
        """The files of all inputs."""
        return self._names.paths_for(self._inputs)

    def write(self, source: str, image: Image.Image) -> Path:
        """Writes the PNG of an input, atomically.

        Raises RequestError when it cannot be written, RunError on a full disk.
        """
        path = self._names.path_for(source)
        try:
            with replacing(path) as file:
                image.save(file, format="png")
        except OSError as error:
            raise unwritable(f"{self.key}={self.folder}: {path}", error) from error
        return path
