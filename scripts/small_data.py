"""Small data sets as people have them, generated or drawn from real ones: what `bench_small_data.py` trains on.

Every function writes a data set into a folder, unless it is there, and gives the overrides that name it. Each has its
own test part, larger than the training part, so that the differences between settings are not the test's own luck.
"""

import csv
import tarfile
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

RATE = 8000  # hertz of all audio
Random = np.random.Generator


def _images(
    folder: Path, draw: Callable[[Random, int], np.ndarray], *, classes: int, train: int, test: int
) -> list[str]:
    """An image folder: `train` and `test` images of each class, from `draw(random, label)`: (H, W[, 3]), 0 to 1."""
    if not folder.exists():
        random = np.random.default_rng(0)
        for part, count in (("train", train), ("test", test)):
            for label in range(classes):
                place = folder / part / f"class_{label}"
                place.mkdir(parents=True)
                for number in range(count):
                    pixels = (draw(random, label).clip(0, 1) * 255).round().astype(np.uint8)
                    Image.fromarray(pixels).save(place / f"{number:03d}.png")
    return ["dataset=image_folder", f"dataset.root={folder}"]


def _noisy(random: Random, image: np.ndarray, deviation: float) -> np.ndarray:
    return image + random.normal(0, deviation, image.shape)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.mgrid[:size, :size].astype(float)  # type: ignore[return-value]


def shapes(folder: Path) -> list[str]:
    """60 gray images of 32 x 32: a disc or a square, of any size and place, in noise."""

    def draw(random: Random, label: int) -> np.ndarray:
        y, x = _grid(32)
        radius, (cy, cx) = random.uniform(5, 9), random.uniform(10, 22, size=2)
        dy, dx = abs(y - cy), abs(x - cx)
        inside = np.hypot(dy, dx) < radius if label == 0 else np.maximum(dy, dx) < radius * 0.886  # of equal area
        return _noisy(random, 0.3 + 0.4 * inside, 0.12)

    return _images(folder, draw, classes=2, train=30, test=100)


def stripes(folder: Path) -> list[str]:
    """100 gray images of 32 x 32: stripes of four directions, in strong noise."""

    def draw(random: Random, label: int) -> np.ndarray:
        y, x = _grid(32)
        angle = label * np.pi / 4 + random.uniform(-0.15, 0.15)
        phase, length = random.uniform(0, 2 * np.pi), random.uniform(5, 9)
        wave_ = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / length + phase)
        return _noisy(random, 0.5 + 0.15 * wave_, 0.25)

    return _images(folder, draw, classes=4, train=25, test=60)


def cells(folder: Path) -> list[str]:
    """60 color images of 64 x 64, as from a microscope: cells with a whole nucleus, or with one that fell apart."""

    def draw(random: Random, label: int) -> np.ndarray:
        y, x = _grid(64)
        image = np.full((64, 64, 3), (0.9, 0.85, 0.9)) * random.uniform(0.85, 1.1)
        for _ in range(random.integers(4, 8)):
            center = random.uniform(8, 56, size=2)
            body = np.hypot(y - center[0], x - center[1]) < random.uniform(6, 8)
            image[body] = image[body] * 0.7 + np.array((0.8, 0.6, 0.75)) * 0.3
            parts = 1 if label == 0 else 3
            for _ in range(parts):
                offset = random.uniform(-3, 3, size=2) if parts > 1 else random.uniform(-1, 1, size=2)
                distance = np.hypot(y - center[0] - offset[0], x - center[1] - offset[1])
                image[distance < 3.4 / np.sqrt(parts)] = (0.45, 0.25, 0.55)
        return _noisy(random, image, 0.05)

    return _images(folder, draw, classes=2, train=30, test=100)


