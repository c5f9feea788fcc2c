"""Kaldi's data folders and LJ Speech: what is read, by hand, and what is wrong with a line."""

from pathlib import Path

import numpy as np
import pytest
from tones import SPEECH, tone, write

from sensorium.data.audio.kaldi import Kaldi
from sensorium.data.audio.ljspeech import LjSpeech
from sensorium.errors import RequestError

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
PARTS = ("train", "val", "test")


def kaldi(root, on_bad="fail", **changes):
    return Kaldi(root=str(root), **SPEECH | {"train": None, "val": None, "test": None} | changes).load(on_bad=on_bad)


def ljspeech(root, on_bad="fail", transcript="normalized"):
    return LjSpeech(root=str(root), transcript=transcript, **SPEECH).load(on_bad=on_bad)


def told(call, *arguments, **changes) -> str:
    with pytest.raises(RequestError) as error:
        call(*arguments, **changes)
    return str(error.value)


def said(data) -> dict[str, str]:
    parts = [getattr(data, part) for part in PARTS]
    return {Path(name).name: text for part in parts for name, text in zip(part.names, part.texts, strict=True)}


def folder(path, words=WORDS, *, pitch=200, wavs="", speakers=True) -> Path:
    """A data folder of a tone for each word; wavs: how paths begin, seen from `path`."""
    path.mkdir(parents=True)
    scp, text, utt2spk = [], [], []
    for number, word in enumerate(words):
        write(path / f"{wavs}{word}.wav", tone(pitch + 50 * number, 0.4))
        scp.append(f"s{number % 2}-{word} {wavs.removeprefix('../../')}{word}.wav\n")
        text.append(f"s{number % 2}-{word}\t{word.upper()} TOO\n")
        utt2spk.append(f"s{number % 2}-{word} s{number % 2}\n")
    (path / "wav.scp").write_text("".join(scp))
    (path / "text").write_text("".join(text))
    if speakers:
        (path / "utt2spk").write_text("".join(utt2spk))
    return path


def test_a_folder(tmp_path):
    root = folder(tmp_path / "data")
    (root / "feats.scp").write_text("x")
    (root / "split4").mkdir()
    data = kaldi(root)
    assert said(data) == {f"{word}.wav": f"{word} too" for word in WORDS}
    assert {speaker for part in PARTS for speaker in getattr(data, part).speakers} == {"s0", "s1"}
    assert len(data.test) == 2  # a quarter is held out
    (note,) = (note for note in data.notes if "not read" in note)
    assert note.startswith(f"{root}: not read: ")
    assert set(note.rpartition(": ")[2].split(", ")) == {"feats.scp", "split4"}


def test_splits_are_folders_and_paths_are_seen_from_the_recipe(tmp_path):
    """data/train/wav.scp has wavs/one.wav, which lies beside data."""
    root = tmp_path / "s5" / "data"
    for number, (name, words) in enumerate({"train": WORDS, "dev": ("nine",), "test": ("ten",)}.items()):
        folder(root / name, words, pitch=1000 * (number + 1), wavs="../../wavs/")
    (root / "lang").mkdir()
    data = kaldi(root)
    assert [len(getattr(data, part)) for part in PARTS] == [8, 1, 1]
    assert list(data.val.texts) == ["nine too"]
    assert f"{root}: not used as a split: lang" in data.notes
    assert told(kaldi, tmp_path / "s5").endswith(f"Did you mean dataset.root={root}?")
    (root / "train").rename(root / "tr_5")
    (root / "test").rename(root / "evl")
    (root / "dev").rename(root / "development_2")
    assert "Folders with wav.scp: development_2, evl, tr_5. dataset.train=NAME" in told(kaldi, root)
    data = kaldi(root, train="tr_5", test="evl")
    assert list(data.test.texts) == ["ten too"]
    assert f"{root}: not used as a split: development_2, lang" in data.notes
    assert told(kaldi, root, val="evl") == "dataset.train is not set; dataset.val is."


def test_segments_are_pieces_of_recordings(tmp_path):
    root = tmp_path / "data"
    folder(root, ("long",), speakers=False)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32)  # no piece is like another
    write(root / "long.wav", noise)
    times = [(f"u{n}", n * 0.2, n * 0.2 + 0.15) for n in range(8)]
    (root / "segments").write_text("".join(f"{name} s0-long {start:.2f} {end:.2f}\n" for name, start, end in times))
    with (root / "segments").open("a") as file:
        file.write("rest s0-long 1.7 -1\n")
    (root / "text").write_text("".join(f"{name} x{number}\n" for number, (name, *_) in enumerate(times)) + "rest z\n")
    data = kaldi(root)
    lengths = {
        name.partition("[")[2]: float(seconds)
        for part in (data.train, data.val, data.test)
        for name, seconds in zip(part.names, part.durations, strict=True)
    }
    assert len(lengths) == 9
    assert lengths["1.7-]"] == pytest.approx(0.3)
    assert lengths["0.2-0.35]"] == pytest.approx(0.15)


