"""What a metric is called, which way it improves, and what an answer without a look at the input scores."""

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric by the name it has in metrics.json behind "test/", and which way it improves."""

    name: str
    higher_is_better: bool = True


class ConstantAnswer(NamedTuple):
    """What the headline metric would be for one and the same answer to every example, and that answer in words."""

    value: float
    what: str
