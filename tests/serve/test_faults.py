"""Faults that a server survives: the whole command on a full disk, and what clients do to it. After each fault the next
good request is answered."""

import base64
import gzip
import http.client
import io
import json
import multiprocessing
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from live_server import running
from sensorium.serve import engine
from sensorium.serve.run import Address, run_server
from served import CHECKPOINTS, loaded, png, usual_limits
from worker_engines import EchoEngine

BOUNDARY = b"frontier"
FORM = (
    b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n%s\r\n--frontier--\r\n"
)


def post(
    body: bytes, path: str = "/predict", kind: str = "multipart/form-data; boundary=frontier", **more: str
) -> bytes:
    """A whole request. more: headers."""
    headers = {"Host": "localhost", "Content-Type": kind, "Content-Length": str(len(body))} | more
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Served:
    """The command with one model of images, where every write to a file fails."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-m", "sensorium", "serve"]
        arguments = [f"ckpt={CHECKPOINTS / 'image.ckpt'}", f"port={self.port}", "threads=1", "read_timeout=5"]
        places = {"TMPDIR": str(folder), "MPLCONFIGDIR": str(folder)}
        with Path("/dev/full").open("w") as full:
            self.process = subprocess.Popen(
                [*limited, *arguments], cwd=folder, stderr=full, stdout=full, env=os.environ | places
            )

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(OSError):
                if self.ask(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")[0] == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"no server; exit status {self.process.poll()}")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body; 0 where the connection ends without an answer."""
        with self.connect() as one:
            with suppress(BrokenPipeError, ConnectionResetError):
                one.sendall(request)
            answer = http.client.HTTPResponse(one)
            try:
                answer.begin()
                return answer.status, answer.read()
            except (http.client.HTTPException, ConnectionResetError):
                return 0, b""

    def good(self) -> bool:
        """Whether a good request is answered."""
        status, body = self.ask(post(FORM % png(3)))
        return status == 200 and "classes" in json.loads(body)["predictions"][0]

    def memory(self, pid: int | None = None) -> int:
        """The most bytes that a process had in memory since the last call."""
        process = Path(f"/proc/{pid or self.process.pid}")
        status = (process / "status").read_text()
        (process / "clear_refs").write_text("5")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def workers(self) -> list[int]:
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """On a full disk all the time: nothing can be written to files, nor to standard error."""
    folder = tmp_path_factory.mktemp("full")
    served = Served(folder)
    try:
        served.wait()
        yield served
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(60) == 0
    finally:
        served.process.kill()
        served.process.wait()


def test_a_full_disk_keeps_no_answer_back(server: Served) -> None:
    (wanted,) = loaded("image").predict([png(3)])
    status, body = server.ask(post(FORM % png(3)))
    assert (status, json.loads(body)["predictions"][0]["classes"]) == (200, wanted.to_dict()["classes"])
    status, body = server.ask(post(FORM % png(3), "/explain"))
    assert (status, body[:4]) == (200, b"\x89PNG")
    assert server.ask(post(FORM % b"no image"))[0] == 400
    assert server.good()


def test_100_megabytes_are_refused_early_and_not_kept(server: Served) -> None:
    megabyte = b"x" * 1_000_000
    server.memory()
    before = server.memory()
    with server.connect() as one:
        one.sendall(post(b"", **{"Content-Length": "100000000"}))
        assert one.recv(12) == b"HTTP/1.1 413"  # before any of it was sent
        assert server.good()
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                one.sendall(megabyte)
    assert server.memory() - before < 10_000_000
    with server.connect() as one:
        head = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        begin = FORM.partition(b"%s")[0]
        one.sendall(head + b"%x\r\n%s\r\n" % (len(begin), begin))
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                one.sendall(b"%x\r\n%s\r\n" % (len(megabyte), megabyte))
        assert one.recv(12) == b"HTTP/1.1 413"
    assert server.memory() - before < 100_000_000
    assert server.good()


