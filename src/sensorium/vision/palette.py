"""Distinct colors for classes: red, green and blue from 0 to 255, one class after the other, 3K numbers."""

import colorsys

_GOLDEN = 0.61803398875  # the golden section of the color circle keeps any number of hues apart
_SHADES = ((0.75, 0.95), (0.95, 0.65), (0.45, 0.85))  # saturation and brightness, in turn


def distinct_palette(count: int, *, background: bool = False) -> tuple[int, ...]:
    """Colours for `count` classes, the same first ones for any number. background: the first class is black."""
    colours: list[int] = [0, 0, 0] if background and count else []
    for number in range(count - len(colours) // 3):
        saturation, brightness = _SHADES[number % len(_SHADES)]
        colour = colorsys.hsv_to_rgb(number * _GOLDEN % 1, saturation, brightness)
        colours += [round(255 * part) for part in colour]
    return tuple(colours)


def voc_palette(count: int) -> tuple[int, ...]:
    """The colors of Pascal VOC's class masks: the bits of a class number dealt out over red, green and blue."""
    colours = []
    for number in range(count):
        for channel in range(3):
            colours.append(sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)))
    return tuple(colours)
