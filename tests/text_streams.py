"""A stream of texts that counts how far it was read: memory stays flat when texts are read as they are predicted."""

from collections.abc import Iterator

BATCH, AHEAD = 2, 40  # texts at a step; texts that are sorted by length together


class Stream:
    """1,000 texts of 1 to 5 characters; counts how many were taken."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        while self.read < 1000:
            self.read += 1
            yield self.text(self.read)

    def text(self, number: int) -> str:
        return "abcab"[: 1 + number % 5]


def check_lazy(stream: Stream, predictions: Iterator[object]) -> None:
    assert stream.read == 0
    next(predictions)
    assert stream.read == AHEAD
    for _ in range(AHEAD - 1):
        next(predictions)
    assert stream.read == AHEAD  # no more before the last of them is predicted
    next(predictions)
    assert stream.read == 2 * AHEAD
