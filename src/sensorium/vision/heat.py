"""Maps of attribution drawn over an image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sensorium.vision.fonts import file_for

PANEL = 224  # pixels of the shorter side of a panel, at least
_GAP, _LINE = 8, 16  # pixels between panels, and of a line of text
_ACROSS = 5  # panels in a row
_WIDEST = 1600  # pixels of a panel that is enlarged
_FOR, _AGAINST = np.array((255, 40, 20.0)), np.array((30, 90, 255.0))  # orange-red and blue: apart for the color blind
_STRONGEST = 99.5  # percentile of |map| that is drawn at full strength: one pixel does not hide the others


class Panel(NamedTuple):
    """An image (H, W, 3) uint8 with lines of text above it. box: left, top, right, bottom in its pixels; or None."""

    pixels: np.ndarray
    lines: Sequence[str]
    box: Sequence[float] | None = None


def overlay(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """pixels: (H, W, 3) uint8. heat: (H, W), above 0 red, below 0 blue, the strongest opaque to three quarters over the
    image in gray. Returns (H, W, 3) uint8.
    """
    gray = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)
    ground = np.repeat(gray[:, :, None] * 0.8 + 25, 3, axis=2)
    strongest = float(np.percentile(np.abs(heat), _STRONGEST)) or float(np.abs(heat).max())
    strength = np.clip(np.abs(heat) / strongest, 0, 1)[:, :, None] * 0.75 if strongest > 0 else 0.0
    color = np.where(heat[:, :, None] >= 0, _FOR, _AGAINST)
    drawn: np.ndarray = (ground * (1 - strength) + color * strength).round().astype(np.uint8)
    return drawn


def side_by_side(panels: Sequence[Panel], *, across: int = _ACROSS, shorter: int = PANEL) -> Image.Image:
    """Panels of one size beside each other, `across` of them in a row, on white, with their texts; small images are
    enlarged without smoothing, until their shorter side has `shorter` pixels.
    """
    height, width = panels[0].pixels.shape[:2]
    scale = max(1, min(-(-shorter // min(height, width)), _WIDEST // max(height, width)))
    head = max(len(panel.lines) for panel in panels) * _LINE + 4
    across, down = min(len(panels), across), -(-len(panels) // across)
    size = (across * (width * scale + _GAP) + _GAP, down * (height * scale + head + _GAP))
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for place, panel in enumerate(panels):
        left = _GAP + place % across * (width * scale + _GAP)
        above = place // across * (height * scale + head + _GAP)
        top = above + head
        enlarged = Image.fromarray(np.ascontiguousarray(panel.pixels)).resize(
            (width * scale, height * scale), Image.Resampling.NEAREST
        )
        image.paste(enlarged, (left, top))
        for number, line in enumerate(panel.lines):
            font = _font(line)
            draw.text((left, above + 2 + number * _LINE), _fitted(line, font, width * scale), fill="black", font=font)
        if panel.box is not None:
            corners = [value * scale + shift for value, shift in zip(panel.box, (left, top) * 2, strict=True)]
            draw.rectangle(_ordered(corners), outline=(0, 160, 70), width=2)
    return image


def stacked(images: Sequence[Image.Image]) -> Image.Image:
    """Images below each other, on white."""
    size = max(one.width for one in images), sum(one.height for one in images)
    whole, top = Image.new("RGB", size, "white"), 0
    for one in images:
        whole.paste(one, (0, top))
        top += one.height
    return whole


def _ordered(corners: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = corners
    return left, top, max(left, right - 1), max(top, bottom - 1)


def _font(text: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=12) if text.isascii() else ImageFont.truetype(file_for(text), size=12)


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """A text that is no wider than its panel."""
    while len(text) > 4 and font.getbbox(text)[2] > width:
        text = f"{text[:-4]}..."
    return text
