"""The files of an evaluation of speech, with errors counted by hand."""

import csv
from pathlib import Path

import pytest

from sensorium.tasks.speech_recognition.report import write_transcripts

pytest.importorskip("jiwer")


def test_transcripts_worst_and_speakers(tmp_path: Path) -> None:
    paths = write_transcripts(
        tmp_path,
        names=["1.wav", "2.wav", "3.wav"],
        references=["one two", "three", "four five"],
        hypotheses=["one two", "three three", "nine"],
        speakers=["ann", "ann", "bob"],
    )
    assert [path.name for path in paths] == ["transcripts.csv", "worst.txt", "per_speaker.csv"]
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["words"], row["insertions"]) for row in rows[1:2]] == [("2.wav", "1", "1")]
    lines = paths[1].read_text().splitlines()
    assert lines[0] == "word error rate 60.00%: of 5 words 1 substituted, 1 deleted; 1 inserted"
    assert lines[2] == "3.wav: 100%"  # two errors come before one
    with paths[2].open(newline="") as file:
        speakers = {row["speaker"]: float(row["wer"]) for row in csv.DictReader(file)}
    assert speakers == {"ann": pytest.approx(1 / 3), "bob": 1.0}


def test_without_speakers_there_is_no_table_of_them(tmp_path: Path) -> None:
    paths = write_transcripts(tmp_path, names=["a"], references=["x"], hypotheses=["x"], speakers=[""])
    assert [path.name for path in paths] == ["transcripts.csv", "worst.txt"]