def crosses(folder: Path) -> list[str]:
    """240 gray images of 28 x 28: eight figures of three strokes each."""
    figures = np.random.default_rng(5).uniform(5, 23, size=(8, 3, 2, 2))

    def draw(random: Random, label: int) -> np.ndarray:
        y, x = _grid(28)
        image = np.zeros((28, 28))
        for a, b in figures[label] + random.normal(0, 1.2, size=figures[label].shape) + random.uniform(-2, 2, size=2):
            along = np.clip(((y - a[0]) * (b - a)[0] + (x - a[1]) * (b - a)[1]) / max(1.0, ((b - a) ** 2).sum()), 0, 1)
            near = np.hypot(y - a[0] - along * (b - a)[0], x - a[1] - along * (b - a)[1])
            image = np.maximum(image, np.exp(-((near / 1.2) ** 2)))
        return _noisy(random, 0.8 * image, 0.2)

    return _images(folder, draw, classes=8, train=30, test=40)


def fill(folder: Path) -> list[str]:
    """100 gray images of 32 x 32, each a tilted jar, and how full it is: a number to predict."""
    if not folder.exists():
        folder.mkdir(parents=True)
        random, (y, x) = np.random.default_rng(0), _grid(32)
        rows = [("path", "level", "split")]
        for number in range(300):
            level, slope, left = random.uniform(0, 1), random.uniform(-0.3, 0.3), random.uniform(4, 12)
            jar = (x > left) & (x < left + 14)
            image = 0.2 + 0.2 * jar + 0.3 * (jar & (y + slope * (x - left - 7) > 30 - 26 * level))
            pixels = (_noisy(random, image, 0.08).clip(0, 1) * 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:03d}.png")
            rows.append((f"{number:03d}.png", f"{100 * level:.2f}", "train" if number < 100 else "test"))
        _table(folder / "table.csv", rows)
    path = f"dataset.path={folder / 'table.csv'}"
    return ["dataset=image_regression_csv", path, "dataset.target_columns=[level]"]


def _table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _texts(folder: Path, write: Callable[[Random, int], str], *, classes: int, train: int, test: int) -> list[str]:
    """A table of different texts, `train` and `test` of each class, written by `write(random, label)`."""
    path = folder / "texts.csv"
    if not path.exists():
        random, seen = np.random.default_rng(0), set()
        rows = [("text", "label", "split")]
        for label in range(classes):
            for number in range(train + test):
                while (text := write(random, label)) in seen:
                    pass
                seen.add(text)
                rows.append((text, f"class_{label}", "train" if number < train else "test"))
        _table(path, rows)
    return ["dataset=text_csv", f"dataset.path={path}"]


def _pick(random: Random, words: str) -> str:
    return str(random.choice(words.split()))


def reviews(folder: Path) -> list[str]:
    """200 reviews of some sentences each, most of them neutral; a negation turns the sentiment round."""
    nouns = "battery screen keyboard camera strap zipper handle motor lid cable box manual color size weight button"
    good = "great reliable sturdy lovely quick bright smooth comfortable solid superb handy pleasant"
    bad = "awful flimsy noisy ugly slow dim rough uncomfortable shaky poor useless annoying"

    def write(random: Random, label: int) -> str:
        sentences = [
            f"i bought it {_pick(random, 'yesterday online again there today')} for my "
            f"{_pick(random, 'brother office kitchen garden son trip')}",
            f"the {_pick(random, nouns)} came in a {_pick(random, 'red blue gray large small plain')} bag",
            f"it has a {_pick(random, nouns)} and a {_pick(random, nouns)}",
        ]
        for _ in range(2):
            negated = random.random() < 0.3
            word = _pick(random, good if (label == 1) != negated else bad)
            sentences.append(f"the {_pick(random, nouns)} is {'not ' if negated else ''}{word}")
        random.shuffle(sentences)
        return ". ".join(sentences) + "."

    return _texts(folder, write, classes=2, train=100, test=200)


