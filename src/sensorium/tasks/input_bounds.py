"""How large one raw input may be that somebody else sent: known from its head, before it is decoded."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from sensorium.audio.read import UnreadableAudio, probe
from sensorium.errors import RequestError
from sensorium.specs import ImageInputSpec
from sensorium.tasks import registry
from sensorium.vision.decode import UnreadableImage, stored_size

Modality = Literal["image", "audio", "text", "prompt"]
_MOST_VALUES = 2 * 96_000  # samples of all channels in a second of audio, on average; more is no recording


class InputTooLarge(RequestError):
    """An input beyond its bounds."""


@dataclass(frozen=True, kw_only=True)
class InputBounds:
    """pixels: of an image. seconds: of a recording. characters: of a text."""

    pixels: int
    seconds: float
    characters: int

    def check(self, raw: Any, name: str, kind: Modality) -> None:
        """Raises InputTooLarge. Content that cannot be read at all passes: whoever reads it says why."""
        if kind == "image":
            self._check_image(raw, name)
        elif kind == "audio":
            self._check_audio(raw, name)
        elif len(raw) > self.characters:
            raise InputTooLarge(f"A text has {len(raw):,} characters; at most {self.characters:,} are accepted.")

    def _check_image(self, raw: bytes, name: str) -> None:
        try:
            height, width = stored_size(BytesIO(raw))
        except UnreadableImage as error:
            if error.too_large:
                raise InputTooLarge(f"{name}: {error.what}") from error
            return
        if height * width > self.pixels:
            raise InputTooLarge(f"{name} has {width:,} x {height:,} pixels; at most {self.pixels:,} are accepted.")

    def _check_audio(self, raw: bytes, name: str) -> None:
        try:
            info = probe(BytesIO(raw))
        except UnreadableAudio:
            return
        seconds = info.samples / info.sample_rate
        if seconds > self.seconds or info.samples * info.channels > self.seconds * _MOST_VALUES:
            raise InputTooLarge(
                f"{name} has {seconds:,.1f} s of audio, {info.channels} channels at {info.sample_rate:,} Hz; at most"
                f" {self.seconds:,g} s are accepted."
            )


def modality(spec: Any) -> Modality:
    """What one raw input is: the content of an image or audio file, a text, or a prompt to continue."""
    keys = registry.of(spec).input_keys
    if "prompt" in keys:
        return "prompt"
    if "text" in keys:
        return "text"
    return "image" if isinstance(spec, ImageInputSpec) else "audio"
