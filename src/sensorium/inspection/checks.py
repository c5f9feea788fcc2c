"""All checks of a dataset, one after the other."""

import re
from collections.abc import Callable, Sequence

from sensorium.data.base import Problem
from sensorium.inspection import balance, duplicates, labels, outliers
from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding, by_severity

_NO_FILE = "there is no file"
# As `data.duplicates` words it.
_CONFLICT = re.compile(r"labeled ('.*'|\".*\"); (.*) has the same (.*) and label ('.*'|\".*\")", re.DOTALL)
_OVERLAP = re.compile(r"same (.*) as (.*), which is in (train|val|test)", re.DOTALL)
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
    alike: dict[str, dict[object, str]] = {}  # kind -> what is shown, once for both sides of a pair
    for problem in problems:
        if found := _CONFLICT.fullmatch(problem.what):
            label, other, content, contrary = found.groups()
            pair = frozenset((f"{problem.place} ({label})", f"{other} ({contrary})"))
            alike.setdefault(f"conflicting labels: the same {content}", {})[pair] = " = ".join(sorted(pair))
            continue
        kind, shown = _kind(problem, several=len(problems) > 10)
        alike.setdefault(kind, {})[len(alike.get(kind, ()))] = shown
    return [
        Finding(check="loading", severity="error", what=what, count=len(shown), examples=list(shown.values()))
        for what, shown in sorted(alike.items(), key=lambda one: -len(one[1]))
    ]


def _kind(problem: Problem, *, several: bool) -> tuple[str, str]:
    """What is wrong, and where: with all of what is wrong, where the kind of it is only its beginning."""
    kind = problem.what.split(";")[0].split(": ")[0] if several else problem.what
    if kind.startswith(_NO_FILE):  # its path is in the example
        kind = _NO_FILE
    elif found := _OVERLAP.fullmatch(problem.what):
        kind = f"the same {found[1]} as in {found[3]}"
        return kind, f"{problem.place} = {found[2]}"
    kind = kind[:100]
    if kind == problem.what:
        return kind, f"{problem.place}: {problem.name}" if problem.name else problem.place
    return kind, str(problem)
