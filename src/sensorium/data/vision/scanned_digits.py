"""The scanned digits included in scikit-learn, read without importing it: the import takes two seconds, they take none.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its test
set).
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sensorium.errors import RunError

CLASSES = tuple("0123456789")
_PLACE = "datasets/data/digits.csv.gz"  # in scikit-learn; a row has 64 pixels and the digit


class ScannedDigits(NamedTuple):
    """images: (N, 8, 8) float64 from 0 to 16. labels: (N,) int64, which digit each is."""

    images: np.ndarray
    labels: np.ndarray


def scanned_digits() -> ScannedDigits:
    """All 1,797, as scikit-learn loads them. Raises RunError where they are not."""
    package = find_spec("sklearn")
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        if (path := Path(folder) / _PLACE).is_file():
            rows = np.loadtxt(path, delimiter=",", dtype=np.int64)
            return ScannedDigits(rows[:, :-1].reshape(-1, 8, 8).astype(np.float64), rows[:, -1].copy())
    raise RunError("The scanned digits are missing. They come with a package: pip install scikit-learn")
