"""Near-duplicates of images, texts and recordings that were made, and findings on them."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from sensorium.inspection import duplicates
from sensorium.inspection.contents import Contents
from sensorium.inspection.images import ImageInputs
from sensorium.inspection.neighbors import nearest
from sensorium.inspection.recordings import AudioInputs
from sensorium.inspection.texts import TextInputs, jaccard, plain


def scored(pairs: np.ndarray, truth: set[tuple[int, int]]) -> tuple[float, float]:
    """Recall, and the share of the pairs that are wrong."""
    found = set(map(tuple, pairs.tolist()))
    return len(found & truth) / len(truth), len(found - truth) / max(1, len(found))


def drawn(count: int, side: int) -> list[Image.Image]:
    """Color images of random shapes."""
    draw = np.random.default_rng(0)
    images = []
    for _ in range(count):
        pixels = draw.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        images.append(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    return images


def changed(image: Image.Image, way: int, draw: np.random.Generator) -> Image.Image:
    """The same image from JPEG, from another size, or with 3% cropped."""
    width, height = image.size
    if way == 0:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(draw.integers(50, 90)))
        return Image.open(buffer)
    if way == 1:
        factor = draw.uniform(0.5, 2)
        return image.resize((round(width * factor), round(height * factor))).resize((width, height))
    left, top = draw.uniform(0, 0.03, 2)
    box = (0.97, 0, left * width, 0, 0.97, top * height)
    return image.transform((width, height), Image.Transform.AFFINE, box, Image.Resampling.BILINEAR)


def test_two_hundred_changed_images_are_found():
    draw = np.random.default_rng(1)
    images = drawn(600, 48)
    chosen = draw.choice(600, 200, replace=False)
    every = images + [changed(images[row], place % 3, draw) for place, row in enumerate(chosen)]
    pixels = np.stack([np.asarray(image.convert("RGB")) for image in every]).transpose(0, 3, 1, 2)
    recall, wrong = scored(
        ImageInputs(pixels.__getitem__, len(pixels)).near_duplicates(),
        {(int(row), 600 + place) for place, row in enumerate(chosen)},
    )
    assert recall >= 0.95
    assert wrong < 0.01


def test_scanned_digits_that_look_alike_are_no_copies():
    pixels = (load_digits().images * 15.9).astype(np.uint8)[:, None]
    copies = np.concatenate([pixels, np.clip(pixels[:100].astype(np.int64) + 1, 0, 255).astype(np.uint8)])
    recall, wrong = scored(
        ImageInputs(copies.__getitem__, len(copies)).near_duplicates(), {(row, 1797 + row) for row in range(100)}
    )
    assert recall == 1.0
    assert wrong <= 0.01  # two of the scans are the same


def test_many_copies_of_one_image_are_found_and_color_counts():
    pixels = np.stack([np.asarray(image) for image in drawn(40, 32)]).transpose(0, 3, 1, 2)
    same = np.concatenate([pixels, np.repeat(pixels[:1], 12, axis=0), pixels[1:2, ::-1]])
    pairs = ImageInputs(same.__getitem__, len(same)).near_duplicates()
    assert set(pairs.ravel().tolist()) == {0, *range(40, 52)}


def test_images_of_one_color_are_constant_and_no_duplicates():
    pixels = np.stack(
        [np.full((1, 16, 16), value, np.uint8) for value in (0, 0, 255)] + [np.eye(16, dtype=np.uint8)[None]]
    )
    found = ImageInputs(pixels.__getitem__, 4)
    assert found.constant().tolist() == [0, 1, 2]
    assert found.near_duplicates().shape == (0, 2)


WORDS = ["film", "story", "actor", "scene", "music", "camera", "plot", "ending", "dialogue", "light", "joke", "war"]


def sentences(count: int) -> list[str]:
    draw = np.random.default_rng(0)
    return [" ".join(f"{draw.choice(WORDS)}{draw.integers(0, 1000)}" for _ in range(12)) for _ in range(count)]


def test_texts_that_differ_in_punctuation_and_capitals_are_found():
    texts = sentences(1000)
    copies = [f"  {text.upper().replace(' ', ', ', 3)}!" for text in texts[:200]]
    recall, wrong = scored(TextInputs(texts + copies).near_duplicates(), {(row, 1000 + row) for row in range(200)})
    assert recall == 1.0
    assert wrong == 0.0


def test_one_word_more_is_found_and_half_another_text_is_not():
    texts = sentences(100)
    more = [f"{text} end" for text in texts[:50]]
    mixed = [
        f"{one[: len(one) // 2]}{other[len(other) // 2 :]}" for one, other in zip(texts[:50], texts[50:], strict=True)
    ]
    pairs = TextInputs([*texts, *more, *mixed]).near_duplicates()
    assert pairs.tolist() == [[row, 100 + row] for row in range(50)]


def test_the_similarity_by_hand():
    assert jaccard(np.array([1, 2, 3]), np.array([2, 3, 4])) == 0.5
    assert plain("It's  GOOD,\n film!") == b"its good film"
    assert plain("?!") == b"?!"


def test_short_and_odd_texts():
    texts = ["a", "b", "a", "??", "", "a\udcff", "\u4e2d\u6587"]
    assert TextInputs(texts).near_duplicates().tolist() == [[0, 2], [0, 5], [2, 5]]


def test_texts_of_one_character_are_constant():
    assert TextInputs(["aaa aa", "ab", "."]).constant().tolist() == [0, 2]


def spectra(count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Log-mel spectra (T, 20) of random melodies."""
    draw = np.random.default_rng(0)
    found = []
    for _ in range(count):
        coarse = draw.normal(size=(8, 20)) * 2
        frames = int(draw.integers(40, 120))
        found.append(np.repeat(coarse, frames // 8 + 1, axis=0)[:frames] - 5)
    return found, np.array([len(one) / 100 for one in found])


def test_a_gain_changes_no_fingerprint():
    found, seconds = spectra(300)
    louder = [one + 1.4 for one in found[:200]]  # +6 dB: the logarithm of the power rises by 1.39 everywhere
    every, durations = found + louder, np.concatenate([seconds, seconds[:200]])
    inputs = AudioInputs(lambda rows: [every[row] for row in rows.tolist()], durations)
    recall, wrong = scored(inputs.near_duplicates(), {(row, 300 + row) for row in range(200)})
    assert recall == 1.0
    assert wrong == 0.0


def test_durations_of_copies_differ_by_three_percent_at_most():
    spectrum = spectra(1)[0][0]
    inputs = AudioInputs(lambda rows: [spectrum] * len(rows), np.array([1.0, 1.02, 2.0]))
    assert inputs.near_duplicates().tolist() == [[0, 1]]


def test_silence_is_constant():
    every = [np.full((30, 20), -23.0), np.random.default_rng(0).normal(size=(30, 20))]
    inputs = AudioInputs(lambda rows: [every[row] for row in rows.tolist()], np.array([0.3, 0.3]))
    assert inputs.constant().tolist() == [0]


@pytest.mark.parametrize("count", [3, 50, 400])
def test_neighbors_inside_cells_are_almost_those_of_all(count, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(count, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows, similar = nearest(vectors, 5)
    products = vectors @ vectors.T - 3 * np.eye(count)
    expected = -np.sort(-products, axis=1)[:, : min(5, count - 1)]
    assert similar[:, : expected.shape[1]] == pytest.approx(expected, abs=1e-6)
    assert (rows[:, count - 1 :] == -1).all()
    monkeypatch.setattr("sensorium.inspection.neighbors._EXACT", 1)
    of_cells, _ = nearest(vectors, 5)
    if count > 3:
        assert (of_cells[:, 0] == rows[:, 0]).mean() > 0.7
    for row in of_cells.tolist():
        real = [one for one in row if one >= 0]
        assert len(set(real)) == len(real)


class Paired:
    """Inputs whose near-duplicates are given."""

    def __init__(self, *pairs: tuple[int, int]) -> None:
        self.pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def near_duplicates(self) -> np.ndarray:
        return self.pairs

    def constant(self) -> np.ndarray:
        return np.zeros(0, np.int64)

    def features(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, None]


def test_findings_by_split_and_label():
    contents = Contents(
        unit="image",
        names=list("abcdef"),
        splits=np.array([0, 0, 0, 0, 1, 2]),
        labels=np.array([0, 0, 0, 1, 0, 0]),
        class_names=("cat", "dog"),
        inputs=Paired((0, 1), (1, 2), (2, 3), (0, 5)),
    )
    between, within, differ = duplicates.check(contents)
    assert (between.severity, between.count, between.drop) == ("error", 1, {0})
    assert between.what == "near-duplicates between splits (train and test 1)"
    assert between.examples == ["a (train, cat) = f (test, cat)"]
    assert (within.severity, within.count, within.drop) == ("warning", 3, {1, 2, 3})
    assert (differ.count, differ.drop) == (1, {2, 3})