def topics(folder: Path) -> list[str]:
    """100 headlines of five topics, each word from its topic or from words that all share."""
    own = (
        "match goal coach league striker referee season cup penalty stadium keeper derby transfer fans",
        "shares market bank profit inflation investors bonds merger revenue budget tax exports loans dividend",
        "vaccine hospital patients virus surgery clinic doctors therapy nurses symptoms drug trial diet vaccine",
        "rocket orbit telescope lab quantum genome fossil particle satellite physics comet laser planet probe",
        "film singer album festival premiere actor director gallery novel concert stage painter poet museum",
    )
    shared = "new after two says over city first year report could may early plan week more under still late big"

    def write(random: Random, label: int) -> str:
        return " ".join(_pick(random, own[label] if random.random() < 0.3 else shared) for _ in range(8))

    return _texts(folder, write, classes=5, train=20, test=60)


def requests(folder: Path) -> list[str]:
    """120 requests to an assistant, of ten kinds; which one it is hangs on one or two of the words."""
    kinds = (
        ("set an alarm for {n}", "wake me at {n}"),
        ("what is the weather in {c}", "will it rain in {c} at {n}"),
        ("play {m} music", "put on some {m}"),
        ("turn {o} the lights", "lights {o} in the {r}"),
        ("call {p} now", "ring {p} at {n}"),
        ("send {p} a message", "text {p} about {c}"),
        ("book a table for {n}", "reserve dinner in {c} for {n}"),
        ("how far is {c}", "show the way to {c}"),
        ("add milk to the list", "we need more {f} put it on the list"),
        ("what is {n} plus {n}", "add up {n} and {n}"),
    )
    words = {
        "n": "one two three four five six seven eight nine ten eleven twelve",
        "c": "paris rome oslo lima cairo quito delhi tokyo sofia bern",
        "m": "jazz rock folk quiet loud old piano dance",
        "o": "on off",
        "r": "kitchen hall bedroom garage office garden",
        "p": "anna tom mum dad julia peter the boss sam",
        "f": "rice eggs bread tea apples salt",
    }
    openings = ("", "please ", "hey ", "can you ", "could you please ", "i want you to ", "well ", "so ")
    endings = ("", " please", " thanks", " right now", " if you can", " for me", " today")

    def write(random: Random, label: int) -> str:
        text = str(random.choice(kinds[label]))
        filled = text.format(**{key: _pick(random, choices) for key, choices in words.items()})
        return f"{random.choice(openings)}{filled}{random.choice(endings)}"

    return _texts(folder, write, classes=10, train=12, test=30)


def _recording(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())


def _recordings(
    folder: Path, make: Callable[[Random, int], np.ndarray], *, classes: int, train: int, test: int
) -> list[str]:
    """A folder of recordings: `train` and `test` of each class, made by `make(random, label)` -> (N,) samples."""
    if not folder.exists():
        random = np.random.default_rng(0)
        for part, count in (("train", train), ("test", test)):
            for label in range(classes):
                for number in range(count):
                    _recording(folder / part / f"class_{label}" / f"{number:03d}.wav", make(random, label))
    return ["dataset=speech_folder", f"dataset.root={folder}"]


def chirps(folder: Path) -> list[str]:
    """40 recordings: a tone that rises or falls, in noise, silence before and behind."""

    def make(random: Random, label: int) -> np.ndarray:
        size = int(RATE * random.uniform(0.25, 0.5))
        low, high = random.uniform(300, 800), random.uniform(1000, 2000)
        frequency = np.linspace(*((low, high) if label == 0 else (high, low)), size)
        tone = 0.3 * np.sin(2 * np.pi * np.cumsum(frequency) / RATE)
        around = [np.zeros(int(RATE * random.uniform(0.05, 0.3))) for _ in range(2)]
        return _noisy(random, np.concatenate([around[0], tone, around[1]]), 0.05)

    return _recordings(folder, make, classes=2, train=20, test=100)


