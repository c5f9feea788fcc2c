"""A list of the examples without the bad ones, as a table that a dataset reads."""

from collections.abc import Sequence

import numpy as np

from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding


def cleaned(contents: Contents, findings: Sequence[Finding]) -> tuple[Sequence[str], Sequence[Sequence[object]], int]:
    """Column names, rows, and how many were left out: those that a finding says to drop. What loading skipped is not
    among the contents. The contents have a table.
    """
    assert contents.table is not None
    dropped = set().union(*(one.drop for one in findings))
    kept = np.array([row for row in range(len(contents)) if row not in dropped], dtype=np.int64)
    columns, rows = contents.table(kept)
    return columns, rows, len(dropped)
