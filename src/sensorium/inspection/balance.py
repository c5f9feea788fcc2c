"""Class balance: how often each class occurs, and in which split it is missing."""

from collections.abc import Mapping

from sensorium.errors import listing
from sensorium.inspection.findings import Finding

_UNEVEN = 10  # times as many of the most frequent class as of the rarest
_FEW = 10  # examples
_FARAWAY = 0.1  # total variation between the classes of two splits

Counts = Mapping[str, Mapping[str, int]]  # split -> class -> how many


def check(counts: Counts, *, counted: str) -> list[Finding]:
    """counted: what is counted: examples, boxes, pixels, tags. {} for a task without classes."""
    train = counts.get("train", {})
    if not train:
        return []
    findings = []
    ordered = sorted(train, key=lambda name: -train[name])
    most, least = ordered[0], ordered[-1]
    if train[most] >= _UNEVEN * max(1, train[least]):
        what = f"uneven classes in train: {train[most]:,} {counted} of {most}, {train[least]:,} of {least}"
        shown = [f"{name}: {train[name]:,}" for name in ordered]
        findings.append(_finding(what, len(train), shown))
    if rare := [name for name in ordered if train[name] < _FEW]:
        shown = [f"{name}: {train[name]:,}" for name in rare]
        findings.append(_finding(f"classes with fewer than {_FEW} {counted} in train", len(rare), shown))
    for split in ("val", "test"):
        there = counts.get(split, {})
        missing = [name for name in ordered if not there.get(name)]
        if there and missing:
            what = f"classes that {split} has no {counted} of: {listing(missing, limit=5)}"
            findings.append(_finding(what, len(missing), missing))
        apart = _apart(train, there)
        if apart > _FARAWAY:
            what = f"the classes of {split} are not those of train: {apart:.0%} of the {counted} are of other classes"
            shown = [f"{name}: train {train[name]:,}, {split} {there.get(name, 0):,}" for name in ordered]
            findings.append(_finding(what, len(shown), shown))
    return findings


def _apart(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Half the sum of the differences between two sets of shares; 0 where one is empty."""
    all_one, all_other = sum(one.values()), sum(other.values())
    if not all_one or not all_other:
        return 0.0
    return sum(abs(one[name] / all_one - other.get(name, 0) / all_other) for name in one) / 2


def _finding(what: str, count: int, examples: list[str]) -> Finding:
    return Finding(check="balance", severity="warning", what=what, count=count, examples=examples)