def vowels(folder: Path) -> list[str]:
    """120 recordings of six vowels: pulses of any pitch through two resonances."""
    formants = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840), (490, 1350))

    def make(random: Random, label: int) -> np.ndarray:
        size, pitch = int(RATE * random.uniform(0.2, 0.4)), random.uniform(90, 220)
        time_ = np.arange(size) / RATE
        sound = np.zeros(size)
        scale = random.uniform(0.88, 1.14)  # a shorter or a longer throat
        for harmonic in range(1, int(3500 / pitch)):
            frequency = harmonic * pitch
            gain = sum(1 / (1 + ((frequency - scale * f) / 80) ** 2) for f in formants[label])
            sound += gain * np.sin(2 * np.pi * frequency * time_ + random.uniform(0, 2 * np.pi))
        return _noisy(random, 0.4 * sound / np.abs(sound).max(), 0.06)

    return _recordings(folder, make, classes=6, train=20, test=40)


# -- drawn from real data


def of_cifar10(folder: Path, archive: Path) -> list[str]:
    """120 photographs of airplanes, frogs and trucks, from an archive of train/CLASS/*.jpg and test/CLASS/*.jpg."""
    if not folder.exists():
        folder.mkdir(parents=True)
        classes, taken = ("airplane", "frog", "truck"), dict[tuple[str, str], int]()
        with tarfile.open(archive) as file:
            for member in file:
                parts = Path(member.name).parts[-3:]
                if len(parts) < 3 or parts[1] not in classes or not member.isfile():
                    continue
                part, name, _ = parts
                count = taken.get((part, name), 0)
                if count < (40 if part == "train" else 100):
                    taken[part, name] = count + 1
                    (folder / part / name).mkdir(parents=True, exist_ok=True)
                    (folder / part / name / parts[2]).write_bytes(file.extractfile(member).read())  # type: ignore[union-attr]
    return ["dataset=image_folder", f"dataset.root={folder}"]


def of_mr(folder: Path, root: Path) -> list[str]:
    """240 sentences of movie reviews, half of them positive."""
    path = folder / "texts.csv"
    if not path.exists():
        rows = [("text", "label", "split")]
        for label, name in (("negative", "rt-polarity.neg"), ("positive", "rt-polarity.pos")):
            lines = (root / name).read_text(encoding="latin-1").strip().split("\n")  # some hold other ends of lines
            chosen = np.random.default_rng(0).permutation(len(lines))[:420]
            rows += [(lines[row], label, "train" if n < 120 else "test") for n, row in enumerate(chosen)]
        _table(path, rows)
    return ["dataset=text_csv", f"dataset.path={path}"]


def _spoken(root: Path, digit: int, speaker: str) -> Iterator[np.ndarray]:
    for path in sorted(root.glob(f"{digit}_{speaker}_*.wav")):
        with wave.open(str(path)) as file:
            yield np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def of_fsdd(folder: Path, root: Path) -> list[str]:
    """100 recordings of ten spoken digits by two people."""
    if not folder.exists():
        for digit in range(10):
            for speaker in ("jackson", "nicolas"):
                for number, samples in enumerate(_spoken(root, digit, speaker)):
                    part = "train" if number < 5 else "test" if number < 20 else None
                    if part is not None:
                        _recording(folder / part / f"digit_{digit}" / f"{speaker}_{number:02d}.wav", samples)
    return ["dataset=speech_folder", f"dataset.root={folder}"]


def two_words(folder: Path, root: Path) -> list[str]:
    """60 recordings of one man, eight words each and each one of two, with transcripts: YesNo from other words."""
    path = folder / "recordings.csv"
    if not path.exists():
        random = np.random.default_rng(0)
        words = {"no": list(_spoken(root, 0, "theo")), "yes": list(_spoken(root, 1, "theo"))}
        rows = [("audio", "text")]
        for number in range(60):
            said = [str(random.choice(["yes", "no"])) for _ in range(8)]
            pieces = []
            for word in said:
                pieces += [
                    words[word][random.integers(len(words[word]))],
                    np.zeros(int(RATE * random.uniform(0.1, 0.4))),
                ]
            _recording(folder / f"{number:02d}.wav", _noisy(random, np.concatenate(pieces), 0.002))
            rows.append((f"{number:02d}.wav", " ".join(said)))
        _table(path, rows)
    return ["dataset=speech_manifest", f"dataset.path={path}", "dataset.test_fraction=0.2", "dataset.language_model=2"]
