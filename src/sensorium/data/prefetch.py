"""Work done in threads, a little ahead of the one who takes the results, and handed over in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sensorium.signals import keep_signals_from_this_thread

Item = TypeVar("Item")
Result = TypeVar("Result")


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
