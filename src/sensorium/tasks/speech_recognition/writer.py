"""Transcripts as lines of text, and as subtitle files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sensorium import output
from sensorium.tasks.speech_recognition.predict import Transcript
from sensorium.tasks.speech_recognition.subtitles import SUBTITLES
from sensorium.tasks.writers import Writer


def transcript_line(*, alone: bool) -> Callable[[Transcript, bool], str]:
    """The text of a transcript as a line; behind the name of its file unless it is alone."""

    def line(prediction: Transcript, first: bool) -> str:
        if prediction.error is not None:
            return ""
        return f"{prediction.shown}\n" if alone else f"{prediction.input}: {prediction.shown}\n"

    return line


def subtitle_line(kind: str) -> Callable[[Transcript, bool], str]:
    """All subtitles of a transcript."""
    return lambda prediction, first: "" if prediction.error is not None else SUBTITLES[kind](prediction.words)


class SubtitleFiles(Writer):
    """A file of subtitles for each recording, in a folder; of recordings of one name, the second ends in _2."""

    def __init__(self, kind: str, folder: Path, inputs: Sequence[object]) -> None:
        self._kind, self._names = kind, output.FileNames(folder, suffix=f".{kind}")
        self._inputs = inputs

    def targets(self) -> list[Path]:
        return self._names.paths_for(self._inputs)

    def write(self, prediction: Transcript) -> None:
        if prediction.error is None:
            with output.opened(str(self._names.path_for(prediction.input))) as file:
                file.write(SUBTITLES[self._kind](prediction.words))

    def close(self) -> None:
        """Every file was written whole."""
