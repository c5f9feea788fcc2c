"""The best setting against the default one, on seeds that no trial had."""

from io import StringIO

import pytest
from rich.console import Console
from searches import prepare, start

from sensorium.search.claims import Claims
from sensorium.search.compare import compare, new_seeds, paired
from sensorium.search.folder import SweepFolder
from sensorium.search.space import parse
from sensorium.search.study import Journal
from sensorium.search.training import Slot
from sensorium.search.trial import Workplace


def test_pairs_by_hand() -> None:
    found = paired("val/accuracy", [3.0, 5.0, 7.0], [2.0, 3.0, 4.0])
    # Differences 1, 2, 3: mean 2, deviation 1. The 97.5% point of Student's t with 2 degrees of freedom is 4.3027.
    half = 4.3026527 / 3**0.5
    assert (found.best, found.default, found.difference) == (5.0, 3.0, 2.0)
    assert found.interval == pytest.approx((2 - half, 2 + half))
    assert "0 is inside: no difference is shown" in found.line()
    sure = paired("val/accuracy", [0.9, 0.91], [0.5, 0.52])
    assert "inside" not in sure.line()
    assert "difference 0.3950" in sure.line()
    assert paired("val/accuracy", [0.9, 0.8], [0.5, 0.4]).interval is None  # a point would claim certainty


def test_new_seeds_are_new() -> None:
    assert new_seeds(parse(["lr=1,2"]), 3) == [1, 2, 3]  # the trials had 0
    assert new_seeds(parse(["lr=1,2", "seed=7"]), 2) == [8, 9]
    assert new_seeds(parse(["lr=1,2", "seed=4,2"]), 2) == [5, 6]


def test_both_sides_are_trained_once_with_each_seed(tmp_path) -> None:
    space = parse(["lr=0.5,0.6", "seed=3", "model=a"])
    sweep = SweepFolder(tmp_path)
    work = Workplace(sweep, space, Journal.open(sweep), None, prepare, start, Claims(sweep))
    printed = StringIO()
    for _ in range(2):  # the second time nothing is left to train
        (found,) = compare(
            work, {"lr": "0.5"}, seeds=2, slots=[Slot(0, {}), Slot(1, {})], console=Console(file=printed), go_on="x"
        )
        # Best: lr=0.5, 0.9 behind nine epochs. Default: lr=0.9, 0.9 * 0.6.
        assert (found.metric, found.seeds) == ("val/accuracy", 2)
        assert (found.best, found.default, found.difference) == pytest.approx((0.9, 0.54, 0.36))
    given = {path.parent.name: path.read_text().split() for path in tmp_path.glob("comparison/*/overrides.txt")}
    assert given == {
        "best_4": ["model=a", "lr=0.5", "seed=4"],
        "best_5": ["model=a", "lr=0.5", "seed=5"],
        "default_4": ["model=a", "seed=4"],
        "default_5": ["model=a", "seed=5"],
    }
    assert {path.read_text() for path in tmp_path.glob("comparison/*/begun")} == {"0\n"}
