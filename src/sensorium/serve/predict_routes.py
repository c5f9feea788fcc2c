"""POST /predict, POST /explain, GET /models, GET /health."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from sensorium.serve.messages import Outcome, Raw, RemoteError
from sensorium.serve.request_body import Body, ExplainRequest, PredictRequest, read_body
from sensorium.serve.responses import ERRORS, json_response
from sensorium.serve.server import Server, facts_of, shown

MEDIA = {".json": "application/json", ".png": "image/png", ".html": "text/html; charset=utf-8", ".wav": "audio/wav"}


def described(form: type[BaseModel], *, files: bool = True) -> dict[str, Any]:
    """A body for the description of a route: JSON, or a form with files. Its models are inlined."""
    schema = form.model_json_schema()
    definitions = schema.pop("$defs", {})
    inlined = _inlined(schema, definitions)
    content = {"application/json": {"schema": inlined}}
    if files:
        upload = {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}}
        fields = {name: one for name, one in inlined["properties"].items() if name not in ("inputs", "decoding")}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": upload | fields}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            return _inlined(definitions[value["$ref"].rpartition("/")[2]], definitions)
        return {key: _inlined(inner, definitions) for key, inner in value.items()}
    return [_inlined(inner, definitions) for inner in value] if isinstance(value, list) else value


def predict_routes(server: Server) -> APIRouter:
    """The routes of Sensorium's own."""
    router = APIRouter()

    @router.get("/health", responses={503: ERRORS[503]})
    async def health() -> Response:
        """Whether every model can be used."""
        return json_response({"ready": server.ready}, status=200 if server.ready else 503)

    @router.get("/models", responses={401: ERRORS[401]})
    async def models() -> Response:
        """The models that are served, and what they take."""
        return json_response({"models": [shown(model) for model in server.models.values()]})

    @router.post("/predict", responses=ERRORS, openapi_extra=described(PredictRequest))
    async def predict(request: Request) -> Response:
        """A prediction for each input, as `Prediction.to_dict()` of the Python API gives it."""
        body = await read_body(request, PredictRequest, server.limits)
        model = server.model(body.values.model, request=request)
        raws = body.raws(facts_of(model), server.limits)
        outcomes = await model.predict(raws, bounded_options(body, server))
        request.state.log |= {"inputs": len(raws)}
        return predictions(model.name, raws, outcomes)

    @router.post("/explain", responses=ERRORS, openapi_extra=described(ExplainRequest))
    async def explain(request: Request) -> Response:
        """Why the model predicts what it does for one input: a record, or the image or page that people look at."""
        body = await read_body(request, ExplainRequest, server.limits)
        model = server.model(body.values.model, request=request)
        raws = body.raws(facts_of(model), server.limits)
        if len(raws) != 1:
            raise RemoteError(422, f"One input is explained at a time; this request has {len(raws)}.")
        form = getattr(body.values, "format", None)
        suffix, content = await model.call("explain", raws[0], body.options, form and f".{form}")
        if suffix == ".json":
            return json_response({"model": model.name, "explanation": content})
        return Response(content, media_type=MEDIA[suffix])

    return router


def bounded_options(body: Body, server: Server) -> dict[str, Any]:
    """The options of a prediction. Raises RemoteError for a text that would be too long."""
    options = body.options
    if options.get("length", 0) > server.limits.max_tokens:
        raise RemoteError(
            422, f"length is {options['length']:,}; at most {server.limits.max_tokens:,} tokens are written."
        )
    return options


def predictions(name: str, raws: Sequence[Raw], outcomes: Sequence[Outcome]) -> Response:
    """The records. Of several inputs one that cannot be read has an error among them; where none can, the request has
    failed.
    """
    first = outcomes[0]
    if first.error is not None and all(outcome.error is not None for outcome in outcomes):
        raise RemoteError(first.status, first.error)
    records = [
        {"input": raw.content if isinstance(raw.content, str) else raw.name, "error": one.error}
        if one.record is None
        else one.record
        for raw, one in zip(raws, outcomes, strict=True)
    ]
    return json_response({"model": name, "predictions": records})
