"""Measures the voice assistant end to end on what make_data.py wrote.

    python measure.py data

Intents and numbers of 200 commands by unseen voices, with pauses and noise; seconds from the end of speech to the
answer, those of waiting and those of work; false wakes in an hour of other speech. On one core.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from assistant import CHUNK, Assistant, Command, add_model_arguments, load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    add_model_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    assistant = load(arguments)
    measure_commands(assistant, arguments.data / "commands.csv")
    measure_other(assistant, arguments.data / "other.flac")


def measure_commands(assistant: Assistant, table: Path) -> None:
    """What is right of the commands, and how long it took. A command counts once: its first answer."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    woken, intents, both, waited, worked = 0, 0, 0, [], []
    for row in rows:
        before = assistant.woken
        found, slowest = _run(assistant, table.parent / row["audio"])
        woken += assistant.woken > before
        answer, audio_seconds = found[0] if found else (None, 0.0)
        intent_right = answer is not None and answer.intent == row["intent"]
        number_right = answer is not None and answer.number == (int(row["number"]) if row["number"] else None)
        intents += intent_right
        both += intent_right and number_right
        if answer is not None:
            waited.append(audio_seconds - float(row["speech_end"]))
            worked.append(slowest)
        if not (intent_right and number_right):
            print(f"  {row['audio']}: {row['text']!r} -> {answer and (answer.intent, answer.number, answer.text)}")
    count = len(rows)
    print(
        f"commands {count}: woken {woken / count:.1%}, intent {intents / count:.1%}, with its number {both / count:.1%}"
    )
    if not waited:
        print("no command was answered, so that there are no times")
        return
    total = np.array(waited) + np.array(worked)
    middle, most = np.percentile(total, [50, 95])
    print(f"seconds from the end of speech to the answer: median {middle:.2f}, 95% below {most:.2f}")
    print(f"  of them work on the last {CHUNK} s of audio: median {np.median(worked):.3f}, most {np.max(worked):.3f}")


def measure_other(assistant: Assistant, path: Path) -> None:
    """False wakes, and commands that nobody gave."""
    before, started = assistant.woken, time.perf_counter()
    found, _ = _run(assistant, path)
    seconds = soundfile.info(path).duration
    print(
        f"other speech {seconds / 60:.0f} minutes: {assistant.woken - before} false wakes, {len(found)} false commands"
    )
    for answer, at in found:
        print(f"  {at:.1f} s: {answer.text!r} -> {answer.intent}")
    print(f"work: {(time.perf_counter() - started) / seconds:.1%} of real time on one core")


def _run(assistant: Assistant, path: Path) -> tuple[list[tuple[Command, float]], float]:
    """Each answer with the second of the recording in which it came; the seconds of work on the last one's chunk."""
    found, position, last = [], 0.0, 0.0
    for samples in _chunks(path, assistant.sample_rate):
        position += len(samples) / assistant.sample_rate
        started = time.perf_counter()
        answer = assistant.push(samples)
        if answer is not None:
            last = time.perf_counter() - started
            found.append((answer, position))
    return found, last


def _chunks(path: Path, rate: int) -> Iterator[np.ndarray]:
    with soundfile.SoundFile(path) as file:
        if file.samplerate != rate:
            raise SystemExit(f"{path} has {file.samplerate} Hz, the models {rate}")
        yield from file.blocks(round(CHUNK * rate), dtype="float32")


if __name__ == "__main__":
    main()
