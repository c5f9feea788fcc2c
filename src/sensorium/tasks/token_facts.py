"""Statistics of the tokens of a split, shown before training."""

from typing import Any

import numpy as np

from sensorium.data.text.tokens import TokenStore

LOOKED_AT = 2000  # texts in which unknown tokens are counted


def token_facts(store: TokenStore) -> dict[str, Any]:
    """lengths, unit and unknown, as `SplitFacts` has them: lengths of all texts, unknown of evenly spaced ones."""
    rows = np.unique(np.linspace(0, len(store) - 1, min(len(store), LOOKED_AT)).astype(np.int64))
    return {"lengths": store.full, "unit": "tokens", "unknown": store.subset(rows).unknown_share()}


def token_measures(store: TokenStore) -> dict[str, np.ndarray]:
    """The lengths of all texts, as `Contents.measures` has them."""
    return {"tokens of a text": store.full.astype(np.float64)}
