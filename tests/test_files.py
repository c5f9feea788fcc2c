"""A file is whole or not there, and says what was written when parsed back."""

import csv
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensorium import output
from sensorium.checkpoint import save_atomically
from sensorium.data.base import Problem
from sensorium.data.io.tables import open_table
from sensorium.errors import RequestError, RunError
from sensorium.files import (
    csv_text,
    json_text,
    replacing,
    walk,
    write_atomically,
    write_csv,
    write_json,
    write_json_lines,
)


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, "first")
    write_atomically(path, "ü\n")
    assert path.read_bytes() == b"\xc3\xbc\n"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_raises_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, [["x"], [1]])

    def rows():
        yield ["x"]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_csv(path, rows())
    with pytest.raises(TypeError), replacing(path) as file:
        file.write("half")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_lines(path, [{"loss": 1.0}, {"loss": float("inf")}])
    assert path.read_text() == "x\n1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    begin = "import sys, pathlib, sensorium.files as files\nwith files.replacing(pathlib.Path('a')) as file:"
    lives = subprocess.Popen(
        [sys.executable, "-c", f"{begin}\n print(flush=True)\n sys.stdin.read()"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    lives.stdout.readline()
    subprocess.run([sys.executable, "-c", f"{begin}\n import os; os.kill(os.getpid(), 9)"], cwd=tmp_path, check=False)
    # The second was killed after it had looked for what others left; two files are there now, one of them held.
    kept = [".a.0123abcd.tmp", ".a.0123abcg.sensorium.tmp", "a.0123abcd.sensorium.tmp", ".next.ckpt"]
    for name in kept:
        (tmp_path / name).touch()
    assert len(list(tmp_path.glob(".a.*.sensorium.tmp"))) == 3
    write_atomically(tmp_path / "b", "")
    (held,) = set(tmp_path.glob(".a.*.sensorium.tmp")) - {tmp_path / kept[1]}
    assert {path.name for path in tmp_path.iterdir()} == {*kept, held.name, "b"}
    lives.communicate()
    assert lives.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "a", "b"}


def test_the_old_file_stays_readable_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, "old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_csv_parses_back_with_commas_quotes_and_blanks(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, [["name", "share", "right"], ['a, "b"\nc', 0.5, True], [None, float("nan"), False]])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name", "share", "right"], ['a, "b"\nc', "0.5", "true"], ["", "", "false"]]


def test_json_parses_back(tmp_path):
    value = {"accuracy": 0.5, "name": "näme"}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value
    write_json_lines(tmp_path / "a.jsonl", [value, [1]])
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()] == [
        value,
        [1],
    ]


def test_a_file_name_that_is_not_utf8_survives(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    write_csv(tmp_path / "a.csv", [[name]])
    assert (tmp_path / "a.csv").read_bytes() == b"caf\xe9.png\n"
    write_json(tmp_path / "a.json", name)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == name


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_has_the_usual_permissions(tmp_path):
    old = os.umask(0o022)
    try:
        write_atomically(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


CELL = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", " ", "a\rb", "\r", '"', "=1+1", "\0", "x\x1b[31m"]
)


@given(st.lists(st.lists(CELL, min_size=1, max_size=3), min_size=1))
def test_every_cell_comes_back(rows):
    """Through Python's own reader: bare carriage returns, control characters, formulas, rows of one empty cell."""
    assert list(csv.reader(io.StringIO(csv_text(rows), newline=""))) == rows


@given(st.lists(st.tuples(CELL, CELL)))
def test_every_cell_comes_back_through_our_own_tables(rows):
    """A text that holds rows of its own table is a problem, not a row; any other comes back."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        write_csv(path, [("text", "label"), *rows])
        found = list(open_table(path, encoding=None).rows(["text", "label"]))
    assert [row[1] for row in found if not isinstance(row, Problem)] == [list(row) for row in rows] or any(
        "," in cell and ("\n" in cell or "\r" in cell) for row in rows for cell in row
    )


def test_cells_come_back_through_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [["a\rb", '"', "=1"], [" x ", "\r\n", "NA"], ["", ";", "\x1b[31m"]]
    write_csv(tmp_path / "a.csv", [["a", "b", "c"], *rows])
    found = pandas.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    assert found.to_numpy().tolist() == rows


def test_halves_of_characters_end_no_writing(tmp_path):
    write_csv(tmp_path / "a.csv", [["a\ud83d", "b\udce9"]])
    assert (tmp_path / "a.csv").read_bytes() == b"a\\ud83d,b\xe9\n"


def test_json_is_valid_whatever_is_in_it():
    value = {
        "loss": float("nan"),
        "all": [1.5, float("-inf"), {"x": float("inf")}],
        "t": "\x9b31m \u2028 \ud83d \x1b é",
    }
    text = json_text(value)
    assert text.isprintable()
    assert text.encode() == text.encode("utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {
        "loss": None,
        "all": [1.5, None, {"x": None}],
        "t": "\x9b31m \u2028 \ud83d \x1b é",
    }


def test_a_device_and_a_pipe_are_written_to_and_stay(tmp_path, capfd):
    write_atomically(Path("/dev/stdout"), "seen")
    assert capfd.readouterr().out == "seen"
    write_atomically(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_file_of_standard_output_is_gone_on_with_and_not_begun_anew(tmp_path, monkeypatch):
    with (tmp_path / "log").open("wb") as file:
        file.write(b"before ")
        file.flush()
        write_atomically(Path(f"/dev/fd/{file.fileno()}"), "after")
    assert (tmp_path / "log").read_text() == "before after"


def test_of_a_link_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_text("old")
    (tmp_path / "folder" / "real").chmod(0o604)
    (tmp_path / "link").symlink_to(Path("folder") / "real")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").readlink() == Path("folder") / "real"
    assert (tmp_path / "folder" / "real").read_text() == "new"
    assert (tmp_path / "folder" / "real").stat().st_mode & 0o777 == 0o604


@pytest.fixture
def little_room(tmp_path):
    """Files of at most 2,000 bytes, for this process, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_said_with_the_name_of_the_file_and_leaves_the_old_one(tmp_path, little_room):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(OSError, match=f"File too large: '{path}'"):
        write_atomically(path, b"x" * 5000)
    with (
        pytest.raises(RunError, match=f"output={path} cannot be written: File too large."),
        output.opened(str(path)) as f,
    ):
        f.write("x" * 50000)
    with pytest.raises(
        RunError, match=f"{path}: could not be written .File too large.. The previous file is unchanged"
    ):
        save_atomically({"weights": torch.zeros(5000)}, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_whole_file_system_is_not_looked_through(tmp_path):
    (tmp_path / "root").symlink_to("/")
    for folder in (Path("/"), tmp_path / "root", Path("/proc")):
        with pytest.raises(RequestError, match=f"{folder} is .* file system; name a folder in it"):
            walk(folder)
