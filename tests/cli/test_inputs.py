"""Lines of a file: read one by one, and the file is closed when nobody needs it any more."""

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import RequestError
from sensorium.files import meant
from sensorium.tasks.raw_inputs import image_files, texts
from sensorium.tasks.text_inputs import UnreadableText
from sensorium.tasks.threshold_notes import ThresholdNotes

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


def test_of_several_files_a_missing_one_is_reported_and_the_others_are_read(file: Path) -> None:
    lost = file.with_name("lost.txt")
    found = list(texts([str(lost), str(file)], None))
    assert found == [UnreadableText(str(lost), "no such file or directory"), "one", "two ", "", "a\rb", "好"]
    image = file.with_name("a.png")
    image.touch()
    assert list(image_files([str(image), str(lost)])) == [image, lost]
    with pytest.raises(RequestError, match=r"lost\.txt: there is no such file"):
        image_files([str(lost), str(lost)])


def test_names_with_commas_between_are_several_inputs(file: Path) -> None:
    both = f"{file},{file}"
    with pytest.raises(RequestError, match=re.escape(f"Several inputs are a list: input=[{both}]")):
        texts(both, None)
    with pytest.raises(RequestError, match=re.escape(f"Several inputs are a list: input=[{both}]")):
        image_files(both)


def test_a_name_is_like_another_in_more_than_its_ending(tmp_path: Path) -> None:
    (tmp_path / "n5.png").touch()
    assert meant(tmp_path / "nope.png") == ""
    assert meant(tmp_path / "n6.png") == f" Did you mean {tmp_path / 'n5.png'}?"
    assert meant(tmp_path / "n5.jpg") == f" Did you mean {tmp_path / 'n5.png'}?"


def test_where_no_score_reaches_the_threshold_one_that_does_is_named() -> None:
    notes = ThresholdNotes(0.3, "box")
    notes.add(np.array([0.05, 0.21]))
    notes.add(np.array([]))
    assert notes.lines() == ["no box in 2 images: the highest score, 0.21, is below threshold=0.3; try threshold=0.1"]
    notes.add(np.array([0.31]))
    assert notes.lines() == []
    assert ThresholdNotes(0.3, "box").lines() == []


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
