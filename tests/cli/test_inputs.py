"""Lines of a file: read one by one, and the file is closed when nobody needs it any more."""

import os
import warnings
from pathlib import Path

import pytest

from sensorium.errors import RequestError
from sensorium.tasks.raw_inputs import texts

FD = Path("/proc/self/fd")
needs_proc = pytest.mark.skipif(not FD.exists(), reason="needs Linux to see which files are open")


def is_open(path: Path) -> bool:
    return str(path) in [os.path.realpath(link) for link in FD.iterdir()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo \n\na\rb\n\xe5\xa5\xbd")
    return path.resolve()


def test_lines(file: Path) -> None:
    assert list(texts(str(file), None)) == ["one", "two ", "", "a\rb", "好"]
    assert list(texts(None, "a\nb")) == ["a\nb"]


@needs_proc
def test_a_file_is_closed_at_its_end_and_when_it_is_dropped(file: Path) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")  # of a file that nobody closed
        lines = texts(str(file), None)
        next(lines)
        assert is_open(file)
        list(lines)
        assert not is_open(file)
        lines = texts(str(file), None)
        next(lines)
        assert is_open(file)
        del lines
        assert not is_open(file)
    assert told == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(file: Path) -> None:
    file.chmod(0)
    with pytest.raises(RequestError, match="cannot be opened: Permission denied"):
        next(texts(str(file), None))
