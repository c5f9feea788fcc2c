"""What `predict` does with sound: classes or transcripts of recordings, and of sound as it comes (stream=true)."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from sensorium.audio.read import UnreadableSound, chunks, decode_pcm
from sensorium.cli import inputs, output
from sensorium.cli.app import Config
from sensorium.errors import RequestError, RunError, missing_extra
from sensorium.evaluator.settings import CTCSettings, settings_from
from sensorium.predictor.live import PIECE, Heard, LiveTranscriber, Spotter
from sensorium.predictor.opened import Opened
from sensorium.predictor.speech import SpeechPredictor, Transcript
from sensorium.report.subtitles import srt, vtt

SUBTITLES: dict[str, Callable[[Any], str]] = {"srt": srt, "vtt": vtt}
THRESHOLD = 0.9  # probability from which a command is reported, unless told otherwise


def transcripts(config: Config, opened: Opened) -> int:
    """Of each recording what is said; returns how many could not be read."""
    if config["stream"] or config["input"] == "mic":
        return _live_transcripts(config, opened)
    kind = config["format"]
    given = {key: value for key, value in config["decoding"].items() if value is not None}
    predictor = SpeechPredictor(opened, settings_from(CTCSettings, opened.decoding | given))
    paths = list(inputs.sound_files(config["input"]))
    if kind in SUBTITLES and len(paths) > 1 and config["output"] is None:
        raise RequestError(f"format={kind} is one file for each recording; say output=FOLDER for {len(paths)} of them.")
    answers = predictor.predict(paths, batch_size=config["batch_size"], words=kind in ("json", *SUBTITLES))
    if kind in SUBTITLES and len(paths) > 1:
        return _subtitle_files(answers, kind, Path(config["output"]))
    failures = 0
    with output.opened(config["output"]) as file:
        for number, answer in enumerate(answers):
            failures += _tell_failure(answer)
            file.write(_transcript_lines(answer, kind, first=number == 0, alone=len(paths) == 1))
    return failures


def _subtitle_files(answers: Iterable[Transcript], kind: str, folder: Path) -> int:
    failures = 0
    for answer in answers:
        if _tell_failure(answer):
            failures += 1
            continue
        with output.opened(str(folder / f"{Path(answer.input).stem}.{kind}")) as file:
            file.write(SUBTITLES[kind](answer.words))
    return failures


def _tell_failure(answer: Transcript) -> bool:
    """Whether there is one; what it is goes to standard error."""
    if answer.error is not None:
        print(f"sensorium: {answer.error}", file=sys.stderr)
    return answer.error is not None


def _transcript_lines(answer: Transcript, kind: str, *, first: bool, alone: bool) -> str:
    if kind == "json":
        record: output.Record = {"input": answer.input, "seconds": round(answer.seconds, 3), "text": answer.text}
        if answer.error is not None:
            return output.as_json({"input": answer.input, "error": answer.error})
        if len(answer.alternatives) > 1:
            record["alternatives"] = [{"text": text, "score": score} for text, score in answer.alternatives]
        record["words"] = [word._asdict() for word in answer.words]
        return output.as_json(record)
    if kind == "csv":
        row: output.Record = {"input": answer.input, "text": answer.text, "error": answer.error or ""}
        return output.as_csv([row], header=first)
    if answer.error is not None:
        return ""
    if kind in SUBTITLES:
        return SUBTITLES[kind](answer.words)
    return f"{answer.text}\n" if alone else f"{answer.input}: {answer.text}\n"


# -- sound as it comes


def pieces(given: Any, sample_rate: int) -> Iterator[np.ndarray]:
    """Sound (n,) float32, PIECE seconds at a time: of a file, of raw 16-bit samples on standard input (-), or of the
    microphone (mic).
    """
    if given == "mic":
        return _microphone(sample_rate)
    if given == "-":
        return _standard_input(sample_rate)
    paths = list(inputs.sound_files(given))
    if len(paths) != 1:
        raise RequestError(f"stream=true hears one recording at a time, and input={given} has {len(paths)}.")
    return _of_file(paths[0], sample_rate)


def _of_file(path: Path, sample_rate: int) -> Iterator[np.ndarray]:
    size = round(PIECE * sample_rate)
    try:
        for _, samples in chunks(path, sample_rate=sample_rate, seconds=10.0, overlap=0.0):
            for start in range(0, len(samples), size):
                yield samples[start : start + size]
    except UnreadableSound as error:
        raise RunError(f"{path}: {error}") from error


def _standard_input(sample_rate: int) -> Iterator[np.ndarray]:
    size = 2 * round(PIECE * sample_rate)
    while data := sys.stdin.buffer.read(size):
        yield decode_pcm(data[: len(data) - len(data) % 2])


def _microphone(sample_rate: int) -> Iterator[np.ndarray]:
    """Until Ctrl+C, which ends it between two pieces: what was heard last is still said. A second one ends all."""
    try:
        import sounddevice
    except (ModuleNotFoundError, OSError) as error:  # OSError: the package is there, PortAudio is not
        raise missing_extra("sounddevice", "mic") from error
    size = round(PIECE * sample_rate)
    before, stopped = signal.getsignal(signal.SIGINT), Event()

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        with sounddevice.InputStream(samplerate=sample_rate, channels=1, dtype="float32", blocksize=size) as stream:
            while not stopped.is_set():
                yield stream.read(size)[0][:, 0]
    except sounddevice.PortAudioError as error:
        raise RunError(f"input=mic: {error}") from error
    finally:
        signal.signal(signal.SIGINT, before)


def _live_transcripts(config: Config, opened: Opened) -> int:
    """What is heard so far, after each piece in which it grew; on a terminal in one line, which is written over."""
    live, kind = LiveTranscriber(opened), config["format"]
    if kind not in ("table", "json"):
        raise RequestError(f"stream=true writes format=table or json, not {kind}.")
    before, slowest = "", 0.0
    with output.opened(config["output"]) as file:
        over = file.isatty()
        for heard in live.listen(pieces(config["input"], live.sample_rate)):
            slowest = max(slowest, heard.latency)
            if heard.text != before or (heard.done and heard.text):
                file.write(_heard_line(heard, kind, over=over))
                file.flush()
            before = "" if heard.done else heard.text
    print(f"slowest piece of {PIECE * 1000:.0f} ms: {slowest * 1000:.1f} ms of work", file=sys.stderr)
    return 0


def _heard_line(heard: Heard, kind: str, *, over: bool) -> str:
    if kind == "json":
        record = {"seconds": round(heard.seconds, 3), "text": heard.text, "done": heard.done}
        return output.as_json(record | {"latency": round(heard.latency, 5)})
    if over:
        return f"\r\x1b[K{heard.text}" + ("\n" if heard.done else "")
    mark = "." if heard.done else " "
    return f"{heard.seconds:8.1f} s  {heard.latency * 1000:5.1f} ms {mark} {heard.text}\n"


def spotted(config: Config, opened: Opened) -> int:
    """Commands in running sound, and how many of them there were an hour."""
    kind = config["format"]
    spotter = Spotter(opened, threshold=THRESHOLD if config["threshold"] is None else config["threshold"])
    with output.opened(config["output"]) as file:
        for number, found in enumerate(spotter.listen(pieces(config["input"], spotter.sample_rate))):
            record: output.Record = {
                "seconds": round(found.seconds, 2),
                "command": found.command,
                "probability": round(found.probability, 4),
            }
            if kind == "json":
                file.write(output.as_json(record))
            elif kind == "csv":
                file.write(output.as_csv([record], header=number == 0))
            else:
                file.write(f"{found.seconds:8.1f} s  {found.command}  {found.probability:.3f}\n")
            file.flush()
    print(
        f"{spotter.reported} commands in {spotter.seconds / 3600:.3f} hours of sound: {spotter.per_hour:.1f} an hour "
        "(where nobody said one, these are false alarms)",
        file=sys.stderr,
    )
    return 0
