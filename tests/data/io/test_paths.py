"""What settings and tables name as files."""

from pathlib import Path

import pytest

from sensorium.data.io.paths import existing
from sensorium.errors import RequestError
from sensorium.files import exists, is_file, is_folder, meant
from sensorium.tasks.raw_inputs import image_files, texts

LONG = "a" * 300


def test_a_name_that_is_too_long_for_any_file_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / LONG
    assert (exists(path), is_file(path), is_folder(path), meant(path / "x")) == (False, False, False, "")
    for given in (LONG, f"{tmp_path}/{LONG}/{LONG}.txt"):
        for read in (lambda given=given: existing("path", given), lambda given=given: texts(given, None)):
            with pytest.raises(RequestError, match="there is no such file"):
                read()
        with pytest.raises(RequestError, match="there is no such file or folder"):
            image_files(given)
    with pytest.raises(RequestError) as error:
        existing("path", "b" * 5000)
    assert str(error.value) == f"dataset.path={'b' * 80}...: there is no such file."
