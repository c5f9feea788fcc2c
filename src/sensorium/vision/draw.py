"""Detections drawn on an image."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sensorium.vision.fonts import file_for

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_BRIGHT = 150  # of luma; on a brighter color the letters are black


def draw_boxes(
    pixels: np.ndarray, boxes: np.ndarray, texts: Sequence[str], colours: Sequence[tuple[int, int, int]]
) -> Image.Image:
    """An image of pixels (3, H, W) uint8 with boxes (N, 4) in pixels, each in its color with its text above it.

    Lines and letters grow with the image. What comes first is drawn last, so that it is seen whole.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    draw = ImageDraw.Draw(image)
    side = max(image.size)
    line, font = max(1, round(side / 400)), _font("".join(texts), min(48, max(12, round(side / 32))))
    for box, text, colour in reversed(list(zip(boxes.tolist(), texts, colours, strict=True))):
        left, top, right, bottom = (round(value) for value in box)
        # PIL's rectangles hold both corners.
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=line)
        _label(draw, text, colour, font=font, left=left, top=top, width=image.width)
    return image


def _font(text: str, size: int) -> Font:
    """Pillow's own where it has all letters, else the installed one that has most of them."""
    return ImageFont.load_default(size=size) if text.isascii() else ImageFont.truetype(file_for(text), size=size)


def _label(
    draw: ImageDraw.ImageDraw, text: str, colour: tuple[int, int, int], *, font: Font, left: int, top: int, width: int
) -> None:
    """Above the box where there is room, else inside it; never beyond the right edge."""
    _, _, wide, high = draw.textbbox((0, 0), text, font=font)
    wide, high = round(wide) + 2, round(high) + 2
    x, y = max(0, min(left, width - wide)), top - high if top >= high else top
    draw.rectangle((x, y, x + wide, y + high), fill=colour)
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    draw.text((x + 1, y), text, fill="black" if luma > _BRIGHT else "white", font=font)
