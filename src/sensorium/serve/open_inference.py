"""The Open Inference Protocol, version 2, as KServe and Triton speak it: health, metadata, infer."""

from typing import Any

from fastapi import APIRouter, Request, Response

import sensorium
from sensorium.files import json_text
from sensorium.serve.batching import ServedModel
from sensorium.serve.messages import Outcome, RemoteError
from sensorium.serve.predict_routes import bounded_options, described
from sensorium.serve.request_body import Body, Inputs, PredictRequest, json_value, validated
from sensorium.serve.responses import ERRORS, json_response
from sensorium.serve.server import Server, facts_of
from sensorium.serve.tensors import RATE, InferRequest, is_wanted_binary, output_tensor, raws_of, split_body

INPUT, PREDICTION = "input", "prediction"
_HEADER = "inference-header-content-length"
_PROTOCOLS_OWN = ("binary_data_output", "sequence_id", "sequence_start", "sequence_end", "priority", "timeout", RATE)


def open_inference_routes(server: Server) -> APIRouter:
    """Everything under /v2."""
    router = APIRouter(prefix="/v2")

    @router.get("", responses={401: ERRORS[401]})
    async def about() -> Response:
        """The server."""
        extensions = ["binary_tensor_data"]
        return json_response({"name": "sensorium", "version": sensorium.__version__, "extensions": extensions})

    @router.get("/health/live")
    async def live() -> Response:
        """Whether the server runs."""
        return json_response({"live": True})

    @router.get("/health/ready", responses={503: ERRORS[503]})
    async def ready() -> Response:
        """Whether every model can be used."""
        return json_response({"ready": server.ready}, status=200 if server.ready else 503)

    @router.get("/models/{name}", responses={401: ERRORS[401], 404: ERRORS[404]})
    async def metadata(name: str, request: Request) -> Response:
        """The tensors of a model."""
        return json_response(_metadata(server.model(name, request=request)))

    @router.get("/models/{name}/ready", responses={401: ERRORS[401], 404: ERRORS[404], 503: ERRORS[503]})
    async def model_ready(name: str, request: Request) -> Response:
        """Whether a model can be used."""
        model = server.model(name, request=request)
        return json_response({"name": name, "ready": model.ready}, status=200 if model.ready else 503)

    @router.post("/models/{name}/infer", responses=ERRORS, openapi_extra=described(InferRequest, files=False))
    async def infer(name: str, request: Request) -> Response:
        """Predictions for the rows of a tensor."""
        model = server.model(name, request=request)
        text, binary = split_body(await request.body(), request.headers.get(_HEADER))
        asked: InferRequest = validated(InferRequest, json_value(text))
        rate, most = asked.parameters.get(RATE), server.limits.max_inputs
        raws = raws_of(asked.inputs[0], binary, facts_of(model).kind, most=most, rate=rate)
        body = Body(validated(PredictRequest, _options(asked)), raws)
        options = bounded_options(body, server)
        outcomes = await model.predict(body.raws(facts_of(model), server.limits), options)
        request.state.log |= {"inputs": len(raws)}
        return _response(model, asked, outcomes)

    return router


def _options(asked: InferRequest) -> dict[str, Any]:
    given = {key: value for key, value in asked.parameters.items() if key not in _PROTOCOLS_OWN}
    if strange := [key for key in given if key in Inputs.model_fields]:
        raise RemoteError(422, f"{strange[0]} is no parameter: inputs are tensors.")
    return given


def _metadata(model: ServedModel) -> dict[str, Any]:
    outputs = [(PREDICTION, "BYTES", [-1]), *facts_of(model).outputs]
    return {
        "name": model.name,
        "versions": ["1"],
        "platform": "sensorium",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
    }


def _response(model: ServedModel, asked: InferRequest, outcomes: list[Outcome]) -> Response:
    for outcome in outcomes:
        if outcome.error is not None:
            raise RemoteError(outcome.status, outcome.error)
    rows: dict[str, tuple[str, list[Any]]] = {PREDICTION: ("BYTES", [json_text(one.record) for one in outcomes])}
    rows |= {name: (kind, [one.tensors[name] for one in outcomes]) for name, kind, _ in facts_of(model).outputs}
    wanted = {one.name: one for one in asked.outputs} or dict.fromkeys(rows)
    about, binary = [], b""
    for name, output in wanted.items():
        if name not in rows:
            raise RemoteError(400, f"There is no output {name[:80]!r}. Allowed: {', '.join(rows)}.")
        kind, values = rows[name]
        one, data = output_tensor(name, kind, values, binary=is_wanted_binary(asked.parameters, output))
        about.append(one)
        binary += data
    answer = {"model_name": model.name, "model_version": "1", "outputs": about}
    if asked.id is not None:
        answer["id"] = asked.id
    if not binary:
        return json_response(answer)
    text = json_text(answer).encode()
    return Response(text + binary, headers={_HEADER: str(len(text))}, media_type="application/octet-stream")
