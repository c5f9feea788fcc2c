"""The models of one server, found by name, and what is counted."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from starlette.requests import HTTPConnection

from sensorium.errors import listing, nearest
from sensorium.serve.batching import ServedModel
from sensorium.serve.limits import Limits
from sensorium.serve.messages import Facts, RemoteError
from sensorium.serve.request_body import PredictOptions


class Server:
    """models: by their names, in the order they were given."""

    def __init__(self, models: Mapping[str, ServedModel], limits: Limits) -> None:
        self.models, self.limits = models, limits
        self.streams = 0  # live connections at the moment
        self._numbers = count()

    def model(self, name: str | None, *, request: HTTPConnection | None = None) -> ServedModel:
        """The model of this name; None for the only one. Raises RemoteError. request: whose log names the model."""
        if name is None:
            if len(self.models) > 1:
                raise RemoteError(422, f"Several models are served. Name one: model = {listing(self.models)}.")
            name = next(iter(self.models))
        found = self.models.get(name)
        if found is None:
            guess = nearest(name, self.models)
            hint = f" Did you mean {guess}?" if guess else ""
            raise RemoteError(404, f"There is no model {name[:80]!r}.{hint} Served: {listing(self.models)}.")
        if request is not None:
            request.state.log = {"model": name}
        return found

    def enter_stream(self) -> int:
        """Counts a live connection; its number, by which the worker knows it. Raises RemoteError for too many."""
        if self.streams >= self.limits.max_streams:
            raise RemoteError(429, f"{self.streams} live connections are open. Try again later.")
        self.streams += 1
        return next(self._numbers)

    def leave_stream(self, model: ServedModel, number: int) -> None:
        """The end of one, which the model's worker drops."""
        self.streams -= 1
        model.forget(number)

    @property
    def ready(self) -> bool:
        """Whether every model can be used."""
        return all(model.ready for model in self.models.values())


def facts_of(model: ServedModel) -> Facts:
    """Of a model that was started."""
    assert model.facts is not None
    return model.facts


def shown(model: ServedModel) -> dict[str, Any]:
    """A model in GET /models."""
    facts = facts_of(model)
    return {
        "name": model.name,
        "task": facts.task,
        "description": facts.description,
        "input": facts.kind,
        "classes": list(facts.classes),
        "options": [name for name in (*facts.options, "decoding") if name in PredictOptions.model_fields],
        "explain": list(facts.explains),
        "live": facts.streams,
        "sample_rate": facts.sample_rate or None,
        "ready": model.ready,
    }
