"""Proof that an exported graph answers as the network that it came from, and what it costs."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from sensorium.models.exported import GraphRunner
from sensorium.tasks.graphs import Graph

Runner = Callable[..., dict[str, Tensor]]  # inputs -> outputs by name
BATCHES, LENGTHS = (1, 3, 17), (0, 1, 19)  # none is what a graph is traced with
TIMED = (1, 32)  # batch sizes
_SECONDS = 1.0  # for which one batch size is timed


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of a batch on one thread."""

    batch: int
    torch: float
    exported: float


def answers(graph: Graph, tensors: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """What the network says."""
    with torch.no_grad():
        return dict(zip(graph.outputs, graph.module(*tensors), strict=True))


def largest_difference(graph: Graph, runner: Runner, given: Iterable[tuple[Tensor, ...]]) -> float:
    """Of all outputs that count, over inputs; infinite where there is no comparison."""
    return max((_difference(graph, answers(graph, one), runner(*one)) for one in given), default=0.0)


def _difference(graph: Graph, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> float:
    value = graph.difference(wanted, found)
    return value if math.isfinite(value) else math.inf


def samples(graph: Graph) -> Iterator[tuple[Tensor, ...]]:
    """Inputs at random of sizes that the graph was not traced with."""
    for batch in BATCHES:
        for length in LENGTHS:
            yield graph.sample(batch, length)


def timed(graph: Graph, content: bytes, length: int) -> list[Timing]:
    """The network and the graph in turn, so that both meet the same load of the machine."""
    with one_thread():
        runner = GraphRunner(content)
        return [_timed(graph, runner, batch, length) for batch in TIMED]


def _timed(graph: Graph, runner: GraphRunner, batch: int, length: int) -> Timing:
    given = graph.sample(batch, length)
    seconds: tuple[list[float], list[float]] = ([], [])
    until = time.perf_counter() + _SECONDS
    while len(seconds[0]) < 3 or time.perf_counter() < until:
        for taken, run in zip(seconds, (partial(answers, graph, given), partial(runner, *given)), strict=True):
            started = time.perf_counter()
            run()
            taken.append(time.perf_counter() - started)
    ours, theirs = (1000 * statistics.median(one[1:]) for one in seconds)
    return Timing(batch, ours, theirs)


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch, and sessions of onnxruntime that are made meanwhile, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
