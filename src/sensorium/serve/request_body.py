"""What clients send, as raw inputs and options: JSON or multipart. A string is a text or base64, never a path."""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.errors import nearest
from sensorium.serve.form import parts_of
from sensorium.serve.limits import Limits
from sensorium.serve.messages import Facts, Raw, RemoteError

_MOST_KEYS = 64  # of an object; no request has as many
_Strict = ConfigDict(extra="forbid", allow_inf_nan=False)
_MOST_TARGETS = 100  # of one explanation
_Target = Annotated[str, Field(max_length=10_000)]
_Share = Annotated[float, Field(ge=0, le=1)]


class Decoding(BaseModel):
    """Keys of the section `decoding` of `sensorium predict`, but for those that name files."""

    model_config = _Strict

    beam_size: Annotated[int, Field(ge=1, le=64)] | None = None
    length_penalty: Annotated[float, Field(ge=0, le=100)] | None = None
    no_repeat_ngram: Annotated[int, Field(ge=0, le=100)] | None = None
    copy_unknown: bool | None = None
    language_model: Literal["own", "none"] | None = None
    language_weight: Annotated[float, Field(ge=0, le=100)] | None = None
    word_score: Annotated[float, Field(ge=-100, le=100)] | None = None
    n_best: Annotated[int, Field(ge=1, le=64)] | None = None


class PredictOptions(BaseModel):
    """Options of `sensorium predict`; those that mean nothing to a model's task are refused."""

    model_config = _Strict

    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    threshold: _Share | None = None
    coverage: _Share | None = None
    max_error: _Share | None = None
    length: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: _Share | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    pixel_range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    decoding: Decoding | None = None


