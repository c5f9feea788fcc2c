"""Live audio over a WebSocket: what is recognized while it comes in, and how it ends."""

import base64
import time

import numpy as np
import pytest

pytest.importorskip("fastapi")

from starlette.websockets import WebSocketDisconnect

from served import loaded, served
from served_ear import RATE, ear, tones

LIVE = "ws://localhost/live"
KEY = "a-key-of-sixteen-letters"


@pytest.fixture(scope="module")
def client():
    with served({"ear": ear(), "text": loaded("text")}, max_seconds=20.0) as client:
        yield client


def sent(socket, samples: np.ndarray, size: int = 800) -> list[dict]:
    """Everything that comes back for a recording in pieces."""
    for start in range(0, len(samples), size):
        socket.send_bytes(samples[start : start + size].tobytes())
    socket.send_text("end")
    found = []
    while not found or not {"end", "error"} & set(found[-1]):
        found.append(socket.receive_json())
    return found


@pytest.mark.parametrize("size", [800, 123, 20_000])
def test_the_transcript_grows_while_audio_comes_in(client, size: int) -> None:
    with client.websocket_connect(f"{LIVE}?model=ear") as socket:
        first, *records, last = sent(socket, tones("llhl hh"), size)
    assert (first, last) == ({"sample_rate": RATE}, {"end": True})
    assert [one["text"] for one in records if one["done"]] == ["llhl", "hh"]
    grown = [one["text"] for one in records if not one["done"]]
    if size == 800:
        assert grown == ["l", "ll", "llh", "llhl", "h", "hh"]
    assert client.server.streams == 0


def test_a_model_that_needs_the_whole_recording_is_not_offered_for_live_audio() -> None:
    assert loaded("speech").spec.task == "speech_recognition"
    with served({"ear": ear(), "whole": loaded("speech")}) as client:
        assert {one["name"]: one["live"] for one in client.get("/models").json()["models"]} == {
            "ear": True,
            "whole": False,
        }
        with client.websocket_connect(f"{LIVE}?model=whole") as socket:
            assert socket.receive_json() == {"error": "whole takes no live audio."}


def test_what_is_wrong_is_said_before_the_end(client) -> None:
    def error(path: str, message: bytes | str) -> str:
        with client.websocket_connect(path) as socket:
            if path.endswith("ear"):
                assert "sample_rate" in socket.receive_json()
            (socket.send_bytes if isinstance(message, bytes) else socket.send_text)(message)
            return socket.receive_json()["error"]

    assert "takes no live audio" in error(f"{LIVE}?model=text", b"")
    assert "There is no model 'eat'. Did you mean ear?" in error(f"{LIVE}?model=eat", b"")
    assert "Several models are served" in error(LIVE, b"")
    assert "whole samples of 2 bytes" in error(f"{LIVE}?model=ear", b"abc")
    assert 'or the text "end"' in error(f"{LIVE}?model=ear", "stop")
    assert "At most 20 s of audio" in error(f"{LIVE}?model=ear", bytes(2 * RATE * 21))
    assert client.server.streams == 0


def test_a_trickle_of_samples_holds_no_place_without_end() -> None:
    with served({"ear": ear()}, max_seconds=0.2, read_timeout=0.3) as client:
        with client.websocket_connect(LIVE) as socket:
            assert "sample_rate" in socket.receive_json()
            for _ in range(10):
                socket.send_bytes(b"")
                time.sleep(0.1)
            assert "A live connection lasts at most 0.5 s" in socket.receive_json()["error"]
        assert client.server.streams == 0


def test_connections_are_bounded_and_forgotten(client) -> None:
    with served({"ear": ear()}, max_streams=1) as single:
        with (
            single.websocket_connect(LIVE) as one,
            single.websocket_connect(LIVE) as other,
        ):
            assert "sample_rate" in one.receive_json()
            assert "1 live connections are open" in other.receive_json()["error"]
        with single.websocket_connect(LIVE) as again:
            assert "sample_rate" in again.receive_json()
        engine = single.server.models["ear"]._worker.engine
        for _ in range(100):
            if not engine._open:
                break
            single.get("/health")
        assert engine._open == {}


def test_the_key_comes_as_a_protocol_and_other_origins_are_refused() -> None:
    encoded = base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")
    with served({"ear": ear()}, api_key=KEY) as client:
        with client.websocket_connect(LIVE, subprotocols=["sensorium", f"sensorium.key.{encoded}"]) as socket:
            assert socket.accepted_subprotocol == "sensorium"
            assert "sample_rate" in socket.receive_json()
        for headers in ({}, {"sec-websocket-protocol": "sensorium.key.AAAA"}, {"authorization": "Bearer wrong"}):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(LIVE, headers=headers):
                pass
        key = {"authorization": f"Bearer {KEY}"}
        elsewhere = key | {"origin": "https://evil.example"}
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(LIVE, headers=elsewhere):
            pass
