"""Running text for language models: cut where it should be, nothing lost between the parts, files never divided."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.batches import IGNORED
from sensorium.data.order import BatchPlan
from sensorium.data.text import running
from sensorium.data.text.python_source import PythonSource
from sensorium.data.text.running import RunningText, _cut
from sensorium.data.text.text_file import TextFile
from sensorium.data.text.texts import TextWriter
from sensorium.data.text.tiny_shakespeare import TinyShakespeare
from sensorium.errors import RequestError
from sensorium.text.build_tokenizer import tokenizer_from_dict

TOKENS = {"tokenizer": "char", "vocab_size": 500, "min_count": 1, "lowercase": False, "context": 16}


def file_of(path, **changes) -> TextFile:
    settings = {"suffix": ".txt", "encoding": None, "val_fraction": 0.1, "test_fraction": 0.1}
    return TextFile(path=None if path is None else str(path), **settings | TOKENS | changes)


def told(dataset, on_bad="fail") -> str:
    with pytest.raises(RequestError) as error:
        dataset.load(on_bad=on_bad)
    return str(error.value)


def texts_of(data) -> list[str]:
    tokenizer = tokenizer_from_dict(data.spec.tokenizer)
    return [tokenizer.decode(part.tokens.tolist()) for part in (data.train, data.val, data.test)]


TEXT = "".join(f"line {number} of the text: ä 坏 😀\n" for number in range(100))


def test_parts_are_the_last_ones_of_the_text(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    data = file_of(tmp_path / "book.txt").load(on_bad="fail")
    eighty, ninety = int(len(TEXT) * 0.8), int(len(TEXT) * 0.9)
    assert texts_of(data) == [TEXT[:eighty], TEXT[eighty:ninety], TEXT[ninety:]]
    assert data.val.num_characters == ninety - eighty - 1
    assert data.val.num_bytes == len(TEXT[eighty + 1 : ninety].encode())
    assert (data.spec.context, data.spec.vocab_size) == (16, len(set(TEXT[:eighty])) + 4)
    assert f"tokens: train {eighty:,}, val {ninety - eighty:,}, test {len(TEXT) - ninety:,}" in data.notes


@pytest.mark.parametrize("piece", [1, 7, 50, 1 << 16])
def test_the_size_of_pieces_changes_nothing(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(running, "_PIECE", piece)
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    assert "".join(texts_of(file_of(tmp_path / "book.txt").load(on_bad="fail"))) == TEXT


@given(texts=st.lists(st.text(), max_size=6), share=st.floats(0, 1, exclude_max=True))
def test_a_cut_is_between_two_characters(texts: list[str], share: float) -> None:
    writer = TextWriter()
    for text in texts:
        writer.add(text)
    pieces, begin = _cut(writer.finish(), share)
    whole = "".join(texts)
    assert "".join(pieces[:begin]) == whole[: int(len(whole) * share)]
    assert "".join(pieces) == whole


def test_bpe_counts_the_characters_that_are_predicted(tmp_path):
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    data = file_of(tmp_path / "book.txt", tokenizer="bpe").load(on_bad="fail")
    assert "".join(texts_of(data)) == TEXT
    tokenizer = tokenizer_from_dict(data.spec.tokenizer)
    for part in (data.train, data.val, data.test):
        predicted = tokenizer.decode(part.tokens[1:].tolist())
        assert (part.num_characters, part.num_bytes) == (len(predicted), len(predicted.encode()))


def test_a_folder_of_files(tmp_path):
    (tmp_path / "b.txt").write_text("second\r\nfile", newline="")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "z.txt").write_text("\ufefffirst\n", encoding="utf-16")
    (tmp_path / "c.md").write_text("no\nno\nno\n")
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / "d.txt").write_text("third file on third\n")
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9 au lait")
    (tmp_path / "void.txt").write_text("\n\n")
    data = file_of(tmp_path).load(on_bad="skip")
    assert "".join(texts_of(data)).lstrip("\ufeff") == "first\nsecond\nfile\nthird file on third\n"
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in data.problems] == [
        "bad.txt:1: not UTF-8 (byte 0xe9); if it is in another encoding, dataset.encoding=NAME says so (latin-1 ...)",
        "void.txt: no text",
    ]
    assert "The data has 2 problems" in told(file_of(tmp_path))
    other = file_of(tmp_path, suffix=".md", val_fraction=0.3, test_fraction=0.3)
    assert texts_of(other.load(on_bad="fail")) == ["no\n", "no\n", "no\n"]


def test_text_that_cannot_be_used(tmp_path):
    assert told(file_of(None)) == "dataset.path is not set. Give a file or folder: dataset.path=FOLDER."
    assert "has no files that end in '.txt'" in told(file_of(tmp_path))
    path = tmp_path / "short.txt"
    path.write_text("short\n")
    assert f"{path}: the val split has 1 token, and at least 2 are needed." in told(file_of(path))
    path.write_text("")
    assert told(file_of(path)) == f"{path} holds no text. The first problem: {path}: no text"
    with pytest.raises(RequestError, match="leave nothing for training"):
        file_of(path, val_fraction=0.5, test_fraction=0.5)
    with pytest.raises(RequestError, match=r"dataset\.context=0: give a number of tokens"):
        file_of(path, context=0)


def test_a_ready_tokenizer(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    spec = file_of(tmp_path / "book.txt").load(on_bad="fail").spec
    (tmp_path / "other.txt").write_text("XYZ line of text\n" * 9)
    data = file_of(tmp_path / "other.txt", tokenizer=spec.tokenizer).load(on_bad="fail")
    assert data.spec == spec
    assert data.train.tokens[:3].tolist() == [1, 1, 1]  # X, Y and Z are unknown


def test_evaluation_predicts_all_but_the_first_token(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    split = file_of(tmp_path / "book.txt").load(on_bad="fail").val
    batches = split.order(BatchPlan(size=3, shuffle=False, seed=0)).batches()
    targets = np.concatenate([split.read(rows).targets.numpy().ravel() for rows in batches])
    assert sorted(targets[targets != IGNORED]) == sorted(split.tokens[1:].tolist())


# -- Tiny Shakespeare


def test_tiny_shakespeare(tmp_path):
    whole = "".join(f"{number:04d}\n" for number in range(500))
    (tmp_path / "input.txt").write_text(whole)
    for root in (tmp_path, tmp_path / "input.txt"):
        data = TinyShakespeare(root=str(root), **TOKENS).load(on_bad="fail")
        first, last = int(2500 * 0.9 * 0.95), int(2500 * 0.9)
        assert texts_of(data) == [whole[:first], whole[first:last], whole[last:]]
        assert "test: the last 10% of the text" in data.notes[0]
    (tmp_path / "input.txt").rename(tmp_path / "inputs.txt")
    assert "Did you mean" in told(TinyShakespeare(root=str(tmp_path), **TOKENS))


# -- Python's own sources


def source_of(folder=None, **changes) -> PythonSource:
    settings = {"max_bytes": 200_000, "data_seed": 0, "val_fraction": 0.1, "test_fraction": 0.1}
    return PythonSource(folder=None if folder is None else str(folder), **settings | TOKENS | changes)


def test_the_library_of_the_python_that_runs():
    data = source_of().load(on_bad="skip")
    train, val, test = texts_of(data)
    total = len((train + val + test).encode())
    assert 100_000 < total <= 200_000
    assert 0.08 * total <= len(test.encode()) <= 0.1 * total + 1
    assert train.count("def ") > 20
    again = source_of().load(on_bad="skip")
    assert texts_of(again) == [train, val, test]
    assert texts_of(source_of(data_seed=1).load(on_bad="skip")) != [train, val, test]


def test_a_file_of_source_is_in_one_part(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "left_out.py").write_text("x = 1\n")
    for number in range(20):
        (tmp_path / f"file_{number:02d}.py").write_text(f"# {number:02d} 0123456789\n" * 10)
    parts = texts_of(source_of(tmp_path).load(on_bad="fail"))
    numbers = [{line[:4] for line in part.splitlines() if line} for part in parts]
    assert [len(found) for found in numbers] == [16, 2, 2]
    assert set.union(*numbers) == {f"# {number:02d}" for number in range(20)}
    assert "give 2 source files; each of the three splits needs one" in told(source_of(tmp_path, max_bytes=350))


def test_pieces_end_at_line_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "_PIECE", 10)
    (tmp_path / "a.txt").write_text("12345\n78\nabcdefghijklmnop\nxy")
    text = RunningText("text")
    text.add_file(tmp_path / "a.txt")
    assert list(text.finish()) == ["12345\n78\n", "abcdefghij", "klmnop\nxy\n"]


def test_linked_folders_are_read_and_what_is_not_is_named(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.txt").write_text("abc " * 50)
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("xyz " * 50)
    (root / "c.pdf").write_text("no")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    data = file_of(root).load(on_bad="fail")
    assert len(data.train) + len(data.val) + len(data.test) == len("xyz " * 50 + "\n" + "abc " * 50 + "\n") - 3
    assert f"{root}: 1 file not read (.pdf), such as {root}/c.pdf" in data.notes
    assert f"{root}/loop: a link that leads back to a folder it lies in; not followed" in data.notes


def test_a_file_that_is_another_one_again_is_named(tmp_path):
    for name, text in (("a", TEXT), ("b", f"{TEXT}more\n"), ("c", TEXT)):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    notes = [note for note in file_of(tmp_path).load(on_bad="fail").notes if "the same text" in note]
    assert notes == [f"{tmp_path}/c.txt: the same text as {tmp_path}/a.txt; what is tested may be trained on"]