class ExplainOptions(BaseModel):
    """Options of `sensorium explain`."""

    model_config = _Strict

    method: Annotated[str, Field(max_length=100)] | None = None
    target: _Target | Annotated[list[_Target], Field(max_length=_MOST_TARGETS)] | None = None
    top_k: Annotated[int, Field(ge=1, le=100)] | None = None
    pixel: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = None
    threshold: _Share | None = None
    steps: Annotated[int, Field(ge=1, le=500)] | None = None
    random_maps: Annotated[int, Field(ge=0, le=100)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None


class Inputs(BaseModel):
    """One or several raw inputs. model: its name, where several are served. text, prompt: one text. inputs: texts, or
    the contents of image or audio files in base64.
    """

    model: Annotated[str, Field(max_length=200)] | None = None
    text: str | None = None
    prompt: str | None = None
    inputs: Annotated[list[str], Field(fail_fast=True)] | None = None  # a million errors would take a minute


class PredictRequest(PredictOptions, Inputs):
    """POST /predict."""


class ExplainRequest(ExplainOptions, Inputs):
    """POST /explain. format: what comes back, a record (json) or what people look at; null for the latter."""

    format: Literal["json", "png", "html", "wav"] | None = None


_NOT_OPTIONS = (*Inputs.model_fields, "format")


class Body:
    """A request that has been read. values: the validated fields. files: what was uploaded."""

    def __init__(self, values: Inputs, files: Sequence[Raw]) -> None:
        self.values, self._files = values, files

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given."""
        return self.values.model_dump(exclude_none=True, exclude=set(_NOT_OPTIONS))

    def raws(self, facts: Facts, limits: Limits) -> list[Raw]:
        """The raw inputs, as this kind of model takes them. Raises RemoteError."""
        values = self.values
        texts = [one for one in (values.text, values.prompt) if one is not None]
        found = [*self._files, *(Raw(text, "text") for text in texts)]
        start = len(found)
        check_count(start + len(values.inputs or ()), limits.max_inputs)
        found += [_decoded(text, number, facts.kind) for number, text in enumerate(values.inputs or (), start=start)]
        if not found:
            raise RemoteError(422, f"The request holds no input. Send {example(facts.kind)}.")
        return found


def check_count(inputs: int, most: int) -> None:
    """Raises RemoteError."""
    if inputs > most:
        raise RemoteError(413, f"{inputs:,} inputs in one request; at most {most:,} are accepted.")


def example(kind: str) -> str:
    """What a request to a model of this kind looks like."""
    files = f'files as multipart/form-data, or {{"inputs": [...]}} with the base64 of {kind} files'
    return files if kind in ("image", "audio") else f'{{"{kind}": "..."}} or {{"inputs": ["...", ...]}}'


def _decoded(text: str, number: int, kind: str) -> Raw:
    if kind not in ("image", "audio"):
        return Raw(text, f"text {number}")
    return file_of_base64(text, f"{'image' if kind == 'image' else 'recording'} {number}", kind)


def file_of_base64(text: str, name: str, kind: str) -> Raw:
    """The content of a file. Raises RemoteError for what is not base64."""
    try:
        return Raw(base64.b64decode(text, validate=True), name)
    except (binascii.Error, ValueError) as error:
        raise RemoteError(400, f"{name}: not base64. This model takes {example(kind)}.") from error


async def read_body(request: Request, form: type[Inputs], limits: Limits) -> Body:
    """The body of a request, JSON or multipart, as `form` describes it. Raises RemoteError."""
    given = request.headers.get("content-type", "")
    content_type = given.partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return _of_form(given, await request.body(), form, limits)
    if content_type != "application/json":
        raise RemoteError(415, "Send application/json or multipart/form-data.")
    return Body(validated(form, json_value(await request.body())), ())


def json_value(body: bytes) -> Any:
    """What JSON says. Raises RemoteError for what is none."""
    try:
        return json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError; nested too deeply
        raise RemoteError(400, f"The body is no JSON that can be read ({str(error)[:100]}).") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a field that is there twice, JSON's readers differ in which one they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise RemoteError(422, f"{twice[:80]!r}: given twice.")
    return found


def validated(form: type[BaseModel], value: Any) -> Any:
    """Raises RemoteError for fields that there are not, or that cannot have these values."""
    objects = [one for one in (value, *value.values()) if isinstance(one, dict)] if isinstance(value, dict) else []
    if most := max((len(one) for one in objects if len(one) > _MOST_KEYS), default=0):
        raise RemoteError(422, f"An object has {most:,} fields; at most {_MOST_KEYS} are accepted.")
    try:
        return form.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        raise RemoteError(422, explained(errors, tuple(form.model_fields))) from error


def explained(errors: Sequence[Any], known: Sequence[str] = ()) -> str:
    """The first error of a validation in one line, without what was sent."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")[:100]
    if first["type"] == "extra_forbidden":
        guess = nearest(place, known)
        hint = f" Did you mean {guess}?" if guess else ""
        return f"There is no field {place!r}.{hint}" + (f" Allowed: {', '.join(known)}." if known else "")
    return f"{place}: {first['msg']}." if place else f"{first['msg']}."


def _of_form(content_type: str, content: bytes, form: type[Inputs], limits: Limits) -> Body:
    files: list[Raw] = []
    fields: dict[str, Any] = {}
    for name, filename, value in parts_of(content_type, content, most_files=limits.max_inputs):
        if filename is not None:
            files.append(Raw(value, _file_name(filename, len(files))))
        elif name.endswith("[]"):  # by which a client that means a list says so
            fields.setdefault(name, []).append(_text(name, value))
        elif name in fields:
            raise RemoteError(422, f"{name[:80]}: given twice.")
        else:
            fields[name] = _field(name, value)
    return Body(validated(form, fields), files)


def _file_name(given: str, number: int) -> str:
    """The last part of the sender's name for it, on one line."""
    name = given.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in name if one.isprintable())[:200] or f"file {number}"


def _text(key: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RemoteError(400, f"The field {key[:80]!r} of the form is not UTF-8.") from error


def _field(key: str, content: bytes) -> Any:
    """A field of a form: texts as they are, others as JSON says (numbers, lists)."""
    value = _text(key, content)
    if key in ("text", "prompt", "model", "format", "method", "target"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
