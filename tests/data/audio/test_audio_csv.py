"""Tables of recordings with classes: folds, names below a folder, pieces, and what is wrong with a row."""

from pathlib import Path

import pytest
from tones import SOUND, tone, write

from sensorium.data.audio.audio_csv import AudioCsv
from sensorium.errors import RequestError

SETTINGS = SOUND | {
    "val_path": None,
    "test_path": None,
    "split_column": None,
    "encoding": None,
    "on_conflict": "drop",
    "audio_column": "filename",
    "label_column": "category",
    "audio_root": None,
    "speaker_column": None,
    "start_column": None,
    "end_column": None,
    "fold_column": None,
    "test_fold": None,
    "val_fold": None,
}
PARTS = ("train", "val", "test")


def load(path, on_bad="fail", **changes):
    return AudioCsv(path=str(path), **SETTINGS | changes).load(on_bad=on_bad)


def told(path, **changes) -> str:
    with pytest.raises(RequestError) as error:
        load(path, **changes)
    return str(error.value)


def names(data) -> dict[str, list[str]]:
    return {part: sorted(Path(name).name for name in getattr(data, part).names) for part in PARTS}


@pytest.fixture
def esc(tmp_path):
    """Five folds of two classes, two recordings each, named FOLD-CLASS-NUMBER, as ESC-50 lies on disk."""
    rows = ["filename,fold,target,category"]
    for fold in range(1, 6):
        for target, category in enumerate(("dog", "rain")):
            for number in range(2):
                name = f"{fold}-{target}-{number}.wav"
                write(tmp_path / "audio" / name, tone(200 + 100 * fold + 1000 * target + 30 * number, 0.3))
                rows.append(f"{name},{fold},{target},{category}")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "meta" / "esc.csv"


def test_a_fold_is_the_test(esc):
    data = load(esc, audio_root=str(esc.parents[1] / "audio"), test_fold=2, val_fold="5")
    found = names(data)
    assert found["test"] == ["2-0-0.wav", "2-0-1.wav", "2-1-0.wav", "2-1-1.wav"]
    assert found["val"] == ["5-0-0.wav", "5-0-1.wav", "5-1-0.wav", "5-1-1.wav"]
    assert len(found["train"]) == 12
    assert data.spec.class_names == ("dog", "rain")
    assert list(data.notes[:2]) == ["val: fold 5", "test: fold 2"]
    held = load(esc, audio_root=str(esc.parents[1] / "audio"), test_fold=2)
    assert (names(held)["test"], len(held.val)) == (found["test"], 4)  # a quarter of the others


def test_files_are_found_by_name_below_audio_root(esc):
    """As UrbanSound8K has them: audio/fold1/NAME."""
    audio = esc.parents[1] / "audio"
    for fold in range(1, 6):
        for path in list(audio.glob(f"{fold}-*.wav")):
            write(audio / f"fold{fold}" / path.name, tone(100 * fold, 0.1)).unlink()
            path.rename(audio / f"fold{fold}" / path.name)
    write(audio / "fold1" / "other.wav", tone(100, 0.3))
    data = load(esc, audio_root=str(audio), test_fold=1)
    assert f"{audio}: 20 recordings found by name below it" in data.notes
    assert f"{audio}: 1 recording not listed in the table, such as {audio}/fold1/other.wav" in data.notes
    esc.write_text(esc.read_text().replace(".wav", ""))
    assert names(load(esc, audio_root=str(audio), test_fold=1)) == names(data)
    write(audio / "fold3" / "2-0-0.wav", tone(900, 0.3))
    assert f"{esc}:6: 2 files have this name: {audio}/fold2/2-0-0.wav, {audio}/fold3/2-0-0.wav" in told(
        esc, audio_root=str(audio), test_fold=1
    )


def test_folds_that_cannot_be(esc):
    audio = str(esc.parents[1] / "audio")
    assert "dataset.audio_root=FOLDER is what paths" in told(esc, test_fold=1)
    assert told(esc, audio_root=audio, test_fold=7) == (
        f"dataset.test_fold=7: {esc} has no such fold. It has: 1, 2, 3, 4, 5."
    )
    assert told(esc, test_fold=1, val_fold="1") == "dataset.test_fold and dataset.val_fold are both 1: give two folds."
    assert told(esc, fold_column="fold").endswith("set the test fold, such as dataset.test_fold=1.")
    assert "has no column 'folds'. Did you mean dataset.fold_column=fold?" in told(
        esc, fold_column="folds", test_fold=1
    )
    data = load(esc, audio_root=audio)
    assert "folds not used: 1, 2, 3, 4, 5; dataset.test_fold=1 tests on one" in data.notes


def test_pieces_and_rows_that_are_wrong(tmp_path):
    for number in range(8):
        write(tmp_path / f"{number}.wav", tone(200 + 50 * number, 0.6))
    rows = [f"{number}.wav;{'ab'[number % 2]};0.1;0.4" for number in range(8)]
    rows += ["0.wav;;0;0.2", ";a;0;0.2", "9.wav;a;0;0.2", "1.wav;a;0.2;7", "1.wav;a;x;7", ""]
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(["file;label;on;off", *rows]).encode() + b"\r\n3.wav;caf\xe9;0;1\r\n"
    )
    columns = {"audio_column": "file", "label_column": "label", "start_column": "on", "end_column": "off"}
    data = load(path, "skip", **columns)
    assert sorted(name for part in names(data).values() for name in part) == [
        f"{number}.wav[0.1-0.4]" for number in range(8)
    ]
    assert data.train.durations == pytest.approx([0.3] * len(data.train))
    assert [str(problem).removeprefix(f"{path}:") for problem in data.problems] == [
        "10: no label",
        "11: no audio",
        f"12: there is no file {tmp_path}/9.wav; dataset.audio_root=FOLDER is what paths are relative to",
        "14: start 'x' is not a number of seconds",
        "16: not UTF-8 (byte 0xe9); if it is in another encoding, dataset.encoding=NAME says so (latin-1 ...)",
        f"13: {tmp_path}/1.wav[0.2-7]: ends at 7 s, but the file ends at 0.60 s",
    ]


def test_tables_in_two_folders_name_their_own_files(tmp_path):
    for part, pitch in (("a", 200), ("b", 900)):
        rows = []
        for number in range(8):
            write(tmp_path / part / f"{number}.wav", tone(pitch + 50 * number, 0.3))
            rows.append(f"{number}.wav,{'xy'[number % 2]}")
        (tmp_path / part / "t.csv").write_text("\n".join(["filename,category", *rows]) + "\n")
    data = load(tmp_path / "a" / "t.csv", test_path=str(tmp_path / "b" / "t.csv"))
    assert list(data.test.paths) == [f"{tmp_path}/b/{number}.wav" for number in range(8)]
