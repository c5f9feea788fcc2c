"""Batches across requests: what goes together, who waits, and what happens when a worker is lost."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("fastapi")

from sensorium.errors import RequestError, RunError
from sensorium.serve.batching import ServedModel
from sensorium.serve.engine import Engine
from sensorium.serve.messages import Raw, RemoteError
from sensorium.serve.worker import Worker, WorkerLost
from served import InlineWorker, limits, loaded
from worker_engines import EchoEngine, die, refuse


class Gate(InlineWorker):
    """Holds its first call until it is opened, so that requests gather behind it."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.open, self.started = threading.Event(), threading.Event()

    def call(self, method: str, *arguments: Any) -> Any:
        self.started.set()
        assert self.open.wait(20)
        return super().call(method, *arguments)


def texts(*contents: str) -> list[Raw]:
    return [Raw(content, "text") for content in contents]


def with_model(worker: Any, use: Callable[[ServedModel], Awaitable[Any]], **changes: Any) -> Any:
    """What `use` gives for a started model, which is stopped afterwards."""

    async def run() -> Any:
        model = ServedModel("echo", worker, limits=limits(**changes))
        await model.start()
        try:
            return await use(model)
        finally:
            await model.stop()

    return asyncio.run(run())


def behind(gate: Gate, requests: list[tuple[list[Raw], dict[str, Any]]], **changes: Any) -> tuple[list[Any], list[int]]:
    """Answers to requests that came while the worker was at another one, and the sizes of all batches."""

    async def use(model: ServedModel) -> list[Any]:
        first = asyncio.create_task(model.predict(texts("first"), {}))
        await asyncio.to_thread(gate.started.wait, 20)
        asked = [asyncio.create_task(model.predict(raws, options)) for raws, options in requests]
        await asyncio.sleep(0.05)
        gate.open.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)

    found = with_model(gate, use, **changes)
    return found, [len(arguments[0]) for method, arguments in gate.calls if method == "predict"]


def test_requests_that_wait_are_one_batch_up_to_its_size() -> None:
    found, sizes = behind(Gate(EchoEngine()), [(texts(str(n)), {}) for n in range(10)], max_batch=4)
    assert [one[0].record["text"] for one in found] == [str(n) for n in range(10)]
    assert sizes == [1, 4, 4, 2]


def test_only_equal_options_go_together() -> None:
    requests = [(texts(str(n)), {"top_k": 1 + n % 2}) for n in range(6)]
    found, sizes = behind(Gate(EchoEngine()), requests, max_batch=8)
    assert [one[0].record["top_k"] for one in found] == [1, 2, 1, 2, 1, 2]
    assert sizes == [1, 3, 3]


def test_one_bad_input_of_32_requests_gives_one_error_and_31_answers() -> None:
    requests = [(texts("bad" if n == 17 else str(n)), {}) for n in range(32)]
    found, sizes = behind(Gate(EchoEngine()), requests, max_batch=32)
    assert [n for n, one in enumerate(found) if one[0].status == 400] == [17]
    assert sizes == [1, 32]


def test_a_client_alone_never_waits_for_others() -> None:
    async def use(model: ServedModel) -> float:
        started = asyncio.get_running_loop().time()
        for _ in range(5):
            await model.predict(texts("a"), {})
        return asyncio.get_running_loop().time() - started

    assert with_model(InlineWorker(EchoEngine()), use, max_wait=30.0) < 10  # five times 30 s if it waited


def test_a_call_waits_for_no_batch() -> None:
    gate = Gate(EchoEngine())

    async def use(model: ServedModel) -> float:
        asked = [asyncio.create_task(model.predict(texts("a"), {}))]
        await asyncio.to_thread(gate.started.wait, 20)
        asked += [asyncio.create_task(model.predict(texts("b"), {})) for _ in range(3)]
        await asyncio.sleep(0.05)
        gate.open.set()
        await asyncio.gather(*asked)  # of which three came together
        started = asyncio.get_running_loop().time()
        await model.call("facts")
        return asyncio.get_running_loop().time() - started

    assert with_model(gate, use, max_wait=30.0) < 10  # 30 s if it waited for two more


def test_a_full_queue_and_a_late_answer_are_refused() -> None:
    found, _ = behind(Gate(EchoEngine()), [(texts(str(n)), {}) for n in range(5)], max_queue=3)
    assert [one.status if isinstance(one, RemoteError) else 200 for one in found] == [200, 200, 200, 429, 429]

    async def late(model: ServedModel) -> int:
        with pytest.raises(RemoteError) as caught:
            await model.predict(texts("a"), {})
        gate.open.set()
        return caught.value.status

    gate = Gate(EchoEngine())
    assert with_model(gate, late, timeout=0.1) == 504


