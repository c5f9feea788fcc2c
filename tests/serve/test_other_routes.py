"""POST /explain, GET /metrics, GET /openapi.json, and the page's files."""

import re

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("captum")

from served import loaded, png, served, wav


@pytest.fixture(scope="module")
def client():
    with served({kind: loaded(kind) for kind in ("image", "text", "sound")}) as client:
        yield client


def test_explanations_are_those_of_the_python_api(client) -> None:
    options = {"method": "occlusion", "random_maps": 2, "seed": 1}
    answer = client.post("/explain", json={"model": "text", "text": "one two", "format": "json", **options})
    expected = loaded("text").explain("one two", **options)
    assert answer.json()["explanation"]["targets"][0]["attribution"] == expected.targets[0].attribution.tolist()
    page = client.post("/explain", json={"model": "text", "text": "one two", **options})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text == expected.content(".html")
    form = {"model": "image", "method": "occlusion", "random_maps": "2", "seed": "1"}
    image = client.post("/explain", data=form, files={"file": ("cat.png", png())})
    assert (image.headers["content-type"], image.content[:4]) == ("image/png", b"\x89PNG")
    sound = {"model": "sound", "format": "wav", "method": "occlusion", "random_maps": "0"}
    assert client.post("/explain", data=sound, files={"file": ("a.wav", wav())}).content[:4] == b"RIFF"


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"text": "one", "method": "occlusoin"}, 400, "Did you mean occlusion?"),
        ({"text": "one", "format": "png"}, 400, "can be saved as .html or .json"),
        ({"text": "one", "steps": 10_000}, 422, "less than or equal to 500"),
        ({"text": "one", "target": "nothing"}, 400, "no target 'nothing'"),
        ({"inputs": ["one", "two"]}, 422, "One input is explained at a time"),
        ({"text": "one", "nearest": 3}, 422, "There is no field 'nearest'"),
    ],
)
def test_what_is_wrong_with_an_explanation(client, given, status: int, message: str) -> None:
    answer = client.post("/explain", json={"model": "text", **given})
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text


def test_metrics_count_requests_batches_and_workers() -> None:
    with served({"text": loaded("text")}) as client:
        for text in ("one", "two"):
            client.post("/predict", json={"text": text})
        client.post("/predict", json={})
        client.get("/anything/secret")
        found = client.get("/metrics").text
    lines = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in found.splitlines() if line[0] != "#"}
    assert lines['sensorium_requests_total{path="/predict",status="200"}'] == 2
    assert lines['sensorium_requests_total{path="/predict",status="422"}'] == 1
    assert lines['sensorium_requests_total{path="unknown",status="404"}'] == 1
    assert lines['sensorium_request_seconds_count{path="/predict"}'] == 3
    assert lines['sensorium_batch_inputs_sum{model="text"}'] == 2
    assert lines['sensorium_model_ready{model="text"}'] == 1
    assert lines['sensorium_worker_restarts_total{model="text"}'] == 0


def test_the_page_loads_nothing_from_elsewhere_and_says_so(client) -> None:
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe-eval" not in page.headers["content-security-policy"]
    assert re.findall(r'(?:src|href)="([^"]+)"', page.text) == ["/page/page.css", "data:,", "/page/page.js"]
    assert [client.get(f"/page/{name}").status_code for name in ("page.css", "page.js", "recorder.js")] == [200] * 3
    hidden = ("page.html", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd")
    assert [client.get(f"/page/{name}").status_code for name in hidden] == [404] * 4


def test_the_description_names_every_route_and_no_page(client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/predict", "/explain", "/v2/models/{name}/infer", "/v1/completions", "/metrics"} <= set(paths)
    assert "/" not in paths
    assert client.get("/docs").status_code == 404  # its page would load scripts from elsewhere
