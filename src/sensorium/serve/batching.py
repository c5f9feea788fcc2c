"""Requests of many clients as batches of one model."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sensorium.errors import SensoriumError
from sensorium.serve.limits import Limits
from sensorium.serve.messages import Facts, Outcome, Raw, RemoteError
from sensorium.serve.worker import Worker, WorkerLost

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between attempts to restart a worker


@dataclass(eq=False)
class _Job:
    """What waits for a worker. raws: inputs of a prediction; () for other calls, which are no part of a batch. group:
    what predictions must share to be one batch. added: when, in seconds.
    """

    method: str
    arguments: tuple[Any, ...]
    raws: Sequence[Raw]
    group: Hashable
    result: asyncio.Future[Any]
    added: float = field(default_factory=time.perf_counter)


class ServedModel:
    """A model with its worker and the requests that wait for it; used in one event loop.

    name: that clients know it by. on_batch: called with the number of inputs of every batch.
    """

    def __init__(
        self, name: str, worker: Worker, *, limits: Limits, on_batch: Callable[[int], None] = lambda size: None
    ) -> None:
        self.name, self.limits = name, limits
        self.facts: Facts | None = None
        self.restarts = 0
        self.ready = self._stopped = False
        self._worker, self._on_batch = worker, on_batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"worker-{name}")
        self._waiting: deque[_Job] = deque()
        self._more = asyncio.Event()
        self._last_size = 1
        self._loop: asyncio.Task[None] | None = None

    # -- its life

    async def start(self) -> None:
        """Loads the model. Raises RequestError for what is no checkpoint, and RunError."""
        self.facts = await self._in_thread(self._worker.start)
        self.ready = True
        self._loop = asyncio.create_task(self._serve())

    async def stop(self, *, at_once: bool = False) -> None:
        """Ends the worker, after what it is at unless at once. Nothing when it was stopped before."""
        if self._stopped:
            return
        self._stopped, self.ready = True, False
        if self._loop is not None:
            self._loop.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop
        self._refuse_all(_shutting_down())
        if at_once:
            self._worker.kill()
        await self._in_thread(self._worker.stop)
        self._thread.shutdown()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def pid(self) -> int | None:
        """Of the worker's process."""
        return self._worker.pid

    # -- what is asked of it

    async def predict(
        self, raws: Sequence[Raw], options: Mapping[str, Any], forms: Sequence[str] = ()
    ) -> list[Outcome]:
        """An outcome for each input. Raises RemoteError, of which 429 is for a full queue."""
        group = (repr(sorted(options.items())), tuple(forms))
        found: list[Outcome] = await self._wait("predict", (dict(options), tuple(forms)), raws, group)
        return found

    async def call(self, method: str, *arguments: Any) -> Any:
        """Another method of the engine, by itself. Raises RemoteError."""
        return await self._wait(method, arguments, (), None)

    def forget(self, number: int) -> None:
        """Lets the worker drop what was opened under a number, however many requests wait; nobody waits for it."""
        if self.ready:  # a worker that starts knows no number
            job = _Job("close", (number,), (), None, asyncio.get_running_loop().create_future())
            job.result.add_done_callback(lambda result: result.exception())  # or asyncio reports it as never retrieved
            self._waiting.append(job)
            self._more.set()

    async def _wait(self, method: str, arguments: tuple[Any, ...], raws: Sequence[Raw], group: Hashable) -> Any:
        if not self.ready:
            raise RemoteError(503, f"The worker of {self.name} is starting.")
        if len(self._waiting) >= self.limits.max_queue:
            raise RemoteError(429, f"{len(self._waiting)} requests are waiting for {self.name}. Try again later.")
        job = _Job(method, arguments, raws, group, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._more.set()
        try:
            async with asyncio.timeout(self.limits.timeout):
                return await job.result
        except TimeoutError as error:
            raise RemoteError(504, f"{self.name} took longer than {self.limits.timeout:g} s.") from error
        finally:
            if not job.result.done() or job.result.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(job)

    # -- batches

    async def _serve(self) -> None:
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            await self._others()
            batch = self._next_batch()
            if not batch:
                continue
            try:
                await self._run(batch)
            except WorkerLost:
                _fail(batch, RemoteError(503, f"The worker of {self.name} ended during this request."))
                await self._restart()
            except asyncio.CancelledError:
                _fail(batch, _shutting_down())
                raise

    async def _others(self) -> None:
        """Waits for as many requests as came together the last time, at most max_wait: clients that have just been
        answered are about to ask again. Alone, a client never waits; nor does a call, which is no part of a batch.
        """
        if self._waiting[0].group is None:
            return
        until = self._waiting[0].added + self.limits.max_wait
        while len(self._waiting) < self._last_size and (left := until - time.perf_counter()) > 0:
            self._more.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._more.wait()
            if not self._waiting:
                return

    def _next_batch(self) -> list[_Job]:
        """The first in the queue, and all that can go with it."""
        if not self._waiting:
            return []
        first = self._waiting.popleft()
        batch, size, kept = [first], len(first.raws), deque[_Job]()
        while self._waiting and first.group is not None and size < self.limits.max_batch:
            job = self._waiting.popleft()
            if job.group == first.group and size + len(job.raws) <= self.limits.max_batch:
                batch.append(job)
                size += len(job.raws)
            else:
                kept.append(job)
        self._waiting.extendleft(reversed(kept))
        self._last_size = min(self.limits.max_batch, len(batch) + len(self._waiting))
        return batch

    async def _run(self, batch: list[_Job]) -> None:
        """Raises WorkerLost."""
        first = batch[0]
        raws = [raw for job in batch for raw in job.raws]
        try:
            if first.group is None:
                _answer(first, await self._in_thread(self._worker.call, first.method, *first.arguments))
                return
            self._on_batch(len(raws))
            outcomes = iter(await self._in_thread(self._worker.call, first.method, raws, *first.arguments))
            for job in batch:
                _answer(job, [next(outcomes) for _ in job.raws])
        except RemoteError as error:
            _fail(batch, error)

    async def _restart(self) -> None:
        """Starts another worker, again and again until one loads; meanwhile requests get 503."""
        self.ready = False
        self._refuse_all(RemoteError(503, f"The worker of {self.name} is starting."))
        pause = _FIRST_PAUSE
        while True:
            self.restarts += 1
            try:
                await self._in_thread(self._worker.start)
                break
            except (SensoriumError, OSError):  # OSError: the system has no process or no file descriptor to give
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        self.ready = True

    def _refuse_all(self, error: RemoteError) -> None:
        _fail(self._waiting, error)
        self._waiting.clear()

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)


def _answer(job: _Job, value: Any) -> None:
    if not job.result.done():
        job.result.set_result(value)


def _fail(jobs: Sequence[_Job] | deque[_Job], error: RemoteError) -> None:
    """Each with an error of its own: one that is raised several times gathers the tracebacks of all."""
    for job in jobs:
        if not job.result.done():
            job.result.set_exception(RemoteError(error.status, error.message))


def _shutting_down() -> RemoteError:
    return RemoteError(503, "The server is shutting down.")
