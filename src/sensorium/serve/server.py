"""The models of one server, found by name, and what is counted."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request

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

    def model(self, name: str | None, *, request: Request | None = None) -> ServedModel:
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
