"""One small data set of each task, the same to the last bit on every machine: what old checkpoints were trained on.

Random numbers come from `numpy.random.RandomState`, whose streams NumPy has frozen. Files are written without loss.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

RATE = 4000  # hertz
HERTZ = {"lo": 300, "hi": 1200}
WORDS = tuple(HERTZ)
SIDE = 32  # pixels of a scene
COUNTS = {"train": 48, "val": 12, "test": 12}  # examples of a part
TEXT = "the cat sat on the mat. the dog ran to the cat. the cat ran to the dog. a dog sat on a mat.\n"
DIGITS = {"0": "null", "1": "eins", "2": "zwei", "3": "drei"}
LABELS = ("good", "bad")
OPINIONS = {"good": ("fine", "lovely", "great"), "bad": ("poor", "dull", "awful")}

Random = np.random.RandomState


def write_data(folder: Path) -> None:
    """Everything under `folder`: data in three parts for each task, and `new_*` as raw inputs for predict."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_stripes(folder)
    _write_boxes(folder)
    _write_masks(folder)
    _write_texts(folder)
    _write_tones(folder)
    _write_speech(folder)


def _numbered() -> Iterable[tuple[str, int, int]]:
    """(part, number, shown) of every example; numbers go on from part to part.

    The label is made of `number` and the content of `shown`, which is another one for one example of each twelve: a
    model that has learned what there is to learn makes a mistake there.
    """
    parts = [part for part, count in COUNTS.items() for _ in range(count)]
    return [(part, number, number + (number % 12 == 5)) for number, part in enumerate(parts)]


def _write_rows(path: Path, rows: Iterable[Iterable[object]], delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


# -- images


def _stripes(label: str, side: int, random: Random) -> np.ndarray:
    """(side, side) uint8: noise, and four stripes that run across, down, or in neither direction."""
    stripe = 110 * (np.arange(side) // (side // 8) % 2)
    pattern = {"across": stripe[:, None], "down": stripe[None], "neither": np.full((1, 1), 55)}[label]
    return (random.randint(0, 140, (side, side)) + pattern).astype(np.uint8)


def _write_stripes(folder: Path) -> None:
    """Images of 8 x 8 pixels; one of the new ones is larger, and made smaller to be predicted."""
    random, labels = Random(0), ("across", "down", "neither")
    rows = [("path", "label", "split")]
    for part, number, shown in _numbered():
        _save(_stripes(labels[shown % 3], 8, random), folder / "stripes" / f"{number}.png")
        rows.append((f"stripes/{number}.png", labels[number % 3], part))
    _write_rows(folder / "stripes.csv", rows)
    for number, side in enumerate((8, 8, 24)):
        _save(_stripes(labels[number], side, random), folder / f"new_stripes_{number}.png")


def _scene(random: Random, count: int) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, int, int]]]:
    """Pixels and mask (SIDE, SIDE) uint8, and boxes as (class, left, top, side).

    Class 0 is a bright square, class 1 a dark one; each lies in a quarter of the scene of its own.
    """
    pixels = random.randint(100, 150, (SIDE, SIDE)).astype(np.uint8)
    mask, boxes = np.zeros((SIDE, SIDE), np.uint8), []
    for quarter in random.permutation(4)[:count]:
        label, side = random.randint(2), random.randint(7, 14)
        left, top = (16 * place + random.randint(0, 16 - side) for place in (quarter % 2, quarter // 2))
        inside = np.s_[top : top + side, left : left + side]
        pixels[inside] = random.randint(200, 250) if label == 0 else random.randint(0, 50)
        mask[inside] = label + 1
        boxes.append((int(label), int(left), int(top), int(side)))
    return pixels, mask, boxes


def _write_boxes(folder: Path) -> None:
    random, root = Random(1), folder / "boxes"
    for part, number, _ in _numbered():
        pixels, _, boxes = _scene(random, 1 + number % 3)
        _save(pixels, root / "images" / part / f"{number}.png")
        lines = [
            f"{label} {(left + side / 2) / SIDE} {(top + side / 2) / SIDE} {side / SIDE} {side / SIDE}\n"
            for label, left, top, side in boxes
        ]
        path = root / "labels" / part / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
    (root / "classes.txt").write_text("bright\ndark\n")
    for number in range(2):
        _save(_scene(random, 2 + number)[0], folder / f"new_scene_{number}.png")


def _write_masks(folder: Path) -> None:
    random, root = Random(2), folder / "masks"
    for part, number, _ in _numbered():
        pixels, mask, _ = _scene(random, 2 + number % 2)
        _save(pixels, root / part / "images" / f"{number}.png")
        _save(mask, root / part / "masks" / f"{number}.png")
    (root / "classes.txt").write_text("ground\nbright\ndark\n")


# -- texts


def _write_texts(folder: Path) -> None:
    """Short reviews; a text that says the same four sentences again and again; digits and German words for them."""
    random = Random(3)
    reviews, pairs = [("text", "label", "split")], {part: [] for part in COUNTS}
    for part, number, shown in _numbered():
        opinions = OPINIONS[LABELS[shown % 2]]
        reviews.append((f"film {number} was {opinions[random.randint(3)]}", LABELS[number % 2], part))
        digits = np.base_repr(3 * (number + 1), base=4)  # no two alike, one to four long
        pairs[part].append((" ".join(digits), " ".join(DIGITS[digit] for digit in digits)))
    _write_rows(folder / "reviews.csv", reviews)
    for part, rows in pairs.items():
        _write_rows(folder / f"pairs_{part}.tsv", rows, "\t")
    (folder / "text.txt").write_text("".join(TEXT[i % 4 :] for i in range(40)))
    (folder / "new_reviews.txt").write_text(f"a lovely film\nso dull and poor\nfilm 7 was{' very' * 9} awful\n")
    (folder / "new_digits.txt").write_text("3 1 2\n1 0 0 2\n2\n")


# -- audio


def _said(words: Iterable[str], random: Random) -> np.ndarray:
    """A tone of 0.2 s for each word, and 0.1 s of hiss around it."""
    time = np.arange(RATE // 5) / RATE
    parts = [_hiss(random)]
    for word in words:
        parts += [0.3 * np.sin(2 * np.pi * HERTZ[word] * time), _hiss(random)]
    return np.concatenate(parts)


def _hiss(random: Random) -> np.ndarray:
    return 0.02 * (random.randint(0, 1000, RATE // 10) / 500 - 1)


def _write_sound(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="PCM_16")


def _write_tones(folder: Path) -> None:
    random = Random(4)
    for part, number, shown in _numbered():
        path = folder / "tones" / part / WORDS[number % 2] / f"{number}.wav"
        _write_sound(path, _said([WORDS[shown % 2]], random))
    for number, words in enumerate((["hi"], ["lo"], ["hi", "lo"])):
        _write_sound(folder / f"new_tones_{number}.wav", _said(words, random))


def _write_speech(folder: Path) -> None:
    random = Random(5)
    rows = [("audio", "text", "speaker", "split")]
    for part, number, shown in _numbered():
        words = [WORDS[bit] for bit in random.randint(2, size=1 + number % 4)]
        _write_sound(folder / "speech" / f"{number}.wav", _said([*words, "hi"] if shown != number else words, random))
        rows.append((f"speech/{number}.wav", " ".join(words), ("ann", "bob")[number % 2], part))
    _write_rows(folder / "speech.csv", rows)
