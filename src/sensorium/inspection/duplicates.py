"""Near-duplicates: between splits, where a model is tested on what it has seen; within one; and with two labels."""

from collections import Counter

import numpy as np

from sensorium.data.base import SPLITS
from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding, Severity


def check(contents: Contents) -> list[Finding]:
    """At most three findings; copies of two labels are in one of their own as well."""
    if contents.inputs is None:
        return []
    pairs = contents.inputs.near_duplicates()
    splits = contents.splits[pairs]
    between = splits[:, 0] != splits[:, 1]
    findings = []
    if between.any():
        where = Counter(f"{SPLITS[low]} and {SPLITS[high]}" for low, high in np.sort(splits[between], axis=1).tolist())
        listed = ", ".join(f"{name} {count:,}" for name, count in sorted(where.items()))
        earlier = pairs[between, np.argmin(splits[between], axis=1)]
        findings.append(
            _finding(contents, "error", f"near-duplicates between splits ({listed})", pairs[between], earlier)
        )
    if not between.all():
        within = pairs[~between]
        findings.append(_finding(contents, "warning", "near-duplicates within a split", within, _copies(within)))
    if contents.labels is not None and len(pairs):
        labels = contents.labels[pairs]
        differ = pairs[(labels[:, 0] != labels[:, 1]) & (labels >= 0).all(axis=1)]
        if len(differ):
            findings.append(
                _finding(contents, "warning", "near-duplicates with different labels", differ, differ.ravel())
            )
    return findings


def _finding(contents: Contents, severity: Severity, what: str, pairs: np.ndarray, drop: np.ndarray) -> Finding:
    examples = [f"{contents.named(first)} = {contents.named(second)}" for first, second in pairs.tolist()]
    dropped = frozenset(drop.tolist())
    return Finding(check="duplicates", severity=severity, what=what, count=len(pairs), examples=examples, drop=dropped)


def _copies(pairs: np.ndarray) -> np.ndarray:
    """Of each group of rows that pairs connect, all but the lowest."""
    lowest: dict[int, int] = {}

    def first_of(row: int) -> int:
        while (parent := lowest.setdefault(row, row)) != row:
            lowest[row] = lowest.setdefault(parent, parent)
            row = parent
        return row

    for first, second in pairs.tolist():
        one, other = sorted((first_of(first), first_of(second)))
        lowest[other] = one
    return np.array([row for row in lowest if first_of(row) != row], dtype=np.int64)