def test_a_thousand_open_connections_and_the_next_request(server: Served) -> None:
    beginnings = (b"", b"POST /pre", post(FORM % png(3))[:-10], b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    held = [server.connect() for _ in range(1000)]
    try:
        for number, one in enumerate(held):
            one.sendall(beginnings[number % len(beginnings)])
        assert server.good()
    finally:
        for one in held:
            one.close()
    assert server.good()


def cut(one: socket.socket) -> None:
    """Ends a connection at once, by a reset."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def test_clients_that_are_cut_leave_nothing_behind(server: Served) -> None:
    request = post(FORM % (png(3) + bytes(300_000)))
    for number in range(60):
        one = server.connect()
        one.sendall(request[: len(request) * number // 50])  # the last ten: while they wait for the answer
        cut(one)
    assert server.good()
    status, body = server.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (status, b'sensorium_waiting_requests{model="image"} 0.0' in body) == (200, True)
    assert b'sensorium_worker_restarts_total{model="image"} 0.0' in body
    assert b'status="5' not in body
    assert b'sensorium_requests_total{path="/predict",status="499"}' in body


def mangled(request: bytes, random_: random.Random) -> bytes:
    """The same with bytes that are changed, doubled or gone, of the head above all."""
    found = bytearray(request)
    for _ in range(random_.randint(1, 6)):
        place = random_.randrange(min(len(found), 330))
        piece = slice(place, place + random_.randint(1, 20))
        if (choice := random_.randrange(4)) == 0:
            found[place] = random_.randrange(256)
        elif choice == 1:
            found[place:place] = found[piece]
        elif choice == 2:
            found[place:place] = random_.choice([b"\r\n", b"\0", b"\n\n", b": ", b"\xff\xfe", b"--", b"%00", b" "])
        else:
            del found[piece]
    return bytes(found)


def test_200_malformed_requests(server: Served) -> None:
    random_ = random.Random(0)
    whole = [
        post(FORM % png(3), Connection="close"),
        post(b'{"inputs": ["%s"], "top_k": 2}' % base64.b64encode(png(3)), kind="application/json", Connection="close"),
        b"GET /live?model=image HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        post(b"", "/v2/models/image/infer", "application/json", Connection="close"),
    ]
    statuses = []
    for number in range(200):
        with server.connect() as one:
            with suppress(BrokenPipeError, ConnectionResetError):
                one.sendall(mangled(whole[number % len(whole)], random_))
                one.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                line = one.recv(1000).partition(b"\r\n")[0]
                statuses.append(line[9:12].decode())
    assert len(statuses) > 190
    assert [status for status in statuses if status[:1] not in ("4", "2", "1", "")] == []
    assert len([status for status in statuses if status[:1] == "4"]) > 100
    assert server.good()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, *more: bytes, rows: bytes = b"") -> bytes:
    """A PNG that says to be of this size, whatever its rows hold. more: chunks before them."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zipped(size: int) -> bytes:
    """A ZIP file of so many zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(size))
    return file.getvalue()


ZEROS = 120_000_000
BOMBS: dict[str, Any] = {
    "huge PNG": lambda: png_of(60_000, 60_000),
    "largest PNG": lambda: png_of(2**31 - 1, 2**31 - 1),
    "above max_megapixels": lambda: png_of(7200, 7200, rows=bytes(7200 * (3 * 7200 + 1))),
    "text chunk": lambda: png_of(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(ZEROS))), rows=bytes(25 * 8)),
    "color profile": lambda: png_of(8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(ZEROS))), rows=bytes(25 * 8)),
    "more rows than it says": lambda: png_of(8, 8, rows=bytes(ZEROS)),
    "GIF": lambda: b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
    "ZIP": lambda: zipped(ZEROS),
    "gzip": lambda: gzip.compress(bytes(ZEROS)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_no_memory(server: Served, name: str) -> None:
    bomb = BOMBS[name]()
    assert len(bomb) < 1_000_000
    worker = max(server.workers(), key=server.memory)
    before = server.memory(worker)
    status, body = server.ask(post(FORM % bomb))
    assert status in (200, 400, 413), body
    assert server.memory(worker) - before < 60_000_000
    assert server.good()


def test_a_packed_body_is_not_unpacked(server: Served) -> None:
    for packed, coding in ((gzip.compress(bytes(ZEROS)), "gzip"), (zlib.compress(bytes(ZEROS)), "deflate")):
        server.memory()
        before = server.memory()
        request = post(packed, kind="application/json", **{"Content-Encoding": coding})
        assert server.ask(request)[0] == 400
        assert server.memory() - before < 20_000_000
    assert server.good()


@pytest.mark.slow
def test_a_killed_worker_is_replaced_on_a_full_disk(server: Served) -> None:
    os.kill(max(server.workers(), key=server.memory), signal.SIGKILL)
    statuses = []
    while 200 not in statuses[-1:]:
        statuses.append(server.ask(post(FORM % png(3)))[0])
        time.sleep(0.1)
    assert set(statuses) == {503, 200}
    assert server.good()


# -- without a process


def test_a_streamed_text_whose_client_is_cut_ends() -> None:
    asked = json.dumps({"model": "language", "prompt": "one", "max_tokens": 1500, "stream": True}).encode()
    with running({"language": loaded("language")}, max_streams=1) as port:
        for _ in range(3):
            for _ in range(200):
                one = socket.create_connection(("127.0.0.1", port), timeout=30)
                one.sendall(post(asked, "/v1/completions", "application/json"))
                start = one.recv(12)
                if start == b"HTTP/1.1 200":
                    break
                assert start == b"HTTP/1.1 429"  # the one before has not been missed yet
                one.close()
                time.sleep(0.05)
            assert start == b"HTTP/1.1 200"
            cut(one)


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_fault_is_answered_where_it_cannot_be_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", FullDisk())
    found = engine.remote(ZeroDivisionError())
    assert (found.status, found.message.partition(" (")[0]) == (500, "The model failed")


def test_a_server_that_cannot_start_leaves_no_worker() -> None:
    def say(line: str) -> None:
        if line.startswith("serving"):
            raise ZeroDivisionError(line)

    address = Address(host="127.0.0.1", port=0, loopback=True)
    with pytest.raises(ZeroDivisionError, match="serving echo on"):
        run_server({"echo": EchoEngine}, address, limits=usual_limits(), api_key=None, say=say)
    assert multiprocessing.active_children() == []
