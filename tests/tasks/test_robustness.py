"""Corrupted inputs: strengths by hand, the same for the same seed, and curves of a model's headline metric."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from sensorium.audio import corruptions as of_audio
from sensorium.data.audio.splits import AudioSplit
from sensorium.data.audio.store import Flat
from sensorium.data.text.splits import LanguageSplit, TextSplit
from sensorium.data.text.texts import TextWriter
from sensorium.data.text.tokens import encode_texts
from sensorium.data.vision.splits import ImageSplit
from sensorium.errors import RequestError
from sensorium.randomness import drawn_rows
from sensorium.tasks.base import Metric
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.robustness import Curve, Robustness, corruptions_of, measured
from sensorium.tasks.robustness_report import write_robustness
from sensorium.text import corruptions as of_text
from sensorium.text.words import WordTokenizer
from sensorium.vision import corruptions as of_images

RANDOM = np.random.default_rng(0)
PHOTO = gaussian_filter(RANDOM.uniform(0, 255, (3, 80, 96)), (0, 4, 4)).astype(np.uint8)


def test_noise_has_the_standard_deviation_of_its_severity() -> None:
    gray = np.full((1, 100, 100), 128, np.uint8)
    for severity, expected in ((1, 0.08), (2, 0.12)):
        found = of_images.corrupted(gray, "noise", severity, seed=1)
        assert (found / 255).std() == pytest.approx(expected, rel=0.03)
        assert np.array_equal(found, of_images.corrupted(gray, "noise", severity, seed=1))
        assert not np.array_equal(found, of_images.corrupted(gray, "noise", severity, seed=2))
    small = of_images.corrupted(gray[:, :32], "noise", 1, seed=1)
    assert (small / 255).std() == pytest.approx(0.04, rel=0.05)


def test_blur_agrees_with_scipy() -> None:
    found = of_images.corrupted(PHOTO, "blur", 2, seed=0)
    expected = gaussian_filter(PHOTO.astype(float), (0, 2, 2), mode="mirror", truncate=3)
    assert np.abs(found - expected).max() < 1
    assert of_images.corrupted(PHOTO[:, :4, :4], "blur", 5, seed=0).shape == (3, 4, 4)  # wider than the image


def test_jpeg_is_what_pillow_makes_of_it() -> None:
    file = io.BytesIO()
    Image.fromarray(PHOTO.transpose(1, 2, 0)).save(file, format="JPEG", quality=7)
    assert np.array_equal(
        of_images.corrupted(PHOTO, "jpeg", 5, seed=0), np.asarray(Image.open(file)).transpose(2, 0, 1)
    )
    assert of_images.corrupted(PHOTO[:1], "jpeg", 5, seed=0).shape == (1, 80, 96)
    assert of_images.corrupted(PHOTO[:2], "jpeg", 5, seed=0).shape == (2, 80, 96)


def test_brightness_adds_to_the_value_and_keeps_the_hue() -> None:
    image = np.array([[[100, 0, 250]], [[50, 0, 125]], [[0, 0, 0]]], np.uint8)
    image = np.tile(image, (1, 64, 22))[:, :, :64]
    found = of_images.corrupted(image, "brightness", 1, seed=0)[:, 0, :3]
    # 100 + 25.5 of 255; half of it; black becomes gray; what is brightest stays in range.
    assert found.T.tolist() == [[126, 63, 0], [26, 26, 26], [255, 128, 0]]


def test_typing_errors_change_so_many_letters() -> None:
    text = "the quick brown fox jumps over the lazy dog " * 200
    for severity, share in ((1, 0.02), (5, 0.2)):
        found = of_text.corrupted(text, "typos", severity, seed=3)
        assert found == of_text.corrupted(text, "typos", severity, seed=3) != text
        words = text.split(" ")
        changed = sum(a != b for a, b in zip(words, found.split(" "), strict=True)) / len(words)
        letters = 35 / 9  # a word has
        assert changed == pytest.approx(1 - (1 - share) ** letters, rel=0.35)
    assert of_text.corrupted("1 2, 3!", "typos", 5, seed=0) == "1 2, 3!"
    assert of_text.corrupted("", "typos", 5, seed=0) == ""


def test_casing_raises_so_many_words() -> None:
    assert of_text.corrupted("a few words", "casing", 5, seed=0) == "A FEW WORDS"
    found = of_text.corrupted("word " * 999 + "word", "casing", 3, seed=0).split(" ")
    assert found.count("WORD") == pytest.approx(500, abs=50)
    assert found.count("word") == 1000 - found.count("WORD")


def tone(seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(8000 * seconds)) / 8000)).astype(np.float32)


def test_noise_of_recordings_has_the_ratio_of_its_severity() -> None:
    for severity, decibels in ((1, 20), (5, 0)):
        found = of_audio.corrupted(tone(), "noise", severity, sample_rate=8000, seed=4)
        ratio = 10 * np.log10(np.mean(tone() ** 2) / np.mean((found - tone()) ** 2))
        assert ratio == pytest.approx(decibels, abs=0.01)
    silence = np.zeros(100, np.float32)
    assert np.array_equal(of_audio.corrupted(silence, "noise", 5, sample_rate=8000, seed=4), silence)


def test_reverberation_rings_on_and_falls_by_60_decibels() -> None:
    click = np.zeros(8000, np.float32)
    click[0] = 1
    found = of_audio.corrupted(click, "reverberation", 2, sample_rate=8000, seed=0).astype(np.float64)
    assert len(found) == 8000
    assert np.sqrt(np.mean(found**2)) == pytest.approx(np.sqrt(np.mean(click**2)), rel=1e-5)
    early, late = np.sum(found[80:240] ** 2), np.sum(found[1680:1840] ** 2)  # 0.2 s apart: half of 0.4 s
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=3)
    assert np.abs(found[3300:]).max() < 1e-12


def test_splits_of_each_kind_give_the_same_examples_corrupted() -> None:
    images = SimpleNamespace(read=lambda rows: np.tile(PHOTO, (len(rows), 1, 1, 1)), shape=PHOTO.shape)
    split: Any = ImageSplit(images, np.arange(4) % 2, ["a"] * 4)  # type: ignore[arg-type]
    kinds = {one.kind: one for one in corruptions_of(split, None)}
    assert list(kinds) == ["noise", "blur", "jpeg", "brightness"]
    noisy = kinds["noise"].split(3, 0)
    whole = noisy.read(np.arange(4)).images.numpy()
    assert np.array_equal(noisy.read(np.array([2])).images.numpy()[0], whole[2])  # whatever batch it is in
    assert not np.array_equal(whole[2], whole[1])
    assert noisy.labels.tolist() == [0, 1, 0, 1]
    deep = SimpleNamespace(read=lambda rows: np.zeros((1, 1, 8, 8), np.uint16), shape=(1, 8, 8))
    with pytest.raises(RequestError, match="8 bits a channel; these are uint16"):
        corruptions_of(ImageSplit(deep, np.zeros(1), ["a"]), None)  # type: ignore[arg-type]


def test_corrupted_texts_are_encoded_anew() -> None:
    tokenizer = WordTokenizer.train(["one two three"], vocab_size=100, min_count=1, lowercase=False)
    writer = TextWriter()
    for text in ("one two", "three"):
        writer.add(text)
    texts = writer.finish()
    split = TextSplit(encode_texts(texts, tokenizer), np.array([0, 1]), ["a", "b"], texts)
    spec: Any = SimpleNamespace(tokenizer=tokenizer.to_dict(), max_length=10)
    (typos, casing) = corruptions_of(split, spec)
    assert (typos.kind, casing.setting(5)) == ("typos", 1.0)
    found = casing.split(5, 0)
    assert list(found.texts) == ["ONE TWO", "THREE"]
    assert found.tokens.unknown_share() == 1
    assert found.labels.tolist() == [0, 1]


def test_recordings_are_corrupted_as_waveforms_only() -> None:
    data = tone().view(np.uint8)
    audio = Flat(data, starts=np.array([0]), lengths=np.array([8000]), wide=np.array([True]), width=0)
    split = AudioSplit(
        audio=audio,
        frames=np.array([1]),
        durations=np.ones(1),
        names=["a"],
        paths=[""],
        speakers=[""],
        labels=np.array([0]),
    )
    spec: Any = SimpleNamespace(features={"sample_rate": 8000})
    noise, reverberation = corruptions_of(split, spec)
    assert reverberation.setting(1) == 0.2
    assert not np.array_equal(noise.split(5, 0).audio.read(np.array([0]))[0], tone())
    features = Flat(data, starts=np.array([0]), lengths=np.array([100]), wide=np.array([True]), width=80)
    with pytest.raises(RequestError, match=r"Add dataset\.cache=samples"):
        split._with({"audio": features}).corruptions(spec)


def test_running_text_is_refused() -> None:
    with pytest.raises(RequestError, match="does not apply"):
        corruptions_of(LanguageSplit(np.arange(4), 2, 4, 4), "text")


def test_curves_are_of_the_metrics_of_each_severity(tmp_path: Path) -> None:
    def evaluation(error: float) -> RegressionEvaluation:
        return RegressionEvaluation(np.array([[0.0 + error], [2.0 + error]]), np.array([[0.0], [2.0]]), np.ones(1), 1.0)

    def corruption(kind: str, worse: float) -> Any:
        return SimpleNamespace(kind=kind, what="strength", setting=float, split=lambda severity, seed: worse * severity)

    clean = dict(evaluation(0.0).metrics)
    both = (corruption("mild", 0.1), corruption("hard", 0.2))
    found: Robustness = measured(both, clean, (2, 3), evaluation, Metric("mae", higher_is_better=False))
    assert found.records()[1] == pytest.approx(
        {"corruption": "hard", "clean": 0, "1": 0.2, "2": 0.4, "3": 0.6, "4": 0.8, "5": 1.0, "mean": 0.6}
    )
    assert found.records()[2] == pytest.approx(
        {"corruption": "mean", "clean": 0, "1": 0.15, "2": 0.3, "3": 0.45, "4": 0.6, "5": 0.75, "mean": 0.45}
    )
    assert found.lines()[-2:] == [
        "mean mae 0.4500, 0.4500 higher than without corruption (0.0000)",
        "worst: hard, mean 0.6000",
    ]
    assert (found.drop, found.to_dict()["worst"], found.examples, found.total) == (pytest.approx(0.45), "hard", 2, 3)
    table, whole, plot = write_robustness(tmp_path, found)
    lines = table.read_text().splitlines()
    assert lines[0].startswith("corruption,severity,setting,mae,")
    assert len(lines) == 1 + 1 + 10
    assert Image.open(plot).width > 500
    stored = json.loads(whole.read_text())
    assert stored["corruptions"][9]["mae"] == pytest.approx(1.0)
    assert (stored["mean"], stored["total"]) == (pytest.approx(0.45), 3)


def test_a_metric_without_a_value_has_no_drop_and_no_worst(tmp_path: Path) -> None:
    curve = Curve("noise", "strength", (1, 2, 3, 4, 5), ({"r2": float("nan")},) * 4 + ({},))
    found = Robustness(Metric("r2"), 1, 1, {"r2": float("nan")}, (curve,))
    assert found.records()[1] == {"corruption": "mean", "clean": None, **dict.fromkeys("12345"), "mean": None}
    assert found.lines()[-1] == "r2 is undefined for these examples"
    assert json.loads(write_robustness(tmp_path, found)[1].read_text())["drop"] is None


def test_a_large_split_is_sampled_alike_each_time() -> None:
    assert drawn_rows(10, 2000).tolist() == list(range(10))
    assert len(drawn_rows(5000, 2000)) == len(set(drawn_rows(5000, 2000).tolist())) == 2000
    assert np.array_equal(drawn_rows(5000, 2000), drawn_rows(5000, 2000))