def test_requests_in_flight_get_503_when_a_worker_is_lost_and_the_next_one_an_answer() -> None:
    worker = InlineWorker(EchoEngine())

    async def use(model: ServedModel) -> tuple[list[int], int, Any]:
        worker.lost = True
        failed = await asyncio.gather(*(model.predict(texts("a"), {}) for _ in range(3)), return_exceptions=True)
        while not model.ready:
            await asyncio.sleep(0.01)
        return [one.status for one in failed], model.restarts, await model.predict(texts("b"), {})

    statuses, restarts, after = with_model(worker, use)
    assert (statuses, restarts, after[0].record["text"]) == ([503, 503, 503], 1, "b")


def test_a_worker_that_the_system_has_no_means_for_is_started_later() -> None:
    class Scarce(InlineWorker):
        starts = 0

        def start(self) -> Any:
            self.starts += 1
            if self.starts == 2:
                raise OSError(24, "Too many open files")
            return super().start()

    worker = Scarce(EchoEngine())

    async def use(model: ServedModel) -> Any:
        worker.lost = True
        with pytest.raises(RemoteError):
            await model.predict(texts("a"), {})
        while not model.ready:
            await asyncio.sleep(0.01)
        return await model.predict(texts("b"), {})

    assert with_model(worker, use)[0].record["text"] == "b"
    assert worker.starts == 3


def test_a_request_under_way_is_answered_when_the_model_is_stopped() -> None:
    gate = Gate(EchoEngine())

    async def use(model: ServedModel) -> int:
        asked = asyncio.create_task(model.predict(texts("a"), {}))
        await asyncio.to_thread(gate.started.wait, 20)
        stopping = asyncio.create_task(model.stop())
        with pytest.raises(RemoteError) as caught:
            await asked
        gate.open.set()
        await stopping
        return caught.value.status

    assert with_model(gate, use) == 503


def test_a_batch_of_real_models_differs_from_single_predictions_by_rounding_alone() -> None:
    model = loaded("text")
    lines = ["one two three", "two", "three one one two", "one"] * 8
    found, sizes = behind(Gate(Engine(model, limits())), [(texts(line), {}) for line in lines], max_batch=32)
    assert sizes == [1, 32]
    for line, (outcome,) in zip(lines, found, strict=True):
        (alone,) = model.predict([line])
        assert [one["class"] for one in outcome.record["classes"]] == [name for name, _ in alone.classes]
        probabilities = [one["probability"] for one in outcome.record["classes"]]
        assert probabilities == pytest.approx([value for _, value in alone.classes], abs=1e-5)


def test_a_worker_is_a_process_whose_end_is_noticed() -> None:
    worker = Worker(EchoEngine, timeout=30)
    assert worker.start().kind == "text"
    assert worker.call("predict", texts("a"), {})[0].record == {"text": "a", "batch": 1}
    with pytest.raises(RemoteError) as caught:
        worker.call("nothing")
    assert caught.value.status == 500
    with pytest.raises(WorkerLost):
        worker.call("predict", texts("die"), {})
    worker.start()
    with pytest.raises(WorkerLost):
        worker.call("predict", [lambda: None], {})  # which cannot be sent
    worker.start()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerLost):
        worker.call("predict", texts("a"), {})
    worker.stop()


def test_a_model_that_is_stopped_at_once_waits_for_no_call() -> None:
    worker = Worker(EchoEngine, timeout=600)

    async def use(model: ServedModel) -> int:
        asked = asyncio.create_task(model.predict(texts("hang"), {}))
        await asyncio.sleep(0.1)
        await model.stop(at_once=True)
        with pytest.raises(RemoteError) as caught:
            await asked
        return caught.value.status

    assert with_model(worker, use) == 503
    assert worker.pid is None


def test_a_worker_that_hangs_is_ended() -> None:
    worker = Worker(EchoEngine, timeout=0.3)
    worker.start()
    pid = worker.pid
    with pytest.raises(WorkerLost):
        worker.call("predict", texts("hang"), {})
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_is_suspended_is_ended_also_where_it_takes_no_more() -> None:
    worker = Worker(EchoEngine, timeout=0.3)
    worker.start()
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(WorkerLost):
        worker.call("predict", texts("a" * 10_000_000), {})  # more than a pipe holds
    assert worker.pid is None


def test_what_keeps_a_worker_from_starting_is_reported() -> None:
    with pytest.raises(RequestError, match="no checkpoint"):
        Worker(refuse, timeout=30).start()
    with pytest.raises(RunError, match="exit status 3"):
        Worker(die, timeout=30).start()
