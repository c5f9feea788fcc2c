"""POST /predict: what comes back is what the Python API gives; and what a request may not hold."""

import base64
import json
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from served import KINDS, loaded, png, served, wav

TEXTS = ("one two three", "two", "three one one two")


def raw_inputs(kind: str) -> list:
    """Three that a model of this kind takes, as the Python API does."""
    if kind in ("image", "boxes", "masks"):
        return [png(0), png(1, (20, 12)), png(2)]
    return [wav(0), wav(1, 0.8), wav(2)] if kind in ("sound", "speech") else list(TEXTS)


def as_json(raws: list) -> list[str]:
    return [base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw for raw in raws]


def as_sent(predictions) -> list:
    """As JSON says them."""
    return [json.loads(json.dumps(one.to_dict())) for one in predictions]


@pytest.fixture(scope="module")
def client():
    with served({kind: loaded(kind) for kind in KINDS}) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_those_of_the_python_api_to_the_last_bit(client, kind: str) -> None:
    raws = raw_inputs(kind)
    for raw in raws:
        answer = client.post("/predict", json={"model": kind, "inputs": as_json([raw])})
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"model": kind, "predictions": as_sent(loaded(kind).predict([raw]))}
    together = client.post("/predict", json={"model": kind, "inputs": as_json(raws)}).json()
    assert together["predictions"] == as_sent(loaded(kind).predict(raws))


def test_a_form_with_files_names_them(client, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cat.png").write_bytes(png(3))
    Path("dog.png").write_bytes(png(4))
    files = [("file", ("folder/cat.png", png(3), "image/png")), ("image", ("dog.png", png(4), "image/png"))]
    found = client.post("/predict", data={"model": "image", "top_k": "1"}, files=files).json()["predictions"]
    assert found == as_sent(loaded("image").predict(["cat.png", "dog.png"], top_k=1))  # a batch of two, as there
    assert [one["input"] for one in found] == ["cat.png", "dog.png"]
    assert [len(one["classes"]) for one in found] == [1, 1]


def test_options_are_those_of_the_task(client) -> None:
    def ask(**given):
        return client.post("/predict", json={"model": "text", "text": "one two", **given})

    assert len(ask(top_k=1).json()["predictions"][0]["classes"]) == 1
    wrong = ask(length=3)
    assert (wrong.status_code, "length= does not apply" in wrong.json()["error"]) == (400, True)
    assert ask(top_k=0).status_code == 422
    assert ask(topk=1).json()["error"].startswith("There is no field 'topk'. Did you mean top_k?")
    beam = client.post("/predict", json={"model": "translation", "text": "one two", "decoding": {"beam_size": 3}})
    assert beam.json()["predictions"] == as_sent(loaded("translation").predict(["one two"], decoding={"beam_size": 3}))


def test_one_bad_input_of_several_has_an_error_and_alone_fails_the_request(client) -> None:
    bad = base64.b64encode(b"no image").decode()
    found = client.post("/predict", json={"model": "image", "inputs": [as_json([png()])[0], bad]})
    assert found.status_code == 200
    good, failed = found.json()["predictions"]
    assert sorted(good) == ["classes", "input"]
    assert failed["input"] == "image 1"
    assert failed["error"].startswith("image 1: not a readable image (its content is none of JPEG, PNG")
    alone = client.post("/predict", json={"model": "image", "inputs": [bad]})
    assert (alone.status_code, "image 0: not a readable image" in alone.json()["error"]) == (400, True)


def test_an_input_that_ends_a_batch_spoils_no_other(client) -> None:
    given = {"model": "language", "inputs": ["one", "", "two"], "length": 5}
    found = client.post("/predict", json=given).json()["predictions"]
    expected = as_sent(loaded("language").predict(["one", "two"], length=5))
    assert [found[0], found[2]] == expected
    assert found[1]["input"] == ""
    assert "no token to continue" in found[1]["error"]


@pytest.mark.parametrize("kind", ["image", "sound", "speech", "boxes", "masks"])
def test_no_request_names_a_file_of_the_host(client, kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png() if kind in ("image", "boxes", "masks") else wav())
    path = str(secret)
    tries = [
        {"json": {"model": kind, "inputs": [path]}},
        {"json": {"model": kind, "text": path}},
        {"json": {"model": kind, "inputs": [base64.b64encode(path.encode()).decode()]}},
        {"json": {"model": kind, "input": path}},
        {"data": {"model": kind}, "files": {"text": (None, path)}},
        {"data": {"model": kind}, "files": {"file": (None, path)}},
        {"data": {"model": kind}, "files": {"file": (path, b"x", "image/png")}},
        {"json": {"model": path, "inputs": as_json([b"x"])}},
    ]
    statuses = [client.post("/predict", **one).status_code for one in tries]
    assert statuses == [400, 400, 400, 422, 400, 422, 400, 404]
    for keys in ({"language_model": path}, {"lexicon": path}):
        answer = client.post("/predict", json={"model": "speech", "inputs": as_json([wav()]), "decoding": keys})
        assert answer.status_code == 422
    index = {"model": "image", "inputs": as_json([png()]), "index": path}
    assert client.post("/explain", json=index).status_code == 422


def test_models_and_health_say_what_is_served(client) -> None:
    listed = client.get("/models").json()["models"]
    assert [one["name"] for one in listed] == list(KINDS)
    assert {one["name"]: one["input"] for one in listed} == {
        "image": "image", "boxes": "image", "masks": "image", "text": "text", "language": "prompt",
        "translation": "text", "sound": "audio", "speech": "audio",
    }  # fmt: skip
    assert client.get("/health").json() == {"ready": True}
    unnamed = client.post("/predict", json={"text": "one"})
    assert (unnamed.status_code, "Name one: model = image, boxes" in unnamed.json()["error"]) == (422, True)


@pytest.mark.parametrize(
    ("content", "kind", "status", "message"),
    [
        (b"{", "application/json", 400, "no JSON"),
        (b"[" * 100_000, "application/json", 400, "no JSON"),
        (b"\xff\xfe", "application/json", 400, "no JSON"),
        (b"[]", "application/json", 422, "valid dictionary"),
        (b"null", "application/json", 422, "valid dictionary"),
        (b'{"model": "text"}', "application/json", 422, "holds no input"),
        (b'{"model": "text", "text": "\\ud800"}', "application/json", 400, "half a character"),
        (b'{"model": "text", "text": 3}', "application/json", 422, "valid string"),
        (b'{"model": "text", "text": "a", "threshold": NaN}', "application/json", 422, "threshold"),
        (b'{"model": "text", "text": "a", "seed": ' + b"9" * 5000 + b"}", "application/json", 400, "no JSON"),
        (b'{"model": "text", "text": "a", "text": "b"}', "application/json", 422, "'text': given twice"),
        (b"text=a", "application/x-www-form-urlencoded", 415, "multipart/form-data"),
        (b"--", "multipart/form-data", 400, "form cannot be read"),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x", 400, "form cannot be read"),
        (b'{"model": "language", "prompt": ""}', "application/json", 400, "no token to continue"),
        (b'{"model": "language", "prompt": "a", "length": 100000}', "application/json", 422, "at most 2,000"),
    ],
)
def test_malformed_requests_are_answered(client, content: bytes, kind: str, status: int, message: str) -> None:
    answer = client.post("/predict", content=content, headers={"content-type": kind})
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text
