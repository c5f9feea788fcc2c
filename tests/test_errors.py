"""Errors that a person can act on: the nearest name, short lists, and what kind of failure it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.errors import RequestError, RunError, SensoriumError, listing, missing_extra, nearest, unknown


def test_two_kinds_are_told_apart_by_exit_status() -> None:
    assert (RequestError("").exit_status, RunError("").exit_status) == (2, 1)
    assert isinstance(RequestError(""), SensoriumError)
    assert isinstance(RunError(""), SensoriumError)


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("resnet9", "resnet8"),
        ("ResNet8", "resnet8"),
        ("mobilenet-v3", "mobilenet_v3"),
        ("mobilnet_v3", "mobilenet_v3"),
        ("lenet", "lenet"),
        ("zzzzzz", None),
        ("", None),
    ],
)
def test_the_nearest_name(given_name: str, expected: str | None) -> None:
    assert nearest(given_name, ["resnet8", "mobilenet_v3", "lenet"]) == expected


def test_nothing_is_near_to_nothing() -> None:
    assert nearest("resnet8", []) is None


def test_nothing_allowed_is_said() -> None:
    assert str(unknown("key", "dropout", [])) == "There is no key 'dropout'.\nAllowed: none."


@given(st.lists(st.text(st.characters(categories=["Ll"]), min_size=1), min_size=1, unique=True))
def test_a_name_is_nearest_to_itself(names: list[str]) -> None:
    assert all(nearest(name, names) == name for name in names)


def test_long_lists_are_cut() -> None:
    assert listing(["a", "b"]) == "a, b"
    assert listing(map(str, range(5)), limit=5) == "0, 1, 2, 3, 4"
    assert listing(map(str, range(7)), limit=5) == "0, 1, 2, 3, 4 ... and 2 more"
    assert listing([]) == ""


def test_an_unknown_name_says_what_was_given_what_is_near_and_what_is_allowed() -> None:
    error = unknown("model", "lenett", ["vgg11", "lenet"])
    assert isinstance(error, RequestError)
    assert str(error) == "There is no model 'lenett'. Did you mean lenet?\nAllowed: lenet, vgg11."
    assert str(unknown("model", "zzzz", ["vgg11"])) == "There is no model 'zzzz'.\nAllowed: vgg11."


def test_a_missing_package_says_what_to_type() -> None:
    error = missing_extra("timm", "timm")
    assert isinstance(error, RequestError)
    assert "pip install 'sensorium[timm]'" in str(error)
