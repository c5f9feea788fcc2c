"""A person's words for decoding: null is what is usual, and a word for another kind of data is refused."""

from pathlib import Path

import pytest

from sensorium.errors import RequestError
from sensorium.tasks.decoding_settings import BeamSettings, CTCSettings, settings_from


def test_null_is_what_is_usual() -> None:
    given = {"beam_size": None, "length_penalty": 0.5, "language_model": None}
    assert settings_from(BeamSettings, given) == BeamSettings(length_penalty=0.5)
    assert settings_from(CTCSettings, {"beam_size": 8, "length_penalty": None}) == CTCSettings(beam_size=8)


def test_a_word_for_another_kind_of_data_is_refused() -> None:
    with pytest.raises(RequestError, match="length_penalty means nothing for transcripts"):
        settings_from(CTCSettings, {"length_penalty": 1.0})


def test_the_language_model_is_the_models_own_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text("an ARPA text")
    assert CTCSettings().arpa("own text") == ""
    assert CTCSettings(language_model="own").arpa("own text") == "own text"
    assert CTCSettings(language_model=str(path)).arpa("") == "an ARPA text"
    with pytest.raises(RequestError, match=r"dataset\.language_model=3"):
        CTCSettings(language_model="own").arpa("")
    with pytest.raises(RequestError, match="no such file"):
        CTCSettings(language_model=str(tmp_path / "other")).arpa("")


def test_a_lexicon_has_a_word_a_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("one\n\ntwo  T UW\n")
    assert CTCSettings(lexicon=str(path)).words() == ["one", "two"]
    assert CTCSettings().words() is None
