"""Guarantees hold as often as they say, and are those of independent implementations."""

import warnings

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores.sets.aps import APSConformityScore
from mapie.conformity_scores.sets.raps import RAPSConformityScore
from mapie.utils import _compute_classification_quantile
from scipy.optimize import brentq
from scipy.stats import betabinom, binom
from sklearn.base import BaseEstimator, ClassifierMixin

from sensorium.metrics.conformal import (
    FREE,
    PENALTY,
    bisection_steps,
    conformity_scores,
    error_bound,
    examples_needed,
    select,
    selection_needed,
    threshold,
)


def drawn(size: int, *, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, K) of a model that is too sure of itself, and labels (N,)."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(size, classes))
    truth = np.exp(logits)
    truth /= truth.sum(axis=1, keepdims=True)
    labels = (truth.cumsum(axis=1) > random.random((size, 1))).argmax(axis=1)
    p = np.exp(2 * logits)
    return p / p.sum(axis=1, keepdims=True), labels


def test_scores_by_hand() -> None:
    """u = 1 - 0.6: 0.4 * 0.6; 0.6 + 0.4 * 0.3; 0.9 + 0.4 * 0.1. Of equal classes the first comes first. Of seven
    classes the sixth and the seventh are penalized.
    """
    found = conformity_scores(np.array([[0.3, 0.6, 0.1], [0.5, 0.5, 0.0]]))
    np.testing.assert_allclose(found, [[0.72, 0.24, 0.94], [0.25, 0.75, 1.0]], atol=1e-12)
    (many,) = conformity_scores(np.array([[0.5, 0.1, 0.1, 0.1, 0.1, 0.06, 0.04]]))
    expected = [0.25, 0.55, 0.65, 0.75, 0.85, 0.9 + 0.03 + 0.001, 0.96 + 0.02 + 0.002]
    np.testing.assert_allclose(many, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("coverage", "needed"), [(0.95, 19), (0.99, 99), (0.9, 9), (0.5, 1), (0.999, 999), (0.9999, 9999)]
)
def test_examples_that_a_coverage_needs(coverage: float, needed: int) -> None:
    assert examples_needed(coverage) == needed
    assert threshold(np.arange(needed, dtype=float), coverage) == needed - 1  # the largest score
    with pytest.raises(ValueError, match=f"{needed - 1} scores are too few"):
        threshold(np.arange(needed - 1, dtype=float), coverage)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_the_stated_coverage_over_100_splits(coverage: float) -> None:
    """Of n calibration and m test examples, how many are covered is beta-binomial, whatever the model (Vovk 2012)."""
    n, m = 200, 300
    p, labels = drawn(n + m)
    scores = conformity_scores(p)[np.arange(n + m), labels]
    rank = int(np.ceil(round((n + 1) * coverage, 9)))
    low, high = betabinom.interval(0.99, 100 * m, rank, n + 1 - rank)  # of one split: far wider than of their mean
    covered = []
    for seed in range(100):
        order = np.random.default_rng(seed).permutation(n + m)
        found = threshold(np.sort(scores[order[:n]]), coverage)
        covered.append(int((scores[order[n:]] <= found).sum()))
    mean, spread = betabinom.stats(m, rank, n + 1 - rank)
    assert low / 100 <= np.mean(covered) <= high / 100
    assert abs(np.mean(covered) - mean) < 3 * np.sqrt(spread / 100)
    inside = betabinom.interval(0.99, m, rank, n + 1 - rank)
    assert sum(inside[0] <= one <= inside[1] for one in covered) >= 95


def test_coverage_of_independent_draws() -> None:
    """Each split's own examples, each count inside its exact interval but for at most 5 of 100 (expected: 1)."""
    n, m, coverage = 99, 200, 0.9
    low, high = betabinom.interval(0.99, m, 90, n + 1 - 90)
    outside = 0
    for seed in range(100):
        p, labels = drawn(n + m, seed=seed)
        scores = conformity_scores(p)[np.arange(n + m), labels]
        covered = (scores[n:] <= threshold(np.sort(scores[:n]), coverage)).sum()
        outside += not low <= covered <= high
    assert outside <= 5


