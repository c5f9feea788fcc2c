"""What a server refuses: too much, too slow, without the key, from elsewhere; and that it answers the next request."""

import base64
import io
import json
import socket
import struct
import time
import zlib
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from PIL import Image

pytest.importorskip("fastapi")

from live_server import running
from sensorium.serve.completions import CompletionRequest
from sensorium.serve.messages import RemoteError
from sensorium.serve.request_body import ExplainRequest, PredictRequest, validated
from sensorium.serve.run import Address, listening
from sensorium.serve.tensors import InferRequest
from served import loaded, served

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
UNFINISHED = HEAD + b"Content-Length: 50\r\n\r\n{"
KEY = "a-key-of-sixteen-letters"


def good(client, **headers: str) -> int:
    return client.post("/predict", json={"model": "text", "text": "one two"}, headers=headers).status_code


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def png_head(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to be of this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def black(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(file, format="png")
    return file.getvalue()


def flat(rate: int, seconds: float, channels: int = 1) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((round(rate * seconds), channels), np.int16), rate, format="FLAC")
    return file.getvalue()


@pytest.fixture(scope="module")
def client():
    models = {kind: loaded(kind) for kind in ("text", "image", "sound")}
    bounds = {"max_body": 300_000, "max_pixels": 1_000_000, "max_seconds": 2.0, "max_characters": 100, "max_inputs": 5}
    with served(models, **bounds) as client:
        yield client


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"model": "text", "text": "a" * 101}, 413, "101 characters; at most 100"),
        ({"model": "text", "inputs": ["a"] * 6}, 413, "6 inputs in one request; at most 5"),
        ({"model": "text", "text": "a" * 300_000}, 413, "larger than 300,000 bytes"),
        (
            {"model": "image", "inputs": [base64_of(black(1001, 1000))]},
            413,
            "1,001 x 1,000 pixels; at most",
        ),
        ({"model": "image", "inputs": [base64_of(png_head(60_000, 60_000))]}, 413, "more than 178,956,970 pixels"),
        ({"model": "sound", "inputs": [base64_of(flat(8000, 2.1))]}, 413, "2.1 s of audio"),
        ({"model": "sound", "inputs": [base64_of(flat(192_000, 1.9, 8))]}, 413, "8 channels at 192,000 Hz"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_decoded(client, given, status: int, message: str) -> None:
    answer = client.post("/predict", json=given)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text
    assert good(client) == 200


def test_a_request_of_many_faults_is_refused_for_the_first() -> None:
    for form, given in (
        (PredictRequest, {"inputs": [1] * 10_000}),
        (CompletionRequest, {"model": "a", "prompt": "a", "stop": [1] * 10_000}),
        (ExplainRequest, {"target": [1] * 10_000}),
        (InferRequest, {"inputs": [{"name": "a", "shape": [1], "datatype": "a"}], "outputs": [1] * 10_000}),
    ):
        with pytest.raises(RemoteError) as caught:
            validated(form, given)
        assert (caught.value.status, caught.value.__cause__.error_count() <= 66) == (422, True)
    for given in ({f"field {n}": 1 for n in range(65)}, {"decoding": {f"field {n}": 1 for n in range(65)}}):
        with pytest.raises(RemoteError, match="An object has 65 fields; at most 64 are accepted"):
            validated(PredictRequest, given)


def test_a_body_is_bounded_however_it_is_sent(client) -> None:
    def pieces():
        for _ in range(100):
            yield b"x" * 10_000

    answer = client.post("/predict", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    form = client.post("/predict", files={"file": ("a.png", b"x" * 400_000)}, data={"model": "image"})
    assert form.status_code == 413
    many = [("file", (f"{n}.png", b"x", "image/png")) for n in range(6)]
    assert client.post("/predict", files=many, data={"model": "image"}).status_code == 413


def test_a_length_and_chunks_are_no_request() -> None:
    body = b'{"model": "text", "text": "one"}'
    head = HEAD + f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with running({"text": loaded("text")}) as port, socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: one.recv(1000), b""))  # until the server ends it
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"not both" in answer


def test_rows_of_tensors_are_counted_before_they_are_read(client) -> None:
    for model, kind, shape, size in (("image", "UINT8", [9000, 1, 1, 1], 9000), ("text", "BYTES", [2000], 8000)):
        tensor = {"name": "a", "datatype": kind, "shape": shape, "parameters": {"binary_data_size": size}}
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"inference-header-content-length": str(len(head))}
        answer = client.post(f"/v2/models/{model}/infer", content=head + bytes(size), headers=headers)
        assert (answer.status_code, f"{shape[0]:,} inputs in one request; at most 5" in answer.text) == (413, True)


def test_bodies_of_all_requests_together_are_bounded() -> None:
    with running({"text": loaded("text")}, max_body=1000) as port:
        head = HEAD + b"Content-Length: 1000\r\n\r\n"
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(17)]
        for one in held[:16]:
            one.sendall(head + b" " * 990)
        time.sleep(0.3)
        held[16].sendall(head + b" " * 990)
        held[16].settimeout(20)
        answer = held[16].recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in answer.lower()
        for one in held:
            one.close()
        while not asked(port).endswith(b"200 OK"):
            pass


