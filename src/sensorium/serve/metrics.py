"""GET /metrics: what is counted, in Prometheus's text format."""

from collections.abc import Iterable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sensorium.serve.responses import ERRORS
from sensorium.serve.server import Server

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Counts:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sensorium_requests", "Requests by route and status", ["path", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "sensorium_request_seconds", "Duration of requests", ["path"], buckets=_SECONDS, registry=self.registry
        )
        self._batches = Histogram(
            "sensorium_batch_inputs", "Inputs of a batch", ["model"], buckets=_SIZES, registry=self.registry
        )

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, model: str, size: int) -> None:
        """Counts a batch."""
        self._batches.labels(model).observe(size)

    def watch(self, server: Server) -> None:
        """Adds what the models say of themselves."""
        self.registry.register(_Models(server))


class _Models(Collector):
    def __init__(self, server: Server) -> None:
        self._server = server

    def collect(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("sensorium_waiting_requests", "Requests that wait for a model", labels=["model"])
        ready = GaugeMetricFamily("sensorium_model_ready", "Whether a model can be used", labels=["model"])
        restarts = CounterMetricFamily("sensorium_worker_restarts", "Restarts of a model's worker", labels=["model"])
        for model in self._server.models.values():
            waiting.add_metric([model.name], model.waiting)
            ready.add_metric([model.name], float(model.ready))
            restarts.add_metric([model.name], model.restarts)
        streams = GaugeMetricFamily("sensorium_open_streams", "Live connections", value=self._server.streams)
        return [waiting, ready, restarts, streams]


def metrics_route(counts: Counts) -> APIRouter:
    """GET /metrics."""
    router = APIRouter()

    @router.get("/metrics", responses={401: ERRORS[401]})
    async def metrics() -> Response:
        """Counters in Prometheus's text format."""
        return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)

    return router
