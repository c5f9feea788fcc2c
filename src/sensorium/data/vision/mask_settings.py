"""Settings of datasets of masks: which pixel is which class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sensorium.data.settings import Settings
from sensorium.vision.masks import MaskCode, Name


@dataclass(frozen=True, kw_only=True)
class MaskSettings(Settings):
    """class_names: of the pixel numbers from 0 on, without the ignored ones; None takes the lines of classes.txt, else
    the numbers found in train. Where there are colors, their names are those of the classes.
    colours: name -> [red, green, blue], for masks of colors; None for masks of numbers.
    ignore_index: the number, or the name of the color, or a list, that stands for no class; 255 always does among
    numbers.
    """

    class_names: Sequence[str] | None
    colours: Mapping[str, Sequence[int]] | None
    ignore_index: Name | Sequence[Name] | None

    def check(self) -> None:
        super().check()
        self.mask_code()

    def mask_code(self) -> MaskCode:
        """What the pixels of masks mean. Raises RequestError."""
        given = self.ignore_index
        ignored = () if given is None else (given,) if isinstance(given, int | str) else given
        return MaskCode(ignored=ignored, colours=self.colours)
