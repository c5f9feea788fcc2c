"""Texts, documents and recordings in shards: as from files, with the same problems in the same words."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sensorium.data.base import Data
from sensorium.data.order import BatchPlan, LengthOrder
from sensorium.data.window_order import WindowOrder
from shards import loaded, refused, write_tar


def wav(number: int, seconds: float = 0.5, rate: int = 8000, kind: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    random = np.random.default_rng(number)
    soundfile.write(buffer, 0.3 * random.standard_normal(int(seconds * rate)).clip(-3, 3), rate, format=kind)
    return buffer.getvalue()


# -- texts


def reviews(numbers: range) -> list[tuple[str, bytes]]:
    return [
        member
        for number in numbers
        for member in (
            (f"{number:03d}.txt", f"film {number} was {'bad' if number % 2 else 'göod'}\r\n".encode()),
            (f"{number:03d}.cls", b"%d" % (number % 2)),
        )
    ]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    for split, numbers in (("train", range(40)), ("val", range(40, 50)), ("test", range(50, 60))):
        write_tar(tmp_path / f"{split}-0.tar", reviews(numbers))
    return tmp_path


def test_texts_and_classes(texts: Path) -> None:
    data = loaded("text_shards", texts, "dataset.min_count=1")
    assert [len(split) for split in (data.train, data.val, data.test)] == [40, 10, 10]
    assert data.train.texts[0] == "film 0 was göod\n"
    assert data.train.labels[:4].tolist() == [0, 1, 0, 1]
    assert data.val.names[3] == f"{texts}/val-0.tar/043.txt"
    assert isinstance(data.train.order(BatchPlan(size=4, shuffle=True, seed=0)), LengthOrder)


def test_texts_that_cannot_be_read(texts: Path) -> None:
    write_tar(
        texts / "train-1.tar",
        [
            ("a.txt", "größe".encode("latin-1")), ("a.cls", b"0"), ("b.txt", b" \n"), ("b.cls", b"1"),
            ("c.txt", "größe".encode("utf-16")), ("c.cls", b"1"), ("d.cls", b"1"),
        ],
    )  # fmt: skip
    told = refused("text_shards", texts)
    assert "The data has 3 problems" in told
    assert "train-1.tar/a.txt: not UTF-8 (byte 0xf6); make it UTF-8 first: iconv -f latin1 -t utf-8 FILE" in told
    assert "train-1.tar/b.txt: no text" in told
    assert "train-1.tar/d: no text (.txt, .text, .transcript); it has cls" in told
    data = loaded("text_shards", texts, on_bad="skip")
    assert (len(data.train), len(data.problems), data.train.texts[40]) == (41, 3, "größe")


# -- documents


def documents(numbers: range) -> list[tuple[str, bytes]]:
    return [(f"{n:03d}.txt", "".join(f"line {n} {line}\n" for line in range(20)).encode()) for n in numbers]


def written(data: Data, split: str) -> str:
    from sensorium.text.build_tokenizer import tokenizer_from_dict

    return tokenizer_from_dict(data.spec.tokenizer).decode(getattr(data, split).tokens.tolist())  # type: ignore[attr-defined]


def test_documents_are_running_text_in_the_order_of_the_shards(tmp_path: Path) -> None:
    write_tar(tmp_path / "b.tar", documents(range(10, 20)))
    write_tar(tmp_path / "a.tar", documents(range(10)))
    data = loaded("document_shards", tmp_path, "dataset.tokenizer=char", "dataset.min_count=1")
    whole = "".join(content.decode() for _, content in documents(range(20)))
    found = "".join(written(data, split) for split in ("train", "val", "test"))
    assert found == whole
    assert len(written(data, "test")) == pytest.approx(0.05 * len(whole), abs=2)


def test_documents_of_named_splits(tmp_path: Path) -> None:
    for split, numbers in (("train", range(10)), ("test", range(10, 12)), ("val", range(12, 15))):
        write_tar(tmp_path / f"{split}.tar", documents(numbers))
    data = loaded("document_shards", tmp_path, "dataset.tokenizer=char", "dataset.min_count=1")
    for split, numbers in (("train", range(10)), ("test", range(10, 12)), ("val", range(12, 15))):
        assert written(data, split) == "".join(content.decode() for _, content in documents(numbers))
    (tmp_path / "val.tar").unlink()
    assert "has no shards of val. Give some whose names say val and test, or for neither" in refused(
        "document_shards", tmp_path
    )


# -- recordings


def clips(numbers: range, kind: str = "WAV") -> list[tuple[str, bytes]]:
    suffix = kind.lower()
    return [
        member
        for number in numbers
        for member in (
            (f"{number:03d}.{suffix}", wav(number, 0.3 + number % 7 / 10, kind=kind)),
            (f"{number:03d}.cls", b"%d" % (number % 2)),
            (f"{number:03d}.txt", f"word {number % 3}".encode()),
        )
    ]


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for split, numbers, kind in (
        ("train", range(24), "WAV"),
        ("val", range(24, 30), "FLAC"),
        ("test", range(30, 36), "OGG"),
    ):
        write_tar(tmp_path / f"{split}-0.tar", clips(numbers, kind))
    return tmp_path


@pytest.mark.parametrize("cache", ["samples", "none", "features"])
def test_recordings_and_classes(audio: Path, cache: str, tmp_path: Path) -> None:
    data = loaded("audio_shards", audio, f"dataset.cache={cache}")
    assert data.train.labels[:4].tolist() == [0, 1, 0, 1]
    assert data.train.names[3] == f"{audio}/train-0.tar/003.wav"
    assert list(data.train.paths) == [""] * 24
    assert data.train.durations[:3] == pytest.approx([0.3, 0.4, 0.5])
    if cache != "features":
        expected, _ = soundfile.read(io.BytesIO(wav(3, 0.6)), dtype="float32")
        assert np.array_equal(data.train.audio.read(np.array([3]))[0], expected)
    again = loaded("audio_shards", audio, f"dataset.cache={cache}")
    assert np.array_equal(again.val.frames, data.val.frames)


def test_recordings_and_transcripts(audio: Path) -> None:
    data = loaded("speech_shards", audio, "dataset.language_model=0", "dataset.cache=none", "dataset.shuffle_window=8")
    assert list(data.test.texts) == [f"word {number % 3}" for number in range(30, 36)]
    order = data.train.order(BatchPlan(size=4, shuffle=True, seed=0))
    assert isinstance(order, WindowOrder)
    assert sorted(np.concatenate(list(order.batches())).tolist()) == list(range(24))


def test_recordings_that_cannot_be_read(audio: Path) -> None:
    cut = wav(50)[:-2000]
    silent = io.BytesIO()
    soundfile.write(silent, np.zeros(4000), 8000, format="WAV")
    write_tar(
        audio / "train-1.tar",
        [
            ("a.wav", cut), ("a.cls", b"0"), ("b.wav", silent.getvalue()), ("b.cls", b"1"), ("c.wav", b"RIFF"),
            ("c.cls", b"1"), ("d.wav", wav(51, 0.01)), ("d.cls", b"1"), ("e.txt", b"x"),
        ],
    )  # fmt: skip
    told = refused("audio_shards", audio)
    assert "The data has 5 problems" in told
    assert "train-1.tar/a.wav: truncated: " in told
    assert "train-1.tar/b.wav: silent" in told
    assert "train-1.tar/c.wav: " in told
    assert "train-1.tar/d.wav: too short: 0.010 s" in told
    assert "train-1.tar/e: no recording (" in told
    assert len(loaded("audio_shards", audio, on_bad="skip").train) == 24
