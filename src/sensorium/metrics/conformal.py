"""Predictions with a guarantee, from the results on examples that the model was not trained on.

Split conformal prediction: a set of classes, or an interval, that holds the truth with a stated probability, whatever
the model and the data are like, for examples drawn as the validation examples were (Vovk 2005; Romano, Sesia and Candès
2020, "Classification with valid and adaptive coverage"; Angelopoulos, Bates, Jordan and Malik 2021, "Uncertainty sets
for image classifiers using conformal prediction"). Selective classification: a class
only from a confidence on at which the error rate is shown to be low (Geifman and El-Yaniv 2017, algorithm 1, SGR).
"""

import math
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95  # with which `max_error` holds
FREE = 5  # classes of a set without a penalty, k_reg of RAPS
PENALTY = 0.001  # of each class beyond, lambda of RAPS: the smallest that its authors try (decision 0037)


class Selection(NamedTuple):
    """Predict from `threshold` on. covered: share of the examples that are. bound: on their error rate."""

    threshold: float
    covered: float
    bound: float


def conformity_scores(probabilities: np.ndarray) -> np.ndarray:
    """(N, K) probabilities -> (N, K) float64: how strange each class would be as the label of its example.

    The regularized adaptive score (RAPS): the probability of all classes before this one, the most probable first, a
    share u of its own, and a penalty for each class beyond the first FREE, so that sets of many classes do not grow by
    the noise of the least probable ones; of up to FREE classes it is the adaptive score (APS). The authors draw u at
    random; here u = 1 - the highest probability. As a function of the example it keeps the guarantee, gives the same
    set every time, and makes the examples that the model is least sure of those whose set is empty. Of equal
    probabilities the class with the lower number comes first.
    """
    p = probabilities.astype(np.float64)
    order = np.argsort(-p, axis=1, kind="stable")
    ordered = np.take_along_axis(p, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    scores = np.empty_like(p)
    penalties = PENALTY * np.maximum(0, np.arange(1, p.shape[1] + 1) - FREE)
    np.put_along_axis(scores, order, before + (1 - ordered[:, :1]) * ordered + penalties, axis=1)
    return scores


def examples_needed(coverage: float) -> int:
    """The fewest validation examples from which this coverage can be guaranteed: 19 for 0.95, 99 for 0.99."""
    return math.ceil(coverage / (1 - coverage) * (1 - 1e-9))  # rounded: 0.9999 / 0.0001 is 9999.000000001


def threshold(scores: np.ndarray, coverage: float) -> np.ndarray:
    """(...,): the score up to which `coverage` of new examples lie, at least, whatever their distribution.

    The ceil((n + 1) * coverage)-th smallest of the n. scores: (n, ...) sorted along n, of validation examples. Raises
    ValueError for fewer than `examples_needed`.
    """
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))  # 0.95 * 20 is 19.000000000000004 to a computer
    if rank > len(scores):
        raise ValueError(f"{len(scores)} scores are too few for a coverage of {coverage}.")
    found: np.ndarray = scores[max(rank, 1) - 1]
    return found


def select(confidence: np.ndarray, correct: np.ndarray, max_error: float) -> Selection | None:
    """The lowest confidence from which on the error rate is at most `max_error`, with a probability of CONFIDENCE.

    Bisection over the examples, the bound at each of its steps at (1 - CONFIDENCE) / steps, so that it holds for
    whichever is chosen. It leaves out numbers of examples so low that even without an error nothing would be shown.
    None where no step shows it. confidence: (n,), the highest first. correct: (n,) bool.
    """
    size, steps = len(confidence), bisection_steps(len(confidence))
    wrong = np.concatenate([[0], np.cumsum(~correct.astype(bool))])
    low, high, found = _fewest(max_error, steps) - 1, size, None
    while low < high:
        middle = (low + high + 1) // 2
        # Examples of one confidence are predicted together or not at all.
        count = int(np.searchsorted(-confidence, -confidence[middle - 1], side="right"))
        bound = error_bound(int(wrong[count]), count, (1 - CONFIDENCE) / steps)
        if bound <= max_error:
            if found is None or count / size > found.covered:
                found = Selection(float(confidence[count - 1]), count / size, bound)
            low = middle
        else:
            high = middle - 1
    return found


def _fewest(max_error: float, steps: int) -> int:
    """Examples, all of them right, whose bound is at most max_error at one of so many steps."""
    return math.ceil(math.log((1 - CONFIDENCE) / steps) / math.log1p(-max_error))


def bisection_steps(size: int) -> int:
    """Of `select`, for that many examples."""
    return max(1, math.ceil(math.log2(max(2, size))))


def error_bound(wrong: int, total: int, risk: float) -> float:
    """The highest error rate at which `wrong` errors or fewer of `total` still have a probability of `risk` (Clopper
    and Pearson 1934, one side): the true rate is higher with that probability at most.
    """
    from scipy.special import betaincinv  # scipy.stats takes a second to import, and this a tenth

    return 1.0 if wrong >= total else float(betaincinv(wrong + 1, total - wrong, 1 - risk))


def selection_needed(max_error: float) -> int:
    """The fewest validation examples, all of them right, that show an error rate of at most `max_error`."""
    size = 1
    while (needed := _fewest(max_error, bisection_steps(size))) > size:
        size = needed  # and more examples mean more steps of the bisection, each with a smaller risk
    return size
