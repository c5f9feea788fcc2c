"""What a metric is called, and which way it improves."""

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric by the name it has in metrics.json behind "test/", and which way it improves."""

    name: str
    higher_is_better: bool = True
