"""What clients of OpenAI's API call: transcriptions of audio, completions of text."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import ConfigDict, Field

from sensorium.serve.completions import Completion, CompletionRequest, CompletionStream
from sensorium.serve.messages import RemoteError
from sensorium.serve.predict_routes import described
from sensorium.serve.request_body import Inputs, json_value, read_body, validated
from sensorium.serve.responses import ERRORS, json_response
from sensorium.serve.server import Server, facts_of
from sensorium.tasks.speech_recognition.subtitles import Timed, cues

_SUBTITLES = ("srt", "vtt")


class TranscriptionRequest(Inputs):
    """POST /v1/audio/transcriptions. language: accepted, and not used: a model knows one."""

    model_config = ConfigDict(extra="forbid")

    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    language: Annotated[str, Field(max_length=100)] | None = None
    temperature: Annotated[float, Field(ge=0, le=0)] = 0.0
    timestamp_granularities: Annotated[list[Literal["word", "segment"]], Field(max_length=2)] = Field(
        default=["word", "segment"], alias="timestamp_granularities[]"
    )


def openai_routes(server: Server) -> APIRouter:
    """Everything under /v1."""
    router = APIRouter(prefix="/v1")

    @router.get("/models", responses={401: ERRORS[401]})
    async def models() -> Response:
        """The names of the models."""
        named = [{"id": name, "object": "model", "created": 0, "owned_by": "sensorium"} for name in server.models]
        return json_response({"object": "list", "data": named})

    @router.post("/audio/transcriptions", responses=ERRORS, openapi_extra=described(TranscriptionRequest))
    async def transcriptions(request: Request) -> Response:
        """The transcript of a recording."""
        return await _transcribed(server, request)

    @router.post("/completions", responses=ERRORS, openapi_extra=described(CompletionRequest, files=False))
    async def completions(request: Request) -> Response:
        """The text after a prompt, at once or as it is made (stream)."""
        asked = validated(CompletionRequest, json_value(await request.body()))
        model = server.model(asked.model, request=request)
        if facts_of(model).kind != "prompt":
            raise RemoteError(400, f"{model.name} continues no texts.")
        if asked.max_tokens > server.limits.max_tokens:
            raise RemoteError(422, f"max_tokens is {asked.max_tokens:,}; at most {server.limits.max_tokens:,}.")
        pieces = Completion(server, model, asked)
        await pieces.start()
        if asked.stream:
            return CompletionStream(pieces)
        text = await pieces.whole()
        return json_response(pieces.record(text, pieces.reason))

    return router


async def _transcribed(server: Server, request: Request) -> Response:
    body = await read_body(request, TranscriptionRequest, server.limits)
    asked: Any = body.values
    model = server.model(asked.model, request=request)
    if "srt" not in facts_of(model).formats:
        raise RemoteError(400, f"{model.name} transcribes no speech.")
    raws = body.raws(facts_of(model), server.limits)
    if len(raws) != 1:
        raise RemoteError(422, f"One recording is transcribed at a time; this request has {len(raws)}.")
    form = asked.response_format
    (outcome,) = await model.predict(raws, {}, (form,) if form in _SUBTITLES else ())
    if outcome.record is None:
        raise RemoteError(outcome.status, outcome.error or "")
    if form in ("text", *_SUBTITLES):
        return PlainTextResponse(outcome.texts.get(form, f"{outcome.record['text']}\n"))
    if form == "json":
        return json_response({"text": outcome.record["text"]})
    return json_response(transcript(outcome.record, asked.timestamp_granularities))


def transcript(record: dict[str, Any], granularities: Collection[str]) -> dict[str, Any]:
    """A prediction as OpenAI's verbose_json, with the times that are asked for: of each word, and of each segment,
    which is what is spoken without a pause, as a subtitle shows it.
    """
    found = {"task": "transcribe", "language": "", "duration": record["seconds"], "text": record["text"]}
    words = [_Word(one["word"], one["start"], one["end"]) for one in record["words"]]
    if "word" in granularities:
        found["words"] = [word._asdict() for word in words]
    if "segment" in granularities:
        found["segments"] = [_segment(number, cue) for number, cue in enumerate(cues(words))]
    return found


class _Word(NamedTuple):
    word: str
    start: float
    end: float


def _segment(number: int, cue: Sequence[Timed]) -> dict[str, Any]:
    """With the fields of Whisper's decoding that its clients need to be there, and that mean nothing here."""
    nothing = {"seek": 0, "tokens": [], "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 0.0}
    text = " ".join(word.word for word in cue)
    times = {"start": cue[0].start, "end": cue[-1].end}
    return {"id": number, **times, "text": text, **nothing, "no_speech_prob": 0.0}