def test_a_command_in_wav_scp_is_refused_and_never_run(tmp_path):
    root = folder(tmp_path / "data")
    with (root / "wav.scp").open("a") as file:
        file.write(f"x touch {tmp_path}/ran |\ny cat {root}/one.wav|\n")
    with (root / "text").open("a") as file:
        file.write("x a\ny b\n")
    what = "a command, which is not run; write its output to a file and name that in wav.scp"
    assert [str(problem) for problem in kaldi(root, "skip").problems] == [
        f"{root}/wav.scp:9: x: {what}",
        f"{root}/wav.scp:10: y: {what}",
    ]
    assert not (tmp_path / "ran").exists()


def test_what_is_wrong_with_lines_is_named(tmp_path):
    root = folder(tmp_path / "data", speakers=False)
    write(root / "with space.wav", tone(900, 0.4))
    names = [f"s{number % 2}-{word}" for number, word in enumerate(WORDS)]
    (root / "wav.scp").write_text(
        "\ufeff"
        + (root / "wav.scp").read_text().replace("\n", "\r\n")
        + "\r\nspace with space.wav\ngone no.wav\nempty\ns0-one one.wav\n",
        "utf-8",
    )
    segments = [*(f"{name} {name} 0 0.4" for name in names[:6]), "over s1-eight 0.1 5", "back s1-eight 0.3 0.1"]
    segments += ["odd s1-eight 0 x", "none nothing 0 1", "sp space 0 0.4", "lost gone 0 1"]
    (root / "segments").write_text("\n".join(segments) + "\n")
    texts = [*(f"{name} hello {number}" for number, name in enumerate(names[:6])), "over a", "back b", "odd c"]
    texts += ["none d", "sp with space", "lost e", "nowhere f", "s1-two again"]
    (root / "text").write_bytes("\n".join(texts).encode() + b"\nbytes caf\xe9\n")
    data = kaldi(root, "skip")
    assert said(data)["with space.wav[0-0.4]"] == "with space"
    assert f"{root}/wav.scp: 1 blank line skipped" in data.notes
    assert [str(problem).removeprefix(f"{root}/") for problem in data.problems] == [
        "wav.scp:12: nothing after 'empty'",
        "wav.scp:13: 's0-one' occurs twice, first on line 1",
        "text:14: 's1-two' occurs twice, first on line 2",
        "text:15: not UTF-8 (byte 0xe9); make it UTF-8 first: iconv -f latin1 -t utf-8 FILE",
        "segments:9: 's1-eight 0 x' is not RECORDING START END, in seconds",
        "segments:10: recording 'nothing' is not in wav.scp",
        f"wav.scp:11: lost: there is no file no.wav, relative to {root}",
        "text:13: utterance 'nowhere' is not in segments",
        f"text:7: {root}/eight.wav[0.1-5]: ends at 5 s, but the file ends at 0.40 s",
        f"text:8: {root}/eight.wav[0.3-0.1]: a segment from 0.3 s to 0.1 s is impossible",
    ]


# -- LJ Speech


@pytest.fixture
def lj(tmp_path):
    root = tmp_path / "LJSpeech-1.1"
    for number in range(8):
        write(root / "wavs" / f"LJ.{number}.wav", tone(200 + 50 * number, 0.4))
    lines = [f'LJ.{number}|He said "{number}|he said "{word}' for number, word in enumerate(WORDS)]
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def test_ljspeech(lj):
    write(lj / "wavs" / "extra.wav", tone(999, 0.4))
    (lj / "README").write_text("x")
    data = ljspeech(lj.parent)
    assert said(data) == {f"LJ.{number}.wav": f'he said "{word}' for number, word in enumerate(WORDS)}
    assert said(ljspeech(lj, transcript="raw"))["LJ.3.wav"] == 'he said "3'
    assert f"{lj}/wavs: 1 recording not in metadata.csv, such as extra.wav" in data.notes
    assert f"{lj}: 1 file not read as recordings (no suffix), such as {lj}/README" in data.notes
    assert "no transcript 'spoken'" in told(ljspeech, lj, transcript="spoken")
    assert told(ljspeech, lj / "wavs").startswith(f"{lj}/wavs has no metadata.csv, wavs.\n")


def test_what_is_wrong_with_metadata_is_named(lj):
    lines = ["LJ.0|zero|null", "LJ.1.wav|one", "wavs/LJ.2.wav|two", "LJ.3|three|", "LJ.4,four", "LJ.0|again", "LJ.9|x"]
    lines += ["LJ.7|a|b|c", "", "LJ.5|five", "LJ.6|six"]
    (lj / "metadata.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\nLJ.7|caf\xe9\r\n")
    data = ljspeech(lj, "skip")
    assert set(said(data).values()) == {"null", "one", "two", "five", "six"}
    table = f"{lj}/metadata.csv"
    assert [str(problem) for problem in data.problems] == [
        f"{table}:5: 1 cell between |, where ID|TRANSCRIPT|NORMALIZED or ID|TRANSCRIPT is needed",
        f"{table}:6: 'LJ.0' occurs twice, first on line 1",
        f"{table}:7: there is no recording wavs/LJ.9",
        f"{table}:8: 4 cells between |, where ID|TRANSCRIPT|NORMALIZED or ID|TRANSCRIPT is needed",
        f"{table}:12: not UTF-8 (byte 0xe9); make it UTF-8 first: iconv -f latin1 -t utf-8 FILE",
        f"{table}:4: {lj}/wavs/LJ.3.wav: no transcript",
    ]
    assert f"{table}: 4 lines without a third cell; the second is used" in data.notes
    assert f"{table}: 1 blank line skipped" in data.notes
