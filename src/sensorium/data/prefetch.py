"""Work done in threads, ahead of the consumer, with results in order."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sensorium.signals import keep_signals_from_this_thread

_SECONDS = 10  # from one line of the log to the next
_log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_chunks(work: Callable[[range], Result], count: int, *, size: int, threads: int, what: str) -> Iterator[Result]:
    """What `work` makes of each `size` of `count` rows, in order. what: the log says every ten seconds how many of
    them are decoded.
    """
    chunks = [range(start, min(start + size, count)) for start in range(0, count, size)]
    last = time.monotonic()
    for rows, result in zip(chunks, in_order(work, chunks, threads=threads, name="decoder"), strict=True):
        yield result
        if time.monotonic() - last > _SECONDS:
            last = time.monotonic()
            _log.info("decoded %s of %s %s", f"{rows.stop:,}", f"{count:,}", what)


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, name: str) -> Iterator[Result]:
    """The results in the order of the items, of which at most two for each thread wait to be taken.

    name: of the threads. An error in a thread is raised where its result is taken.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=keep_signals_from_this_thread) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
