"""What a check finds: a frozen record for each kind of trouble, with the examples it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """check: which one found it, such as "duplicates". severity: "error" makes the exit status 1; "warning" may be
    wrong, and a person should look; "note" is worth knowing. what: one line in words. count: examples, or pairs of
    them. examples: each of them in words. drop: rows of the contents that a cleaned list leaves out.
    """

    check: str
    severity: Severity
    what: str
    count: int
    examples: Sequence[str] = ()
    drop: frozenset[int] = field(default=frozenset(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON stores it; every example is there."""
        return {
            "check": self.check,
            "severity": self.severity,
            "what": self.what,
            "count": self.count,
            "examples": list(self.examples),
            "dropped": len(self.drop),
        }


def by_severity(findings: Sequence[Finding]) -> list[Finding]:
    """Errors first, in the order of the checks."""
    return sorted(findings, key=lambda one: SEVERITIES.index(one.severity))
