"""Published data sets in their folders: LibriSpeech, Speech Commands, YesNo."""

import itertools
import re

import numpy as np
import pytest
from tones import SOUND, SPEECH, tone, write

from sensorium.data.audio.librispeech import Librispeech
from sensorium.data.audio.speech_commands import SpeechCommands
from sensorium.data.audio.yesno import YesNo
from sensorium.errors import RequestError

PARTS = ("train", "val", "test")
PITCHES = itertools.count(200)  # so that no two files are alike
NO_PARTS = {key: value for key, value in SPEECH.items() if "fraction" not in key and key != "split_seed"}


def texts(data):
    """Part -> {file name: transcript or class}."""
    found = {}
    for part in PARTS:
        split = getattr(data, part)
        said = split.texts if hasattr(split, "texts") else [data.spec.class_names[label] for label in split.labels]
        found[part] = dict(zip((name.rpartition("/")[2] for name in split.names), said, strict=True))
    return found


def told(load, *arguments, **changes):
    with pytest.raises(RequestError) as error:
        load(*arguments, **changes)
    return str(error.value)


def write_chapter(folder, speaker, chapter, *transcripts):
    lines = []
    for n, text in enumerate(transcripts):
        name = f"{speaker}-{chapter}-{n:04d}"
        write(folder / speaker / chapter / f"{name}.flac", tone(next(PITCHES), 0.3, rate=16000), rate=16000)
        lines.append(f"{name} {text}\n")
    (folder / speaker / chapter / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))


@pytest.fixture
def librispeech(tmp_path):
    home = tmp_path / "data" / "LibriSpeech"
    write_chapter(home / "train-clean-100", "103", "1240", "A B", "THE CAT")
    write_chapter(home / "train-clean-100", "26", "495", "A HAT")
    write_chapter(home / "train-clean-360", "7", "1", "THE BEE")
    write_chapter(home / "dev-clean", "84", "121123", "THE BAT")
    write_chapter(home / "test-clean", "61", "70968", "A TEA")
    return home


def load_librispeech(root, on_bad="fail", **changes):
    subsets = {"train": "train-clean-100", "val": ["dev-clean"], "test": "test-clean", "lowercase": False}
    return Librispeech(root=root and str(root), **NO_PARTS | subsets | changes).load(on_bad=on_bad)


def test_librispeech(librispeech):
    data = load_librispeech(librispeech)
    assert texts(data) == {
        "train": {"103-1240-0000.flac": "A B", "103-1240-0001.flac": "THE CAT", "26-495-0000.flac": "A HAT"},
        "val": {"84-121123-0000.flac": "THE BAT"},
        "test": {"61-70968-0000.flac": "A TEA"},
    }
    assert list(data.train.speakers) == ["103", "103", "26"]
    assert data.train.names[0] == str(librispeech / "train-clean-100" / "103" / "1240" / "103-1240-0000.flac")
    assert data.spec.features["sample_rate"] == 16000
    assert texts(load_librispeech(librispeech.parent)) == texts(data)
    both = load_librispeech(librispeech, train=["train-clean-100", "train-clean-360"])
    assert texts(both)["train"] == texts(data)["train"] | {"7-1-0000.flac": "THE BEE"}


def test_librispeech_without_a_transcript(librispeech):
    (librispeech / "train-clean-100" / "103" / "1240" / "103-1240.trans.txt").write_text("103-1240-0001 THE CAT\n")
    assert "103-1240-0000.flac: no transcript in its *.trans.txt" in told(load_librispeech, librispeech)
    data = load_librispeech(librispeech, on_bad="skip")
    assert set(texts(data)["train"]) == {"103-1240-0001.flac", "26-495-0000.flac"}


def test_librispeech_that_is_not_there(librispeech, cache_home):
    assert told(load_librispeech, librispeech, val="dev-other") == (
        f"{librispeech} has no dev-other.\n"
        "Put train-clean-100.tar.gz, dev-other.tar.gz, test-clean.tar.gz (openslr.org/12), unpacked, into "
        f"{librispeech}."
    )
    missing = told(load_librispeech, None)
    assert missing.startswith(f"librispeech: there is no folder {cache_home / 'librispeech'}.\nPut train-clean-100")
    assert missing.endswith(", or give dataset.root=FOLDER.")
    assert "Did you mean dev-clean?" in told(load_librispeech, librispeech, val="dev-cleen")
    assert "has dev-clean twice" in told(load_librispeech, librispeech, test="dev-clean")
    assert "a split has no subset" in told(load_librispeech, librispeech, test=[])


COMMANDS = ("yes", "no", "cat", "dog")


@pytest.fixture
def commands(tmp_path):
    home = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    for word, n in itertools.product(COMMANDS, range(10)):
        write(home / word / f"a{n}_nohash_0.wav", tone(next(PITCHES), rate=16000), rate=16000)
    lists = {"validation_list.txt": (7,), "testing_list.txt": (8, 9)}
    for name, numbers in lists.items():
        lines = [f"{word}/a{n}_nohash_0.wav\n" for word in COMMANDS for n in numbers]
        (home / name).write_text("".join(lines))
    random = np.random.default_rng(0)
    for name in ("pink", "rain"):
        noise = (random.normal(0, 0.05, 20 * 8000)).clip(-1, 1)
        write(home / "_background_noise_" / f"{name}.wav", noise, rate=8000)
    return home