def test_bombs_are_refused(client) -> None:
    packed = black(999, 999)
    assert len(packed) < 2000
    whole = client.post("/predict", json={"model": "image", "inputs": [base64_of(packed)]})
    assert whole.status_code == 200
    packed = zlib.compress(b"\0" * 50_000_000)
    zipped = {"content-encoding": "deflate", "content-type": "application/json"}
    assert client.post("/predict", content=packed, headers=zipped).status_code == 400
    assert good(client) == 200


def test_without_the_key_there_is_nothing_but_the_page_and_health() -> None:
    log = io.StringIO()
    with served({"text": loaded("text")}, api_key=KEY, log=log) as client:
        assert good(client) == 401
        wrong = [KEY[:-1], KEY + "x", KEY.upper(), "", "\xe4" * 16]
        assert [good(client, authorization=f"Bearer {key}".encode("latin-1")) for key in wrong] == [401] * 5
        assert good(client, authorization=f"Bearer {KEY}") == 200
        assert good(client, **{"x-api-key": KEY}) == 200
        assert client.get("/health").status_code == 200
        closed = ("/models", "/openapi.json", "/metrics", "/v2/models/text", "/page/../models")
        assert [client.get(path).status_code for path in closed] == [401] * len(closed)
        refused = [client.get("/models").json(), client.get("/models", headers={"x-api-key": "wrong"}).json()]
    assert [one["error"] for one in refused] == [
        "Send the key: Authorization: Bearer KEY.",
        "This is not its key. Send the key: Authorization: Bearer KEY.",
    ]
    assert KEY not in log.getvalue()
    paths = [json.loads(line)["path"] for line in log.getvalue().splitlines()]
    assert paths[0] == "/predict"
    assert paths[-7:] == [*closed[:3], "/v2/models/{name}", "/models", "/models", "/models"]


def test_the_log_has_no_contents() -> None:
    log = io.StringIO()
    with served({"text": loaded("text")}, log=log) as client:
        client.post("/predict?token=geheim", json={"model": "text", "text": "geheim"})
        client.get("/geheim")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["path"], line["status"], line["method"]) for line in lines] == [
        ("/predict", 200, "POST"), ("unknown", 404, "GET")
    ]  # fmt: skip
    assert "geheim" not in log.getvalue()
    assert (lines[0]["model"], lines[0]["inputs"]) == ("text", 1)


def test_other_origins_and_host_names_are_refused(client) -> None:
    assert good(client, origin="http://localhost") == 200
    assert [good(client, origin=name) for name in ("https://evil.example", "null", "http://localhost:81")] == [403] * 3
    assert [good(client, host=name) for name in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example")] == [
        403
    ] * 3
    answer = client.options("/predict", headers={"access-control-request-method": "POST"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with listening(Address(host="127.0.0.1", port=0, loopback=True)) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # or asyncio does not set TCP_NODELAY: 40 ms a request


def test_slow_clients_are_cut() -> None:
    with running({"text": loaded("text")}, read_timeout=0.5) as port:
        silent, heads, bodies = (socket.create_connection(("127.0.0.1", port)) for _ in range(3))
        heads.sendall(b"POST /predict HTTP/1.1\r\nHost: loc")
        bodies.sendall(UNFINISHED)
        answers = []
        for one in (silent, heads, bodies):
            one.settimeout(20)
            answers.append(one.recv(1000))
        assert answers[:2] == [b"", b""]
        assert answers[2].startswith(b"HTTP/1.1 408 ")


def asked(port: int) -> bytes:
    """The status line of a good request."""
    body = b'{"text": "one two"}'
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return one.recv(1000).partition(b"\r\n")[0]


def test_requests_that_are_no_http_and_clients_that_leave_do_no_harm() -> None:
    with running({"text": loaded("text")}) as port:
        for content in (
            b"\0" * 100,
            b"GET\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
            b"GET / HTTP/9.9\r\n\r\n",
            b"A" * 100_000,
        ):
            with socket.create_connection(("127.0.0.1", port)) as one:
                one.sendall(content)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as one:
                one.sendall(UNFINISHED)
        assert asked(port) == b"HTTP/1.1 200 OK"


def test_a_client_that_does_not_read_is_cut() -> None:
    body = json.dumps({"inputs": ["a" * 100_000] * 200}).encode()
    with running({"text": loaded("text")}, read_timeout=1.0) as port:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", port))
            one.settimeout(60)
            one.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            start = one.recv(1000)
            time.sleep(3)
            assert start.startswith(b"HTTP/1.1 200 OK")
            size = len(start)
            with suppress(ConnectionResetError):
                while part := one.recv(1 << 20):
                    size += len(part)
            assert size < 20_000_000
        assert asked(port) == b"HTTP/1.1 200 OK"


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_keeps_no_answer_back() -> None:
    with served({"text": loaded("text")}, log=FullDisk()) as client:
        assert good(client) == 200


@pytest.mark.slow
def test_a_thousand_open_sockets_do_no_harm() -> None:
    with running({"text": loaded("text")}, read_timeout=5.0) as port:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(1000)]
        assert asked(port) == b"HTTP/1.1 200 OK"
        for one in held:
            one.settimeout(30)
            assert one.recv(1) == b""
            one.close()
        assert asked(port) == b"HTTP/1.1 200 OK"
