"""Tables of recordings: every column, every kind of file, and what is wrong with a row."""

import json
from pathlib import Path

import numpy as np
import pytest
from tones import SPEECH, tone, write

from sensorium.data.audio.speech_manifest import SpeechManifest
from sensorium.data.listing import SPLIT_NAMES
from sensorium.errors import RequestError

SETTINGS = SPEECH | {
    "val_path": None,
    "test_path": None,
    "audio_column": "audio",
    "text_column": "text",
    "start_column": None,
    "end_column": None,
    "speaker_column": None,
    "duration_column": None,
    "audio_root": None,
    "split_column": None,
    "encoding": None,
}
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
PARTS = ("train", "val", "test")


def load(path, on_bad="fail", **changes):
    return SpeechManifest(path=path and str(path), **SETTINGS | changes).load(on_bad=on_bad)


def told(path, on_bad="fail", **changes) -> str:
    with pytest.raises(RequestError) as error:
        load(path, on_bad, **changes)
    return str(error.value)


@pytest.fixture
def rows(tmp_path):
    """A file for each word, in a folder beside the table."""
    for n, word in enumerate(WORDS):
        write(tmp_path / "wavs" / f"{word}.wav", tone(200 + 50 * n, 0.3))
    return [{"audio": f"wavs/{word}.wav", "text": word} for word in WORDS]


def table(folder: Path, rows, kind="csv", name="list") -> Path:
    path = folder / f"{name}.{kind}"
    columns = list(rows[0])
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        arrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), path)
    else:
        separator = "\t" if kind == "tsv" else ","
        lines = [columns, *([str(row[column]) for column in columns] for row in rows)]
        path.write_text("".join(separator.join(line) + "\n" for line in lines))
    return path


def everything(data) -> dict[str, str]:
    """The transcript of every recording by name."""
    parts = [getattr(data, part) for part in PARTS]
    return {name: text for part in parts for name, text in zip(part.names, part.texts, strict=True)}


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table(tmp_path, rows, kind):
    data = load(table(tmp_path, rows, kind))
    assert everything(data) == {f"{tmp_path}/wavs/{word}.wav": word for word in WORDS}
    assert data.val.paths == data.val.names
    number = WORDS.index(data.val.texts[0])
    assert np.array_equal(data.val.read(np.array([0])).signal[0], tone(200 + 50 * number, 0.3))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_every_column(tmp_path, rows, kind):
    for n, row in enumerate(rows):
        start, end = (0.03 * n, 0.3) if n % 2 else ("", "") if kind == "csv" else (None, None)
        row |= {"start": start, "end": end, "speaker": f"s{n % 3}" if n else "", "split": "val" if n == 1 else "train"}
    rows[2]["split"], rows[4]["split"] = "Test", "dev"
    rows[3]["end"] = 0.29 if kind == "jsonl" else "0.29"
    data = load(table(tmp_path, rows, kind))
    assert [len(getattr(data, part)) for part in PARTS] == [5, 2, 1]
    assert data.val.names == [f"{tmp_path}/wavs/two.wav[0.03-0.3]", f"{tmp_path}/wavs/five.wav"]
    assert data.val.speakers == ["s1", "s1"]
    assert data.val.durations.tolist() == [0.27, 0.3]
    assert np.array_equal(data.val.read(np.array([0])).signal[0], tone(250, 0.3)[240:])
    row = list(data.train.texts).index("four")
    assert data.train.durations[row] == 0.2
    assert np.array_equal(data.train.read(np.array([row])).signal[0], tone(350, 0.3)[720:2320])
    assert data.train.speakers[list(data.train.texts).index("one")] == ""
    assert "val: 1 of 1 speaker also in train; results are not speaker-independent" in data.notes


def test_columns_of_other_names(tmp_path, rows):
    renamed = [
        {
            "wav": row["audio"],
            "said": row["text"],
            "who": "s",
            "from": 0.1,
            "to": 0.2,
            "part": "val" if n < 2 else "train",
        }
        for n, row in enumerate(rows)
    ]
    names = {"audio": "wav", "text": "said", "speaker": "who", "start": "from", "end": "to", "split": "part"}
    settings = {f"{what}_column": name for what, name in names.items()}
    data = load(table(tmp_path, renamed), **settings)
    assert set(data.val.texts) == {"one", "two"}
    assert data.val.durations.tolist() == [0.1, 0.1]
    assert data.val.speakers == ["s", "s"]


def test_missing_columns_are_told_with_those_there_are(tmp_path, rows):
    path = table(tmp_path, [{"audio_file": row["audio"], "text": row["text"]} for row in rows])
    assert told(path) == (
        f"{path} has no column 'audio'. Did you mean dataset.audio_column=audio_file?\n"
        "Its columns are: audio_file, text."
    )
    assert "has no column 'speaker_id'" in told(table(tmp_path, rows), speaker_column="speaker_id")
    assert "dataset.split_column=NAME names another one" in told(table(tmp_path, rows), split_column="zzz")


