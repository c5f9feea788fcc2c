"""Sound on the command line, from training to prediction: the real command, on tones made on the spot."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import run_command
from sensorium.tasks.audio_inputs import audio_chunks

pytest.importorskip("jiwer")
RATE = 4000  # hertz
HERTZ = {"lo": 300, "hi": 1200}
SHORT = ["threads=1", "accelerator=cpu", "workers=0", "augment=none", "batch_size=16", "explanation=none"]


def said(words: list[str], random: np.random.Generator) -> np.ndarray:
    """A tone of 0.2 s for each word, and 0.1 s of hiss around it."""
    time = np.arange(RATE // 5) / RATE
    parts = [hiss(RATE // 10, random)]
    for word in words:
        parts += [0.3 * np.sin(2 * np.pi * HERTZ[word] * time), hiss(RATE // 10, random)]
    return np.concatenate(parts)


def hiss(count: int, random: np.random.Generator) -> np.ndarray:
    """What a quiet room sounds like; no recording is silent to the last bit."""
    return 0.01 * random.standard_normal(count)


def trained(folder: Path, *arguments: str) -> Path:
    result = run_command(["train", *SHORT, *arguments], folder)
    assert (result.status, result.stderr) == (0, ""), result.stderr
    (run,) = folder.glob("runs/*/*")
    return run


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with sequences of two tones, and a run of a recogniser that listens forward."""
    folder, random = tmp_path_factory.mktemp("speech"), np.random.default_rng(0)
    rows = [("audio", "text", "speaker", "split")]
    for number in range(150):
        words = [("lo", "hi")[bit] for bit in random.integers(2, size=1 + number % 4)]
        soundfile.write(folder / f"{number}.wav", said(words, random), RATE)
        part = "train" if number < 120 else ("val", "test")[number % 2]
        rows.append((f"{number}.wav", " ".join(words), ("ann", "bob")[number % 2], part))
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    run = trained(
        folder, "dataset=speech_manifest", "dataset.path=list.csv", "dataset.features.normalise=running",
        "dataset.features.num_mels=16", "model=streaming_rnn", "model.hidden_size=32", "model.num_layers=1",
        "model.dropout=0", "trainer.max_epochs=25", "optimizer.lr=0.02", "decoding.language_model=own",
        "decoding.beam_size=4", "scheduler=one_cycle",
    )  # fmt: skip
    return folder, run


def test_a_recogniser_is_monitored_by_words(speech: tuple[Path, Path]) -> None:
    folder, run = speech
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/wer"] < 0.05
    assert metrics["test/real_time_factor"] > 0
    assert {path.name for path in run.glob("*.csv")} >= {"transcripts.csv", "per_speaker.csv"}
    again = run_command(["eval", f"ckpt={run}", "accelerator=cpu", "format=json"], folder)
    assert json.loads(again.stdout)["test/wer"] == metrics["test/wer"]
    greedy = ["decoding.language_model=none", "decoding.beam_size=1"]
    plain = run_command(["eval", f"ckpt={run}", "accelerator=cpu", "format=json", *greedy], folder)
    assert json.loads(plain.stdout)["test/wer"] < 0.05


def test_a_file_becomes_text_times_and_subtitles(speech: tuple[Path, Path]) -> None:
    folder, run = speech
    soundfile.write(folder / "new.wav", said(["hi", "lo"], np.random.default_rng(1)), RATE)
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "input=new.wav"]
    assert run_command(command, folder).stdout == "hi lo\n"
    answer = json.loads(run_command([*command, "format=jsonl"], folder).stdout)
    assert (answer["text"], answer["seconds"]) == ("hi lo", 0.7)
    assert [word["word"] for word in answer["words"]] == ["hi", "lo"]
    first, second = answer["words"]
    assert 0 <= first["start"] < first["end"] <= second["start"] < second["end"] <= 0.7
    subtitles = run_command([*command, "format=srt"], folder).stdout
    assert subtitles.splitlines()[2:] == ["hi lo"]
    assert run_command([*command, "format=vtt"], folder).stdout.startswith("WEBVTT\n\n00:00:00.")


