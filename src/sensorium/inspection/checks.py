"""All checks of a dataset, one after the other."""

from collections.abc import Callable, Sequence

from sensorium.data.base import Problem
from sensorium.inspection import balance, duplicates, labels, outliers
from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding, by_severity

_NO_FILE = "there is no file"
CHECKS: dict[str, Callable[[Contents], list[Finding]]] = {
    "duplicates": duplicates.check,
    "constant": outliers.constant,
    "leakage": outliers.leakage,
    "labels": labels.check,
    "lengths": outliers.measures,
    "kinds": outliers.kinds,
}


def inspect(
    contents: Contents,
    *,
    problems: Sequence[Problem],
    counts: balance.Counts,
    counted: str,
    skip: Sequence[str] = (),
) -> list[Finding]:
    """Everything found, errors first. problems: of loading. counts, counted: as in `balance.check`. skip: names of
    checks that are left out.
    """
    findings = loading(problems) + list(contents.own)
    if "balance" not in skip:
        findings += balance.check(counts, counted=counted)
    for name, check in CHECKS.items():
        findings += [] if name in skip else check(contents)
    return by_severity(findings)


def loading(problems: Sequence[Problem]) -> list[Finding]:
    """What a training would refuse, alike problems together."""
    alike: dict[str, list[str]] = {}
    for problem in problems:
        kind = problem.what.split(";")[0].split(": ")[0] if len(problems) > 10 else problem.what
        if kind.startswith(_NO_FILE):  # its path is in the example
            kind = _NO_FILE
        alike.setdefault(kind[:100], []).append(str(problem))
    return [
        Finding(check="loading", severity="error", what=what, count=len(shown), examples=shown)
        for what, shown in sorted(alike.items(), key=lambda one: -len(one[1]))
    ]
