"""A folder of pictures that `predict` writes: one PNG for each input, and no picture of a person's own lost by it."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from sensorium.errors import RequestError
from sensorium.files import replacing


class PictureFolder:
    """Names each PNG after its input; of inputs that would share a name, the second ends in _2, and so on.

    key: the argument that named the folder, for errors. inputs: all that will be asked about.

    Raises RequestError for the folder that an input lies in, where a PNG could take an input's place.
    """

    def __init__(self, key: str, folder: Path, inputs: Sequence[Path]) -> None:
        self.key, self.folder = key, folder
        self._taken: set[str] = set()
        if any(path.parent.resolve() == folder.resolve() for path in inputs):
            raise RequestError(f"{key}={folder} is where the pictures are that are asked about.\nGive another folder.")

    def path_for(self, source: str) -> Path:
        """Where the PNG of an input goes; another one at every call."""
        stem = name = Path(source).stem
        number = 1
        while name.lower() in self._taken:  # there are file systems on which A.png is a.png
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name.lower())
        return self.folder / f"{name}.png"

    def write(self, source: str, image: Image.Image) -> Path:
        """Writes the PNG of an input, whole or not at all. Raises RequestError when it cannot be written."""
        path = self.path_for(source)
        try:
            with replacing(path) as file:
                image.save(file, format="png")
        except OSError as error:
            raise RequestError(f"{self.key}={self.folder}: {path} cannot be written: {error.strerror}.") from error
        return path
