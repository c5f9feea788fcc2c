"""Examples of another size, length or rate than the rest; examples in which nothing changes; shared speakers."""

from collections import Counter

import numpy as np

from sensorium.data.base import SPLITS, counted
from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding

_FENCE = 3.0  # times the interquartile range of the logarithm (J. Tukey, "Exploratory Data Analysis", 1977)
_NARROWEST = 0.2  # of that range: lengths within a factor of about 1.8 of the quartiles are no outliers
_USUAL = 0.5  # share of examples that a value needs to be what the rest should have


def measures(contents: Contents) -> list[Finding]:
    """Sizes and lengths far outside the quartiles, on a logarithmic scale."""
    findings = []
    for name, values in contents.measures.items():
        known = np.isfinite(values)
        if known.sum() < 10:
            continue
        logs = np.log(np.maximum(values, 1e-3))
        low, high = np.percentile(logs[known], [25, 75])
        room = _FENCE * max(high - low, _NARROWEST)
        outside = np.flatnonzero(known & ((logs < low - room) | (logs > high + room)))
        if len(outside):
            order = outside[np.argsort(-np.abs(logs[outside] - (low + high) / 2), kind="stable")]
            shown = [f"{contents.named(row)}: {values[row]:,.4g}" for row in order.tolist()]
            usual = f"half of all have {np.exp(low):,.3g} to {np.exp(high):,.3g}"
            findings.append(
                Finding(check="outliers", severity="note", what=f"{name}: {usual}", count=len(outside), examples=shown)
            )
    return findings


def kinds(contents: Contents) -> list[Finding]:
    """Values such as a sample rate that most examples share and some do not."""
    findings = []
    for name, values in contents.kinds.items():
        known = np.flatnonzero(values != 0)
        if not len(known):
            continue
        (usual, count), *others = Counter(values[known].tolist()).most_common()
        if not others or count < _USUAL * len(known):
            continue
        other = known[values[known] != usual]
        shown = [f"{contents.named(row)}: {values[row]:,}" for row in other.tolist()]
        what = f"{name}: {usual:,} of {counted(count, contents.unit)}, and another of the rest"
        findings.append(Finding(check="outliers", severity="warning", what=what, count=len(other), examples=shown))
    return findings


def constant(contents: Contents) -> list[Finding]:
    """Examples with nothing in them."""
    rows = contents.inputs.constant().tolist() if contents.inputs is not None else []
    if not rows:
        return []
    shown = [contents.named(row) for row in rows]
    what = f"{contents.unit}s in which nothing changes: one color, silence, one character"
    return [
        Finding(check="constant", severity="error", what=what, count=len(rows), examples=shown, drop=frozenset(rows))
    ]


def leakage(contents: Contents) -> list[Finding]:
    """Speakers or sources of val and test that train has as well."""
    if not any(contents.groups):
        return []
    groups = np.array(contents.groups, dtype=object)
    there = {name: set(groups[contents.splits == number].tolist()) - {""} for number, name in enumerate(SPLITS)}
    findings = []
    for split in ("val", "test"):
        shared = sorted(there[split] & there["train"])
        if shared:
            what = f"{len(shared):,} of {len(there[split]):,} speakers or sources of {split} are also in train"
            findings.append(Finding(check="leakage", severity="warning", what=what, count=len(shared), examples=shared))
    return findings
