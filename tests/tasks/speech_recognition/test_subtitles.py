"""Subtitles: cues end at pauses and before they are too long; times as the two formats have them."""

from sensorium.tasks.speech_recognition.predict import Word
from sensorium.tasks.speech_recognition.subtitles import cues, srt, vtt

WORDS = [
    Word("seven", 0.25, 0.5, 0.9),
    Word("three", 0.6, 1.0, 0.8),
    Word("a<b & c", 3661.0, 3661.9996, 0.7),
]


def test_srt_numbers_its_cues_and_writes_commas() -> None:
    assert srt(WORDS) == (
        "1\n00:00:00,250 --> 00:00:01,000\nseven three\n\n2\n01:01:01,000 --> 01:01:02,000\na<b & c\n"
    )


def test_vtt_begins_with_its_name_and_writes_points() -> None:
    assert vtt(WORDS[:1]) == "WEBVTT\n\n00:00:00.250 --> 00:00:00.950\nseven\n"
    assert vtt([]) == "WEBVTT\n"


def test_a_cue_ends_at_a_pause_of_seven_tenths() -> None:
    near = [Word("a", 0, 1.0, 1), Word("b", 1.69, 2, 1)]
    far = [Word("a", 0, 1.0, 1), Word("b", 1.71, 2, 1)]
    assert [len(found) for found in (cues(near), cues(far))] == [1, 2]


def test_no_cue_is_longer_than_six_seconds_or_wider_than_two_lines() -> None:
    steady = [Word("word", second, second + 1.0, 1) for second in range(13)]
    assert [len(cue) for cue in cues(steady)] == [6, 6, 1]
    wide = [Word("x" * 24, place / 10, place / 10 + 0.1, 1) for place in range(4)]  # 24 + 25 + 25 = 74
    assert [len(cue) for cue in cues(wide)] == [3, 1]


def test_entities_are_webvtts_alone() -> None:
    word = [Word("r&b <i> -->", 0, 1, 1)]
    assert srt(word).splitlines()[2] == "r&b <i> -->"
    assert vtt(word).splitlines()[3] == "r&amp;b &lt;i> --&gt;"


def test_a_short_cue_stays_for_seven_tenths_where_there_is_room() -> None:
    words = [Word("a", 1.0, 1.1, 1), Word("b" * 74, 1.4, 1.5, 1), Word("c", 3.0, 4.0, 1)]
    times = [line for line in srt(words).splitlines() if "-->" in line]
    assert times == [
        "00:00:01,000 --> 00:00:01,400",
        "00:00:01,400 --> 00:00:02,100",
        "00:00:03,000 --> 00:00:04,000",
    ]