def test_what_cannot_be_read_is_told_and_the_rest_answered(speech: tuple[Path, Path]) -> None:
    folder, run = speech
    (folder / "broken.wav").write_bytes(b"no sound")
    result = run_command(["predict", f"ckpt={run}", "input=[broken.wav,0.wav]", "format=csv"], folder)
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert (result.status, [bool(row["error"]) for row in rows]) == (1, [True, False])
    assert "broken.wav" in result.stderr


def test_a_stream_and_the_whole_give_the_same(speech: tuple[Path, Path]) -> None:
    folder, run = speech
    soundfile.write(folder / "three.wav", said(["hi", "lo", "lo"], np.random.default_rng(2)), RATE)
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "input=three.wav"]
    streamed = run_command([*command, "stream=true", "format=jsonl"], folder)
    assert streamed.status == 0, streamed.stderr
    heard = [json.loads(line) for line in streamed.stdout.splitlines()]
    assert heard[-1]["done"]
    assert "slowest chunk" in streamed.stderr
    partial = [line["text"] for line in heard]
    assert all(b.startswith(a) for a, b in itertools.pairwise(partial))
    assert partial[-1] == "hi lo lo"
    assert run_command(command, folder).stdout == "hi lo lo\n"


# The interface of the package that `input=mic` uses: it hears spoken.wav, and then Ctrl+C is pressed.
MICROPHONE = """
import os, signal
import soundfile

class PortAudioError(Exception):
    pass

class InputStream:
    def __init__(self, samplerate, channels, dtype, blocksize):
        if not os.path.exists("spoken.wav"):
            raise PortAudioError("no device")
        assert (channels, dtype) == (1, "float32")
        self.file = soundfile.SoundFile("spoken.wav")
        assert (samplerate, blocksize) == (self.file.samplerate, self.file.samplerate // 10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self, frames):
        if self.file.tell() + frames >= len(self.file):
            os.kill(os.getpid(), signal.SIGINT)
        return self.file.read(frames, dtype="float32", always_2d=True, fill_value=0.0), False
"""


def test_a_microphone_is_heard_until_ctrl_c(speech: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = speech
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "sounddevice.py").write_text(MICROPHONE)
    installed = {"PYTHONPATH": str(tmp_path / "installed")}
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "input=mic", "format=jsonl"]
    without = run_command(command, tmp_path, environment=installed)
    assert (without.status, without.stderr) == (1, "sensorium: input=mic: no device\n")
    soundfile.write(tmp_path / "spoken.wav", said(["hi", "lo"], np.random.default_rng(3)), RATE)
    result = run_command(command, tmp_path, environment=installed)
    assert result.status == 0, result.stderr
    last = json.loads(result.stdout.splitlines()[-1])
    assert (last["text"], last["done"]) == ("hi lo", True)
    assert "slowest chunk" in result.stderr


def test_a_folder_of_commands_is_learnt_and_spotted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label in HERTZ:
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(40):
            soundfile.write(tmp_path / "data" / label / f"{number}.wav", said([label], random), RATE)
    run = trained(
        tmp_path, "dataset=speech_folder", "dataset.root=data", "dataset.features.num_mels=16", "model=keyword_rnn",
        "trainer.max_epochs=4", "optimizer.lr=0.01",
    )  # fmt: skip
    assert json.loads((run / "metrics.json").read_text())["test/accuracy"] == 1.0
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "input=data/hi/3.wav"]
    assert json.loads(run_command([*command, "format=jsonl"], tmp_path).stdout)["classes"][0]["class"] == "hi"
    assert "add stream=true" in run_command([*command, "threshold=0.5"], tmp_path).stderr
    spotted = run_command([*command, "stream=true", "threshold=0.5", "format=jsonl"], tmp_path)
    assert [json.loads(line)["command"] for line in spotted.stdout.splitlines()][-1] == "hi"
    assert "per hour" in spotted.stderr


def test_a_file_comes_in_chunks_of_a_tenth_of_a_second(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), RATE)
    assert [len(chunk) for chunk in audio_chunks(str(tmp_path / "a.wav"), RATE)] == [400, 400, 200]
