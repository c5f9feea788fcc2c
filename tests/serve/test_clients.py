"""Clients that others wrote: Triton's and OpenAI's talk to the server over a socket."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("tritonclient")
pytest.importorskip("openai")


import openai
import tritonclient.http as triton

from live_server import running
from sensorium.serve.openai_routes import transcript
from served import loaded, png, wav

KEY = "a-key-of-sixteen-letters"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running({kind: loaded(kind) for kind in ("image", "text", "sound", "speech", "language")}) as port:
        yield port


@pytest.fixture(scope="module")
def inference(port: int):
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        yield client


@pytest.fixture(scope="module")
def client(port: int):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)


def tensor(values: np.ndarray, datatype: str, *, binary: bool):
    found = triton.InferInput("input", list(values.shape), datatype)
    found.set_data_from_numpy(values, binary_data=binary)
    return found


def test_triton_sees_health_and_metadata(inference) -> None:
    assert inference.is_server_live()
    assert inference.is_server_ready()
    assert inference.is_model_ready("text")
    assert inference.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    about = inference.get_model_metadata("image")
    assert [(one["name"], one["datatype"], one["shape"]) for one in about["outputs"]] == [
        ("prediction", "BYTES", [-1]), ("classes", "BYTES", [-1, -1]), ("probabilities", "FP32", [-1, -1])
    ]  # fmt: skip
    with pytest.raises(triton.InferenceServerException, match=r"There is no model 'txt'\. Did you mean text"):
        inference.get_model_metadata("txt")


@pytest.mark.parametrize("binary", [True, False])
def test_triton_classifies_texts_and_pixels(inference, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("classes", "probabilities")]
    texts = np.array(["one two three", "two"], object)
    found = inference.infer("text", [tensor(texts, "BYTES", binary=binary)], outputs=outputs)
    expected = [one.classes for one in loaded("text").predict(list(texts))]
    numbers = np.array([[probability for _, probability in one] for one in expected], "f4")
    np.testing.assert_array_equal(found.as_numpy("probabilities"), numbers)
    named = found.as_numpy("classes").astype(object)
    names = [[n.decode() if isinstance(n, bytes) else n for n in row] for row in named]
    assert names == [[name for name, _ in one] for one in expected]
    pixels = np.random.RandomState(0).randint(0, 255, (3, 9, 7, 3)).astype(np.uint8)
    found = inference.infer("image", [tensor(pixels, "UINT8", binary=binary)], outputs=outputs)
    expected = [[p for _, p in one.classes] for one in loaded("image").predict(list(pixels))]
    np.testing.assert_array_equal(found.as_numpy("probabilities"), np.array(expected, "f4"))


def test_triton_sends_files_and_waveforms(inference) -> None:
    files = np.array([png(0), png(1)], object)
    found = inference.infer("image", [tensor(files, "BYTES", binary=True)], request_id="7")
    expected = [[p for _, p in one.classes] for one in loaded("image").predict([png(0), png(1)])]
    assert found.get_response()["id"] == "7"
    np.testing.assert_array_equal(found.as_numpy("probabilities"), np.array(expected, "f4"))
    samples = np.random.RandomState(0).uniform(-0.3, 0.3, (2, 4000)).astype(np.float32)
    waves = tensor(samples, "FP32", binary=True)
    found = inference.infer("sound", [waves], parameters={"top_k": 1, "sample_rate": 8000})
    of_tensor = tensor(samples, "FP32", binary=True)
    of_tensor._parameters["sample_rate"] = 8000  # as other clients send it
    again = inference.infer("sound", [of_tensor], parameters={"top_k": 1, "sample_rate": 16000})
    np.testing.assert_array_equal(found.as_numpy("probabilities"), again.as_numpy("probabilities"))
    predicted = loaded("sound").predict([(one, 8000) for one in samples], top_k=1)
    expected = [[p for _, p in one.classes] for one in predicted]
    np.testing.assert_array_equal(found.as_numpy("probabilities"), np.array(expected, "f4"))


@pytest.mark.parametrize(
    ("values", "datatype", "message"),
    [
        (np.zeros((1, 4, 4, 3), np.float32), "FP32", r"this model takes BYTES of shape \[B\], or UINT8"),
        (np.zeros((1, 4, 4, 2), np.uint8), "UINT8", "with C 1, 3 or 4"),
        (np.array([b"no image"], object), "BYTES", "image 0: not a readable image"),
    ],
)
def test_triton_is_told_what_is_wrong(inference, values, datatype: str, message: str) -> None:
    with pytest.raises(triton.InferenceServerException, match=message):
        inference.infer("image", [tensor(values, datatype, binary=True)])


def test_openai_transcribes(client) -> None:
    assert [one.id for one in client.models.list()] == ["image", "text", "sound", "speech", "language"]
    recording = ("a.wav", wav(1, 0.8))
    (expected,) = loaded("speech").predict([recording[1]])

    def ask(form: str):
        return client.audio.transcriptions.create(model="speech", file=recording, response_format=form)

    assert ask("json").text == expected.text
    assert ask("text").strip() == expected.text
    assert (ask("srt"), ask("vtt")) == (expected.as_text("srt"), expected.as_text("vtt"))
    verbose = ask("verbose_json")
    assert (verbose.text, verbose.duration) == (expected.text, round(expected.seconds, 3))
    assert [(one.word, one.start, one.end) for one in verbose.words] == [word[:3] for word in expected.words]
    for asked in (["word"], ["segment"], ["word", "segment"]):
        found = client.audio.transcriptions.create(
            model="speech", file=recording, response_format="verbose_json", timestamp_granularities=asked
        )
        assert [name for name in ("word", "segment") if getattr(found, f"{name}s") is not None] == asked
    with pytest.raises(openai.BadRequestError, match="image transcribes no speech"):
        client.audio.transcriptions.create(model="image", file=recording)
    with pytest.raises(openai.BadRequestError, match=r"a\.wav: "):
        client.audio.transcriptions.create(model="speech", file=("a.wav", b"no audio"))


def test_a_segment_is_what_is_spoken_without_a_pause() -> None:
    spoken = [("one", 0.25, 0.5), ("two", 1.0, 1.25), ("three", 2.0, 2.5)]  # pauses of 0.5 s and 0.75 s
    words = [{"word": word, "start": start, "end": end} for word, start, end in spoken]
    record = {"text": "one two three", "seconds": 3.0, "words": [word | {"confidence": 0.5} for word in words]}
    found = transcript(record, ["word", "segment"])
    assert found["words"] == words
    assert [[one[key] for key in ("id", "start", "end", "text")] for one in found["segments"]] == [
        [0, 0.25, 1.25, "one two"], [1, 2.0, 2.5, "three"]
    ]  # fmt: skip
    assert transcript(record | {"words": []}, ["segment"])["segments"] == []


def test_openai_completes_at_once_and_in_a_stream(client) -> None:
    (expected,) = loaded("language").predict(["one"], length=30, temperature=0.5, seed=3)
    text = expected.to_dict()["text"]
    given = {"model": "language", "prompt": "one", "max_tokens": 30, "temperature": 0.5, "seed": 3}
    whole = client.completions.create(**given)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (text, "length")
    events = list(client.completions.create(**given, stream=True))
    assert "".join(event.choices[0].text for event in events) == text
    assert [event.choices[0].finish_reason for event in events[-2:]] == [None, "length"]
    stop = text[10:13]
    stopped = client.completions.create(**given, stop=[stop])
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == (text[: text.index(stop)], "stop")
    with pytest.raises(openai.BadRequestError, match="text continues no texts"):
        client.completions.create(**given | {"model": "text"})
    with pytest.raises(openai.UnprocessableEntityError, match="at most 2,000"):
        client.completions.create(**given | {"max_tokens": 3000})


def test_openai_sends_the_key() -> None:
    with running({"text": loaded("text")}, api_key=KEY) as port:
        base = f"http://127.0.0.1:{port}/v1"
        assert [one.id for one in openai.OpenAI(base_url=base, api_key=KEY).models.list()] == ["text"]
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=base, api_key="wrong", max_retries=0).models.list()