class _AsGiven(ClassifierMixin, BaseEstimator):
    """Its inputs are the probabilities."""

    def __init__(self, classes: int = 5) -> None:
        self.classes_ = np.arange(classes)

    def fit(self, x: np.ndarray, y: np.ndarray) -> "_AsGiven":
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(axis=1)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return x


class _Shares(np.random.RandomState):
    """Draws, for so many examples, the share of a class's own probability that `conformity_scores` leaves out."""

    def __init__(self, *probabilities: np.ndarray) -> None:
        super().__init__(0)
        self.shares = {len(p): p.max(axis=1) for p in probabilities}

    def uniform(self, low=0.0, high=1.0, size=None):  # type: ignore[no-untyped-def]
        return self.shares[np.prod(size)].reshape(size)

    def __deepcopy__(self, memo: object) -> "_Shares":
        return self


class _Fixed(RAPSConformityScore):
    """With the penalty of `conformity_scores` instead of one that is chosen on a fifth of the examples."""

    def split_data(self, x, y, y_enc, *args):  # type: ignore[no-untyped-def]
        self.X_raps, self.y_raps, self.n_samples_ = x, y_enc, len(y)
        return x, y, y_enc, *args

    def get_conformity_score_quantiles(self, conformity_scores, alpha_np, cv, **kwargs):  # type: ignore[no-untyped-def]
        self.k_star, self.lambda_star = np.full(len(alpha_np), float(FREE)), PENALTY
        scores = self._regularize_conformity_score(self.k_star, self.lambda_star, conformity_scores, self.cutoff)
        return _compute_classification_quantile(scores, alpha_np)

    def _compute_v_parameter(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        # From the definition of the score. MAPIE, as the paper's algorithm 3, has the penalty in the denominator too,
        # though not in that of the calibration scores.
        return APSConformityScore._compute_v_parameter(self, *args, **kwargs)


def mapie_sets(
    score: object, p: np.ndarray, labels: np.ndarray, coverage: float, *, last: str | bool = "randomized"
) -> np.ndarray:
    """Of the rows behind the first 500, which MAPIE calibrates on."""
    held, new = p[:500], p[500:]
    oracle = SplitConformalClassifier(
        _AsGiven(p.shape[1]), coverage, conformity_score=score, prefit=True, random_state=_Shares(held, new)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle.conformalize(held, labels[:500])
        _, found = oracle.predict_set(new, conformity_score_params={"include_last_label": last})
    return found[:, :, 0]


def own_sets(p: np.ndarray, labels: np.ndarray, coverage: float) -> np.ndarray:
    scores = conformity_scores(p)
    return scores[500:] <= threshold(np.sort(scores[np.arange(500), labels[:500]]), coverage)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_the_sets_of_mapie(coverage: float) -> None:
    """Of five classes those of APS; of 40 those of RAPS with the same penalty."""
    p, labels = drawn(900)
    found = own_sets(p, labels, coverage)
    np.testing.assert_array_equal(found, mapie_sets("aps", p, labels, coverage))
    assert found.sum() > 100
    p, labels = drawn(900, classes=40)
    p = p**0.5 / (p**0.5).sum(axis=1, keepdims=True)  # MAPIE takes probabilities that are 1e-8 apart for equal
    found = own_sets(p, labels, coverage)
    np.testing.assert_array_equal(found, mapie_sets(_Fixed(), p, labels, coverage))
    assert found.sum() > 100
    assert (found != mapie_sets("aps", p, labels, coverage)).any() == (coverage > 0.5)  # then, of up to FREE classes


def test_the_penalty_cuts_the_largest_sets_and_keeps_the_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred classes, by probabilities whose tail is noise."""
    p, labels = drawn(3000, classes=100)
    noise = np.exp(np.random.default_rng(1).normal(size=p.shape))
    p = p**0.5 * noise
    p /= p.sum(axis=1, keepdims=True)
    found = own_sets(p, labels, 0.9)
    monkeypatch.setattr("sensorium.metrics.conformal.PENALTY", 0.0)
    plain = own_sets(p, labels, 0.9)
    assert found.sum(axis=1).max() < plain.sum(axis=1).max()
    assert found.sum() < plain.sum()
    rank = int(np.ceil(501 * 0.9))
    low, high = betabinom.interval(0.99, 2500, rank, 501 - rank)
    for sets in (found, plain):
        assert low <= sets[np.arange(2500), labels[500:]].sum() <= high


def test_the_least_sure_are_left_without_a_class() -> None:
    p = np.array([[0.99, 0.01], [0.7, 0.3], [0.55, 0.45]])
    np.testing.assert_array_equal((conformity_scores(p) <= 0.22).sum(axis=1), [1, 1, 0])


@pytest.mark.parametrize(("wrong", "total"), [(0, 50), (3, 200), (40, 60), (1, 1)])
def test_the_bound_is_the_binomial_tail(wrong: int, total: int) -> None:
    risk = 0.05 / 7
    expected = 1.0 if wrong == total else brentq(lambda rate: binom.cdf(wrong, total, rate) - risk, 0, 1, xtol=1e-12)
    assert error_bound(wrong, total, risk) == pytest.approx(expected, abs=1e-9)


def test_selection_by_hand() -> None:
    """Of 1,000, the surest 800 are right, the others wrong: no more can be predicted than the bound allows."""
    confidence = np.linspace(1, 0.5, 1000).astype(np.float32)
    found = select(confidence, np.arange(1000) < 800, 0.02)
    assert found is not None
    count = round(found.covered * 1000)
    assert found.threshold == confidence[count - 1]
    steps = bisection_steps(1000)
    assert steps == 10
    bounds = [error_bound(max(0, one - 800), one, 0.05 / steps) for one in (count, count + 1)]
    assert bounds[0] <= 0.02 < bounds[1]
    assert found.bound == bounds[0]


def test_examples_of_one_confidence_go_together() -> None:
    confidence = np.repeat(np.array([0.9, 0.6], np.float32), 500)
    found = select(confidence, np.arange(1000) < 500, 0.05)
    assert found is not None
    assert (found.threshold, found.covered) == (np.float32(0.9), 0.5)


def test_the_error_rate_is_below_what_is_shown() -> None:
    """In 200 draws the promise of 95% fails no more often than chance allows."""
    failed = selected = 0
    for seed in range(200):
        p, labels = drawn(1000, classes=3, seed=seed)
        confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
        order = np.argsort(-confidence[:400], kind="stable")
        if (found := select(confidence[:400][order], right[:400][order], 0.1)) is None:
            continue
        selected += 1
        chosen = confidence[400:] >= found.threshold
        failed += binom.sf((~right[400:] & chosen).sum() - 1, chosen.sum(), 0.1) < 0.01
    assert selected > 50
    assert failed <= 7


def test_the_fewest_examples_for_an_error_rate() -> None:
    for rate in (0.02, 0.05, 0.2):
        size = selection_needed(rate)
        assert error_bound(0, size, 0.05 / bisection_steps(size)) <= rate
        assert select(np.full(size, 0.9, np.float32), np.ones(size, bool), rate) is not None
        assert select(np.full(size // 2, 0.9, np.float32), np.ones(size // 2, bool), rate) is None
    assert selection_needed(0.02) == 252  # log(0.05 / 8) / log(0.98) is 251.2
    assert select(np.zeros(0, np.float32), np.zeros(0, bool), 0.1) is None
