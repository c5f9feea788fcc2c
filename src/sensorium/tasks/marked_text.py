"""Words in colors by how they support or oppose a target: on a terminal, and as HTML."""

from collections.abc import Sequence
from html import escape

import numpy as np
from rich.text import Text

from sensorium.text.spans import Span

FOR, AGAINST = (255, 90, 40), (60, 120, 255)  # orange-red and blue: apart for the color blind
_FAINTEST = 0.05  # of the strongest word; below, a word has no color

_STYLE = (
    "body{font:16px/1.7 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;background:#fff;"
    "color:#111}h1{font-size:1.2rem}h2{font-size:1rem;margin:1.5rem 0 .3rem}small,.note{color:#555}"
    ".text{white-space:pre-wrap}.text span,td{border-radius:3px}.warn{color:#a00}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{border:1px solid #ddd;padding:.2rem .5rem;text-align:right}"
)


def strengths(values: Sequence[float]) -> np.ndarray:
    """(W,) from -1 to 1: each value as a share of the strongest."""
    array = np.asarray(values, dtype=np.float64)
    strongest = float(np.abs(array).max()) if array.size else 0.0
    return array / strongest if strongest > 0 else array


def terminal_text(words: Sequence[Span], values: Sequence[float]) -> Text:
    """The text with the words that count on a colored ground, the strongest in bold."""
    shown = Text()
    for word, strength in zip(words, strengths(values), strict=True):
        shown.append(word.before)
        if abs(strength) < _FAINTEST:
            shown.append(word.text)
            continue
        red, green, blue = _ground(float(strength))
        weight = "bold " if abs(strength) > 0.5 else ""
        shown.append(word.text, style=f"{weight}black on rgb({red},{green},{blue})")
    return shown


def html_text(words: Sequence[Span], values: Sequence[float]) -> str:
    """The same as HTML; the number of each word is its title."""
    parts = []
    for word, value, strength in zip(words, values, strengths(values), strict=True):
        red, green, blue = _ground(float(strength))
        parts.append(
            f'{escape(word.before)}<span title="{value:+.4f}" style="background:rgb({red},{green},{blue})">'
            f"{escape(word.text)}</span>"
        )
    return f'<p class="text">{"".join(parts)}</p>'


def html_table(rows: Sequence[str], columns: Sequence[str], values: np.ndarray) -> str:
    """A table of (rows, columns) numbers, each row colored by its own strongest."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = []
    for name, row in zip(rows, values, strict=True):
        cells = "".join(
            f'<td style="background:rgb{_ground(float(strength))}">{value:.2f}</td>'
            for value, strength in zip(row, strengths(row), strict=True)
        )
        lines.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def html_page(title: str, body: str) -> str:
    """A whole page, which loads nothing from anywhere."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _ground(strength: float) -> tuple[int, int, int]:
    """White for 0, the full color for 1 and -1."""
    color, share = FOR if strength >= 0 else AGAINST, min(abs(strength), 1.0)
    red, green, blue = (round(255 + (part - 255) * share) for part in color)
    return red, green, blue
