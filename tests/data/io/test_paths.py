"""What settings and tables name as files."""

import os
import socket
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from sensorium import files
from sensorium.audio.read import UnreadableAudio, probe
from sensorium.checkpoint import read_raw
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_lines
from sensorium.errors import RequestError, SensoriumError
from sensorium.files import exists, is_file, is_folder, meant, not_a_file
from sensorium.nn.transfer import read_weights
from sensorium.tasks.audio_inputs import AudioReader, audio_chunks, sources
from sensorium.tasks.raw_inputs import audio_files, image_files, texts
from sensorium.tasks.word_files import read_language_model, read_lexicon
from sensorium.text.characters import CharTokenizer
from sensorium.text.vectors import read_vectors
from sensorium.vision.decode import read_bytes

LONG = "a" * 300


def test_a_name_that_is_too_long_for_any_file_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / LONG
    assert (exists(path), is_file(path), is_folder(path), meant(path / "x")) == (False, False, False, "")
    for given in (LONG, f"{tmp_path}/{LONG}/{LONG}.txt"):
        for read in (lambda given=given: existing("path", given), lambda given=given: texts(given, None)):
            with pytest.raises(RequestError, match="there is no such file"):
                read()
        with pytest.raises(RequestError, match="there is no such file or folder"):
            image_files(given)
    with pytest.raises(RequestError) as error:
        existing("path", "b" * 5000)
    assert str(error.value) == f"dataset.path={'b' * 80}...: there is no such file."


# -- devices, sockets, pipes: no hang, and a name for what they are


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody will write to the pipes of these tests."""
    monkeypatch.setattr(files, "_WAIT", 0)


def raised(found: object) -> object:
    if isinstance(found, Exception):
        raise found
    return found


READERS: dict[str, Callable[[str], object]] = {
    "table": lambda given: existing("path", given),
    "text": lambda given: list(read_lines(Path(given))),
    "texts": lambda given: list(texts(given, None)),
    "images": lambda given: [read_bytes(path) for path in image_files(given)],
    "image": lambda given: read_bytes(Path(given)),
    "audio files": lambda given: raised(next(source for _, source in sources(audio_files(given)))),
    "audio": lambda given: probe(given),
    "recordings": lambda given: raised(next(source for _, source in sources([given]))),
    "stream": lambda given: list(audio_chunks(given, 8000)),
    "checkpoint": lambda given: read_raw(Path(given)),
    "weights": lambda given: read_weights(Path(given)),
    "lexicon": lambda given: read_lexicon(given, CharTokenizer(pieces=["a"], lowercase=False)),
    "language model": lambda given: read_language_model(given, CharTokenizer(pieces=["a"], lowercase=False)),
    "vectors": lambda given: read_vectors(Path(given), ["a"]),
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_by_what_it_is(no_wait: None, tmp_path: Path, reader: str) -> None:
    pipe, address = tmp_path / "pipe", tmp_path / "socket"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        for given, said in (("/dev/zero", "a device"), (str(pipe), "a pipe"), (str(address), "a socket")):
            with pytest.raises((SensoriumError, UnreadableAudio), match=rf"\bis {said}"):
                READERS[reader](given)


def test_files_and_folders_are_what_they_are(tmp_path: Path) -> None:
    assert [not_a_file(path) for path in (tmp_path, Path(__file__), tmp_path / "nothing")] == [None] * 3


def test_a_pipe_that_somebody_writes_to_is_read_where_once_is_enough(tmp_path: Path) -> None:
    image, sound = BytesIO(), BytesIO()
    Image.new("L", (8, 8)).save(image, "png")
    soundfile.write(sound, 0.1 * np.sin(np.arange(8000)), 8000, format="WAV")

    def through(name: str, content: bytes) -> str:
        pipe = tmp_path / name
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
        return str(pipe)

    assert list(texts(through("a.txt", b"one\ntwo\n"), None)) == ["one", "two"]
    (path,) = image_files(through("a.png", image.getvalue()))
    assert read_bytes(path) == image.getvalue()
    found = AudioReader(sample_rate=8000).batches(
        sources(audio_files(through("a.wav", sound.getvalue()))), batch_size=1
    )
    assert [len(samples) for ((_, samples),) in found] == [8000]
    assert sum(map(len, audio_chunks(through("b.wav", sound.getvalue()), 8000))) == 8000
