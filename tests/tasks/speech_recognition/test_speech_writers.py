"""Transcripts as they are written: a line as soon as it is there, and a file of subtitles for each recording."""

from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import RequestError
from sensorium.tasks.speech_recognition.predict import Transcript, Word
from sensorium.tasks.speech_recognition.task import SpeechRecognition
from sensorium.tasks.writers import Writer


def writer(kind: str, inputs: list[str], output_file: str | None = None) -> Writer:
    model: Any = None  # of no consequence for these formats
    return SpeechRecognition().writer(kind, output_file=output_file, inputs=inputs, model=model)


def transcript(name: str, text: str) -> Transcript:
    return Transcript(name, text=text, words=(Word(text, 0.25, 0.5, 0.9),), seconds=1.0)


def cue(text: str) -> str:
    return f"1\n00:00:00,250 --> 00:00:00,950\n{text}\n"


def test_a_transcript_is_printed_as_soon_as_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    table = writer("table", ["a.wav", "b.wav", "c.wav"])
    table.write(transcript("a.wav", "seven"))
    assert capsys.readouterr().out == "a.wav: seven\n"
    table.write(Transcript("b.wav", error="b.wav: no samples"))
    assert capsys.readouterr().out == ""
    table.write(transcript("c.wav", "three"))
    assert capsys.readouterr().out == "c.wav: three\n"
    table.close()
    assert capsys.readouterr().out == ""


def test_one_recording_needs_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, expected in (("table", "seven\n"), ("srt", cue("seven"))):
        alone = writer(kind, ["a.wav"])
        alone.write(transcript("a.wav", "seven"))
        alone.close()
        assert capsys.readouterr().out == expected


def test_recordings_of_one_name_have_subtitles_each(tmp_path: Path) -> None:
    names = ["monday/talk.wav", "tuesday/talk.wav", "broken.wav", "tuesday/Talk.flac"]
    files = writer("srt", names, str(tmp_path / "subtitles"))
    files.write(transcript(names[0], "seven"))
    files.write(transcript(names[1], "three"))
    files.write(Transcript(names[2], error="broken.wav: no samples"))
    files.write(transcript(names[3], "one"))
    files.close()
    written = {path.name: path.read_text() for path in (tmp_path / "subtitles").iterdir()}
    assert written == {"talk.srt": cue("seven"), "talk_2.srt": cue("three"), "Talk_3.srt": cue("one")}


def test_subtitles_of_several_recordings_need_a_folder() -> None:
    with pytest.raises(RequestError, match="format=vtt is one file per recording; set output=FOLDER for 2 files"):
        writer("vtt", ["a.wav", "b.wav"])
