"""Several runs side by side."""

import re

import numpy as np
import pytest
from scipy.stats import binomtest

from report_runs import write_run
from sensorium.reports import compare, page
from sensorium.reports.read import read_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of one config, and another learning rate."""
    root = tmp_path_factory.mktemp("runs")
    made = [
        write_run(root / "a", seed=0, accuracy=0.5),
        write_run(root / "b", seed=1, accuracy=0.7),
        write_run(root / "c", seed=0, lr=0.5, accuracy=0.9),
    ]
    return [read_run(run) for run in made]


def test_only_what_differs_is_shown(runs):
    assert compare.config_differences(runs) == [("optimizer.lr", [0.1, 0.1, 0.5]), ("seed", [0, 1, 0])]


def test_seeds_are_pooled(runs):
    (pool,) = compare.pooled(runs, ["A", "B", "C"])
    assert (pool.members, pool.seeds) == (["A", "B"], [0, 1])
    name, mean, spread, low, high = pool.rows[0]
    assert (name, low, high) == ("test/accuracy", 0.5, 0.7)
    assert (mean, spread) == pytest.approx((0.6, 0.2 / 2**0.5))


def test_the_best_value_is_known_where_the_direction_is(runs):
    rows = {name: best for name, _, best in compare.metric_rows(runs)}
    assert rows == {"test/accuracy": [2], "test/loss": []}
    rows = {name: best for name, _, best in compare.metric_rows([runs[2], runs[0], runs[2]])}
    assert rows["test/accuracy"] == [0, 2]
    rows = {name: best for name, _, best in compare.metric_rows([runs[0], runs[0]])}
    assert rows["test/accuracy"] == []


def test_a_pair_by_hand():
    x, y = np.array([1.0, 1, 1, 0, np.nan]), np.array([0.0, 1, 0, 0, 1])
    pair = compare.paired("A", "B", x, y, metric="accuracy", higher_is_better=True)
    assert (pair.mean_a, pair.mean_b, pair.difference, pair.examples) == (0.75, 0.25, 0.5, 4)
    assert (pair.wins, pair.losses, pair.p_value) == (2, 0, 0.5)
    assert pair.low == 0.0  # once in 2 ** 4 resamples all four are ties
    worse = compare.paired("A", "B", np.full(30, 2.0), np.ones(30), metric="errors", higher_is_better=False)
    assert (worse.losses, worse.better) == (30, "B")


def test_pairs_are_of_the_same_examples(runs):
    assert [(pair.a, pair.b) for pair in compare.pairs(runs, ["A", "B", "C"])] == [("A", "B"), ("A", "C"), ("B", "C")]
    same = compare.pairs([runs[0], runs[2]], ["A", "C"])[0]  # the same seed gave the same predictions
    assert (same.difference, same.p_value, same.better) == (0.0, 1.0, "")


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 5), (8, 1), (300, 250), (3000, 2700)])
def test_the_sign_test_is_scipys(wins, losses):
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert compare.sign_test(wins, losses) == pytest.approx(expected, rel=0.01)


def test_the_page(runs):
    html = page.render_comparison(runs)
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", html) == [
        *("Runs", "Metrics", "Differences", "Seeds", "Paired comparison", "Curves"),
    ]
    assert "Runs A, B (seeds 0, 1, n = 2)" in html
    assert "<script" in html
    assert "&lt;script" not in html.partition("</style>")[2].partition("<script>")[0]