def load_commands(root, on_bad="fail", **changes):
    own = {"commands": None, "unknown_fraction": 0.5, "silence_fraction": 0.5, "split_seed": 0}
    keys = ("sample_rate", "features", "cache", "min_seconds", "max_seconds")
    settings = {key: SOUND[key] for key in keys} | own
    return SpeechCommands(root=root and str(root), **settings | changes).load(on_bad=on_bad)


def test_all_speech_commands(commands):
    for root in (commands, commands.parent, commands.parent.parent):
        data = load_commands(root)
        assert data.spec.class_names == tuple(sorted(COMMANDS))
        assert [len(getattr(data, part)) for part in PARTS] == [28, 4, 8]
    assert set(data.train.speakers) == {f"a{n}" for n in range(7)}
    assert set(data.val.speakers) == {"a7"}
    assert set(data.test.speakers) == {"a8", "a9"}
    labels = [data.spec.class_names[label] for label in data.test.labels]
    assert labels == [name.split("/")[-2] for name in data.test.names]


def test_some_speech_commands_with_unknown_and_silence(commands):
    data = load_commands(commands, commands=["yes", "no"])
    assert data.spec.class_names == ("yes", "no", "unknown", "silence")
    for part, count in (("train", 7), ("val", 1), ("test", 2)):
        split = getattr(data, part)
        assert np.bincount(split.labels).tolist() == [count] * 4
        others = {name.split("/")[-2] for name, label in zip(split.names, split.labels, strict=True) if label == 2}
        assert others <= {"cat", "dog"}
    first, last = {"train": 0, "val": 16, "test": 18}, {"train": 16, "val": 18, "test": 20}
    for part in PARTS:
        split = getattr(data, part)
        silences = [name for name, label in zip(split.names, split.labels, strict=True) if label == 3]
        for name in silences:
            start, end = map(float, re.search(r"/_background_noise_/\w+\.wav\[(.*)-(.*)\]", name).groups())
            assert first[part] <= start < start + 0.99 < end <= last[part]
    assert (data.train.durations[data.train.labels == 3] == 1).all()
    assert load_commands(commands, commands=["yes", "no"]).train.names == data.train.names
    assert load_commands(commands, commands=["yes", "no"], split_seed=1).train.names != data.train.names
    without = load_commands(commands, commands=["yes", "no"], silence_fraction=0, unknown_fraction=0)
    assert without.spec.class_names == ("yes", "no")


def test_speech_commands_that_cannot_be(commands, cache_home):
    assert told(load_commands, commands, commands=["yess"]).startswith("There is no word in the recordings 'yess'.")
    assert "unknown_fraction=-1: give 0 or more" in told(load_commands, commands, unknown_fraction=-1)
    assert "Put speech_commands_v0.02.tar.gz" in told(load_commands, None)
    for path in (commands / "_background_noise_").iterdir():
        path.unlink()
    assert "dataset.silence_fraction=0" in told(load_commands, commands, commands=["yes", "no"])
    write(commands / "cat" / "oops_nohash_x.wav", tone(900))
    assert "oops_nohash_x.wav: not named SPEAKER_nohash_NUMBER.wav" in told(load_commands, commands)
    (commands / "testing_list.txt").unlink()
    assert "has no testing_list.txt" in told(load_commands, commands)


@pytest.fixture
def yesno(tmp_path):
    for bits in itertools.product("01", repeat=4):
        write(tmp_path / "waves_yesno" / f"{'_'.join(bits)}.wav", tone(next(PITCHES), 0.5))
    return tmp_path


def load_yesno(root, on_bad="fail", **changes):
    return YesNo(root=root and str(root), **SPEECH | changes).load(on_bad=on_bad)


def test_yesno(yesno):
    data = load_yesno(yesno)
    found = texts(data)
    assert [len(found[part]) for part in PARTS] == [9, 3, 4]
    assert not set(found["train"]) & set(found["test"])
    words = {"0": "no", "1": "yes"}
    for name, text in (found["train"] | found["val"] | found["test"]).items():
        assert text == " ".join(words[bit] for bit in name.removesuffix(".wav").split("_"))
    assert texts(load_yesno(yesno / "waves_yesno")) == found
    write(yesno / "waves_yesno" / "yes.wav", tone(900))
    assert "yes.wav: not named after its words, such as 0_1_1.wav" in told(load_yesno, yesno)


def test_yesno_that_is_not_there(tmp_path, cache_home):
    put = "Put waves_yesno.tar.gz (openslr.org/1), unpacked,"
    assert told(load_yesno, None).startswith(f"yesno: there is no folder {cache_home / 'yesno'}.\n{put} into")
    assert told(load_yesno, tmp_path) == f"{tmp_path} has no files such as 0_1_1_0_0_1_0_1.wav.\n{put} there."
