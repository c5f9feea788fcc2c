"""Values against annotations: what fits, what does not, and what is said of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Optional

import pytest
from torch import Tensor, nn

from sensorium.annotations import as_asked, choices, described, fits

Resize = Literal["crop", "pad"]
HUGE = 10**5000
NAN = float("nan")
BUILT = nn.Identity()

# annotation, values that fit, values that do not
TABLE = [
    (int, [0, -3, HUGE], [True, 1.0, "1", None, [1], {}]),
    (float, [0, 1.5, float("inf"), HUGE], [True, "1", None, NAN, [1.0]]),
    (bool, [True, False], [0, 1, "true", None]),
    (str, ["", "a", 7], [True, 1.5, None, ["a"], {}]),
    (None, [None], [0, "", False]),
    (Path, ["a", Path("a")], [1, None, ["a"]]),
    (Resize, ["crop"], ["cro", None, 1, ["crop"]]),
    (Literal["auto", 1, 3], ["auto", 1], ["1", 2, True, 1.0]),
    (int | None, [None, 3], [1.5, "a", False]),
    (Optional[float], [None, 3], ["a", NAN]),  # noqa: UP045
    (list[int], [[], [1, 2]], [[1, "a"], 1, "a", {"a": 1}, None]),
    (Sequence[str], [["a", 3], ("a",)], ["a", [1.5], None]),
    (tuple[int, float], [[1, 2], (1, 0.5)], [[1], [1, 2, 3], ["a", 1], 3]),
    (tuple[int, ...], [[], [1, 2, 3]], [[1, None], 2]),
    (int | Sequence[int], [3, [3, 4]], ["3", [None], 2.0]),
    (dict[str, bool], [{"a": True}, {}], [{"a": 1}, [True], True]),
    (Mapping[str, nn.Module | None], [{"a": BUILT, "b": None}, {"a": {"_target_": "x"}}], [3, "a", None, {"a": 3}]),
    (nn.Module | None, [BUILT, None, {"_target_": "x"}], [3, "a", True, 1.5]),
    (float | Tensor, [1, {"_target_": "x"}], ["a", True, None]),
    (Any, [1, None, "a", [NAN]], []),
    ("NotThere", [1, "a", None], []),
]
CASES = [(wanted, value, True) for wanted, good, _ in TABLE for value in good]
CASES += [(wanted, value, False) for wanted, _, bad in TABLE for value in bad]


@pytest.mark.parametrize(("annotation", "value", "fitting"), CASES, ids=lambda value: str(type(value).__name__))
def test_what_fits(annotation, value, fitting):
    assert fits(annotation, value) is fitting


def test_a_name_of_digits_becomes_text_where_text_is_asked_for():
    assert as_asked(str, 7) == "7"
    assert as_asked(str | None, 7) == "7"
    assert as_asked(Sequence[str], [0, "a"]) == ["0", "a"]
    assert as_asked(str | int, 7) == 7
    assert as_asked(int, 7) == 7
    assert as_asked(bool | str, True) is True


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (float | None, "a number or null"),
        (Resize, "crop, pad"),
        (Resize | None, "crop, pad or null"),
        (tuple[int, float], "[a whole number, a number]"),
        (list[str], "a list, each text"),
        (int | Sequence[int] | None, "a whole number or a list, each a whole number or null"),
        (Mapping[str, Any], "keys with values"),
        (nn.Module, "an object: a section with a _target_"),
    ],
)
def test_what_is_allowed_in_words(annotation, words):
    assert described(annotation) == words


def test_words_to_guess_from():
    assert choices(Resize | None) == ("crop", "pad")
    assert choices(Literal["auto", 1, 3]) == ("auto",)
    assert choices(int) == ()