def test_tables_that_are_parts(tmp_path, rows):
    (tmp_path / "more").mkdir()
    for row in rows[6:]:
        row["audio"] = f"../{row['audio']}"
    data = load(
        table(tmp_path, rows[:4]),
        val_path=str(table(tmp_path, rows[4:6], "tsv", "val")),
        test_path=str(table(tmp_path / "more", rows[6:], "jsonl", "test")),
    )
    assert [list(getattr(data, part).texts) for part in PARTS] == [list(WORDS[:4]), ["five", "six"], ["seven", "eight"]]
    assert data.test.names[0] == f"{tmp_path}/more/../wavs/seven.wav"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"audio": "wavs/none.wav"},
            "there is no file {folder}/wavs/none.wav; dataset.audio_root=FOLDER is what paths are relative to",
        ),
        ({"audio": ""}, "no audio"),
        ({"text": " "}, "{folder}/wavs/three.wav[0.1-0.2]: no transcript"),
        ({"start": "early"}, "start 'early' is not a number of seconds"),
        ({"end": "nan"}, "end 'nan' is not a number of seconds"),
        ({"start": "0.2"}, "{folder}/wavs/three.wav[0.2-0.2]: a segment from 0.2 s to 0.2 s is impossible"),
        ({"end": "0.9"}, "{folder}/wavs/three.wav[0.1-0.9]: ends at 0.9 s, but the file ends at 0.30 s"),
        (
            {"split": "tset"},
            f"split 'tset' is none of {', '.join(SPLIT_NAMES)}",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path, rows, change, said):
    for n, row in enumerate(rows):
        row |= {"start": "0.1", "end": "0.2", "split": PARTS[max(0, n - 5)]}
    rows[2] |= change
    path = table(tmp_path, rows)
    assert told(path).splitlines()[1] == f"  {path}:4: {said.format(folder=tmp_path)}"
    data = load(path, "skip")
    assert len(everything(data)) == 7
    assert [problem.place for problem in data.problems] == [f"{path}:4"]


def test_a_row_with_too_few_cells(tmp_path, rows):
    path = table(tmp_path, rows)
    path.write_text(path.read_text() + "wavs/one.wav\n")
    assert f"{path}:10: 1 cells where the first line has 2" in told(path)


def test_absolute_paths(tmp_path, rows):
    (tmp_path / "elsewhere").mkdir()
    for row in rows:
        row["audio"] = str(tmp_path / row["audio"])
    assert len(everything(load(table(tmp_path / "elsewhere", rows)))) == 8


def test_no_table(tmp_path, rows):
    assert "dataset.path is not set" in told(None)
    assert "there is no such file" in told(tmp_path / "lsit.csv")
    (tmp_path / "empty.csv").write_text("audio,text\n")
    assert told(tmp_path / "empty.csv") == f"{tmp_path / 'empty.csv'} lists no usable recording."
    (tmp_path / "bad.csv").write_text("audio,text\nnone.wav,one\n")
    assert told(tmp_path / "bad.csv") == (
        f"{tmp_path / 'bad.csv'} lists no usable recording. "
        f"The first problem: {tmp_path / 'bad.csv'}:2: there is no file {tmp_path / 'none.wav'};"
        " dataset.audio_root=FOLDER is what paths are relative to"
    )


@pytest.mark.parametrize("columns", [("offset", "duration"), ("start", "duration")])
def test_pieces_by_their_duration_as_nemo_has_them(tmp_path, rows, columns):
    start, duration = columns
    path = table(tmp_path, [row | {start: 0.1, duration: 0.06 + 0.01 * n} for n, row in enumerate(rows)], "jsonl")
    data = load(path)
    found = np.concatenate([getattr(data, part).durations for part in PARTS])
    assert sorted(np.round(found, 3)) == [round(0.06 + 0.01 * n, 3) for n in range(len(rows))]


def test_a_duration_alone_is_that_of_the_file(tmp_path, rows):
    data = load(table(tmp_path, [row | {"duration": 0.2} for row in rows], "jsonl"))
    assert set(data.train.durations.round(3)) == {0.3}


def test_recordings_in_another_folder(tmp_path, rows):
    names = [row | {"audio": row["audio"].removeprefix("wavs/")} for row in rows]
    path = table(tmp_path, names)
    assert "dataset.audio_root=FOLDER is what paths are relative to" in told(path)
    data = load(path, audio_root=str(tmp_path / "wavs"))
    assert len(data.train) + len(data.val) + len(data.test) == len(rows)


def test_paths_as_other_systems_write_them(tmp_path, rows):
    """Windows' separators; accents as letters of their own, as macOS names files."""
    write(tmp_path / "wavs" / "caf\u00e9.wav", tone(900, 0.3))
    others = [*(row | {"audio": row["audio"].replace("/", "\\")} for row in rows)]
    others.append({"audio": "wavs\\cafe\u0301.wav", "text": "coffee"})
    found = everything(load(table(tmp_path, others)))
    assert found == {f"{tmp_path}/wavs/{word}.wav": word for word in WORDS} | {
        f"{tmp_path}/wavs/caf\u00e9.wav": "coffee"
    }


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            {"start": "0.1", "end": "0.2", "duration": "0.3"},
            "start 0.1, end 0.2 and duration 0.3 contradict each other",
        ),
        ({"start": "0.1", "offset": "0.2"}, "start 0.1 and offset 0.2 contradict each other"),
        ({"end": "0_2"}, "end '0_2' is not a number of seconds"),
    ],
)
def test_times_that_contradict_each_other(tmp_path, rows, times, message):
    assert message in told(table(tmp_path, [row | times for row in rows]))


def test_names_of_columns_in_capitals(tmp_path, rows):
    data = load(table(tmp_path, [row | {"Start": "0.1", "End": "0.3"} for row in rows]))
    assert data.train.durations == pytest.approx([0.2] * len(data.train))
