"""Fonts by the letters that they have, against the tables of the fonts that matplotlib brings along."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image

from sensorium.tasks.plots import plot_confusion, undrawn_notes
from sensorium.vision import fonts
from sensorium.vision.draw import draw_boxes

SANS = font_manager.findfont("DejaVu Sans")
MONO = font_manager.findfont("DejaVu Sans Mono")
UNASSIGNED = "\U000e1000"


@pytest.fixture
def two_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is installed, only these; the first has Latin letters alone."""
    monkeypatch.setattr(fonts, "_installed", lambda: {"Latin": "latin", "DejaVu Sans": SANS})
    known = fonts._letters
    monkeypatch.setattr(fonts, "_letters", lambda font: frozenset(range(32, 127)) if font == "latin" else known(font))


def test_letters_that_a_font_lacks() -> None:
    assert fonts.missing("abc é Ж ع", SANS) == set()
    assert fonts.missing("a漢\u200d\ufe0f\n 字", SANS) == {"漢", "字"}
    assert fonts.missing("abc", "no font.ttf") == set("abc")


def test_as_few_fonts_as_have_the_letters(two_fonts: None) -> None:
    assert fonts.with_letters("abc") == (["Latin"], set())
    assert fonts.with_letters("aЖ") == (["Latin", "DejaVu Sans"], set())
    assert fonts.with_letters("Ж漢") == (["DejaVu Sans"], {"漢"})
    assert fonts.file_for("Жb") == SANS


def test_a_plot_without_a_font_is_a_note_and_no_warning(
    two_fonts: None, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    names = ["漢字", "a$b_c$", "Ж"]
    plot_confusion(matrix=np.eye(3, dtype=int), class_names=names, path=tmp_path / "a.png")
    assert undrawn_notes() == [
        "plots: no installed font has 字 漢; they are drawn as boxes. Install a font that does, such as Noto Sans CJK."
    ]
    assert undrawn_notes() == []
    assert [str(one.message) for one in recwarn] == []


def test_letters_of_another_font_are_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A letter that the usual font is said to lack comes from another: no box, other pixels."""
    arguments = {"matrix": np.eye(2, dtype=int), "class_names": ["Ж", "b"]}
    plot_confusion(**arguments, path=tmp_path / "usual.png")
    known = fonts._letters
    monkeypatch.setattr(fonts, "_letters", lambda font: known(font) - {ord("Ж")} if font == SANS else known(font))
    monkeypatch.setattr(fonts, "_installed", lambda: {"DejaVu Sans Mono": MONO})
    taken = []
    monkeypatch.setattr("matplotlib.text.Text.set_fontfamily", lambda text, family: taken.append((text._text, family)))
    plot_confusion(**arguments, path=tmp_path / "other.png")
    assert ("Ж", ["sans-serif", "DejaVu Sans Mono"]) in taken
    assert [text for text, family in taken if family and text == "b"] == []
    assert undrawn_notes() == []


def test_names_on_boxes_in_other_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, box = np.zeros((3, 64, 64), np.uint8), np.array([[10.0, 30, 60, 60]])

    def drawn(text: str) -> np.ndarray:
        return np.asarray(draw_boxes(pixels, box, [text], [(255, 255, 255)]))

    assert not np.array_equal(drawn("Ж"), drawn("Щ"))  # Pillow's own font has a box for either
    assert isinstance(draw_boxes(pixels, box, [UNASSIGNED], [(255, 0, 0)]), Image.Image)
