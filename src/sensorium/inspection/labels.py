"""Label noise by confident learning (C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty
in Dataset Labels", 2021), over cross-validated predictions of a quick model.

N examples, K classes. `confident_joint` and `joint` are the two formulas of the paper, equal to cleanlab's. What is
suggested follows from Bayes' rule. The model has learned from noisy labels, so that it gives a class that is certainly
wrong the probability u of a wrong label: the share of wrong labels, which the joint tells, spread evenly over the other
classes. A label of probability p is wrong with probability u / p, and is suggested from one in four on.
"""

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding

FOLDS = 5
_MOST, _MOST_FITTED = 100_000, 20_000  # examples that are predicted, and that a fold is fitted on
_WRONG = 0.25
_MOST_NOISE = 0.1  # of labels that are taken for wrong; beyond it the quick model errs
# Shares of labels that the joint takes for wrong from which it is the model that errs: mostly, and nearly always.
_WEAK, _TOO_WEAK = 0.15, 0.3
_COMPONENTS, _BASES = 100, 1000
_REGULARIZATION = 1e-5


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(K, K) int64: examples by given label (row) and confidently predicted class (column).

    labels: (N,) int64. probabilities: (N, K), predicted without having seen the example. A prediction is confident
    that a class is right when its probability is at least the mean one of the examples labeled so; of several such
    classes, the most probable counts.
    """
    count = probabilities.shape[1]
    thresholds = np.array(
        [probabilities[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(count)]
    )
    above = probabilities >= thresholds - 1e-6
    best = np.where(above, probabilities, -1.0).argmax(axis=1)
    confident = above.any(axis=1)
    found = np.zeros((count, count), dtype=np.int64)
    np.add.at(found, (labels[confident], best[confident]), 1)
    return found


def joint(confident: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(K, K) float64, its sum 1: the joint distribution of given label and true class, by which the rows of a confident
    joint are brought to the counts of the labels.
    """
    counts = np.bincount(labels, minlength=len(confident))
    # A class without a confident example is taken as it is labeled.
    rows = np.where(confident.sum(axis=1, keepdims=True) > 0, confident, np.eye(len(confident)))
    calibrated = rows / rows.sum(axis=1, keepdims=True) * counts[:, None]
    found: np.ndarray = calibrated / calibrated.sum()
    return found


def noise(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of labels that the joint takes for wrong."""
    return float(1 - np.trace(joint(confident_joint(labels, probabilities), labels)))


def suspicious(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(M,) rows whose label may be wrong, the most suspicious first."""
    wrong = min(noise(labels, probabilities), _MOST_NOISE)
    own = np.clip(probabilities[np.arange(len(labels)), labels].astype(np.float64), 1e-12, 1)
    chance = wrong / (probabilities.shape[1] - 1) / own
    found = np.flatnonzero((chance >= _WRONG) & (probabilities.argmax(axis=1) != labels))
    return found[np.argsort(-chance[found], kind="stable")]


def cross_validated(features: Any, labels: np.ndarray, num_classes: int, *, folds: int = FOLDS) -> np.ndarray:
    """(N, K) float32 probabilities of a logistic regression that was not fitted on the example: of sparse features as
    they are, of others behind a kernel (Nystroem; Williams and Seeger 2001). Every class has `folds` examples or more.
    """
    if not scipy.sparse.issparse(features):
        features = _with_kernel(features)
    found = np.zeros((len(labels), num_classes), dtype=np.float32)
    draw = np.random.default_rng(0)
    for train, held in StratifiedKFold(folds, shuffle=True, random_state=0).split(np.zeros(len(labels)), labels):
        if len(train) > _MOST_FITTED and not scipy.sparse.issparse(features):
            train = np.sort(draw.choice(train, _MOST_FITTED, replace=False))
        strength = 4.0 if scipy.sparse.issparse(features) else 1 / (2 * _REGULARIZATION * len(train))
        model = LogisticRegression(C=strength, max_iter=150, tol=1e-3).fit(features[train], labels[train])
        found[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return found


def _with_kernel(features: np.ndarray) -> np.ndarray:
    """(N, F) -> (N, at most 1000): scaled, its principal components, and a Gaussian kernel as wide as their median
    distance.
    """
    count = len(features)
    drawn = np.random.default_rng(0).permutation(count)[:_MOST_FITTED]
    reduce = make_pipeline(
        StandardScaler(),
        PCA(min(_COMPONENTS, features.shape[1], len(drawn) - 1), svd_solver="randomized", random_state=0),
    ).fit(features[drawn])
    short = reduce.transform(features).astype(np.float32)
    some = short[drawn[:500]]
    distances = ((some[:, None] - some[None]) ** 2).sum(axis=2)
    width = float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0
    kernel = Nystroem(gamma=1 / width, n_components=min(_BASES, len(drawn)), random_state=0).fit(short[drawn])
    return np.concatenate(
        [kernel.transform(part).astype(np.float32) for part in np.array_split(short, 1 + count // 5000)]
    )


def check(contents: Contents) -> list[Finding]:
    """Possible label errors."""
    if contents.labels is None or contents.inputs is None:
        return []
    rows, numbers, left_out = _usable(contents.labels)
    if len(np.unique(numbers)) < 2:
        return [_none("no two classes have five labeled examples; labels were not checked")]
    probabilities = cross_validated(contents.inputs.features(rows), numbers, int(numbers.max()) + 1)
    accuracy = float((probabilities.argmax(axis=1) == numbers).mean())
    quick = f"the quick model that checks labels has a cross-validated accuracy of {100 * accuracy:.1f}%"
    doubt = noise(numbers, probabilities)
    if doubt > _TOO_WEAK:
        return [_none(f"{quick}, too low to suggest corrections")]
    found = suspicious(numbers, probabilities)
    classes = np.unique(contents.labels[rows])
    examples = []
    for place in found.tolist():
        likely = int(probabilities[place].argmax())
        share = probabilities[place, likely]
        examples.append(f"{contents.named(int(rows[place]))}: {contents.class_names[classes[likely]]} ({share:.0%})")
    findings = [_none(quick)]
    if left_out:
        findings.append(_none(f"labels not checked: {left_out}"))
    if examples and doubt > _WEAK:
        what = "labels that the quick model disagrees with; it is weak, and most of these are its own errors"
        findings.append(Finding(check="labels", severity="note", what=what, count=len(found), examples=examples))
    elif examples:
        what = "possible label errors (predicted class shown)"
        drop = frozenset(rows[found].tolist())
        findings.append(
            Finding(check="labels", severity="warning", what=what, count=len(found), examples=examples, drop=drop)
        )
    return findings


def _none(what: str) -> Finding:
    return Finding(check="labels", severity="note", what=what, count=0)


def _usable(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Rows of classes with enough examples, at most 100,000 of them; their classes from 0 on; and what was left out."""
    labeled = np.flatnonzero(labels >= 0)
    counts = np.bincount(labels[labeled], minlength=1)
    rows = labeled[counts[labels[labeled]] >= FOLDS]
    left_out = []
    if rare := len(labeled) - len(rows):
        left_out.append(f"{rare:,} examples of classes with fewer than {FOLDS}")
    if len(rows) > _MOST:
        left_out.append(f"{len(rows) - _MOST:,} examples beyond {_MOST:,}, which were drawn at random")
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST, replace=False))
    return rows, np.unique(labels[rows], return_inverse=True)[1] if len(rows) else rows, "; ".join(left_out)
