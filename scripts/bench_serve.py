"""Requests a second and latencies of `sensorium serve` at 1, 8 and 64 clients, with batching and without.

Usage: python scripts/bench_serve.py CHECKPOINT [INPUT]      INPUT: a file, or a text

Clients are coroutines of one other process, each with a connection of its own, on which it asks again as soon as it
has been answered; they share the machine with the server. The two ways are measured in turn.
"""

import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CLIENTS, ROUNDS, SECONDS, WARM = (1, 8, 64), 3, 5.0, 1.0
WAYS = {"batching": (), "one by one": ("max_batch=1", "max_wait_ms=0")}
BOUNDARY = "sensorium-benchmark"


@contextlib.contextmanager
def serving(checkpoint: str, *arguments: str) -> Iterator[int]:
    """The port of a server in a process of its own, with one thread a model."""
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "sensorium", "serve", f"ckpt={checkpoint}", "port=0", "threads=1", *arguments]
        process = subprocess.Popen(command, stderr=log)
        try:
            yield _port(process, log.fileno())
        finally:
            process.terminate()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", log: int) -> int:
    while process.poll() is None:
        if found := re.search(rb" on http://127\.0\.0\.1:(\d+)", os.pread(log, 10_000, 0)):
            return int(found[1])
        time.sleep(0.1)
    raise SystemExit(os.pread(log, 10_000, 0).decode())


def request(given: str) -> bytes:
    """A request of HTTP for a file or a text."""
    if Path(given).is_file():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{Path(given).name}"\r\n\r\n'
        body = head.encode() + Path(given).read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
    else:
        body, kind = json.dumps({"text": given}).encode(), "application/json"
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _client(port: int, content: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < until:
        writer.write(content)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(head.decode())
        found = re.search(rb"content-length: (\d+)", head)
        assert found is not None
        await reader.readexactly(int(found[1]))
        latencies.append(time.perf_counter() - started)
    writer.close()


async def load(port: int, content: bytes, clients: int, seconds: float) -> list[float]:
    """The seconds that each request took."""
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_client(port, content, until, latencies) for _ in range(clients)))
    return latencies


def main() -> None:
    """Prints a row for each number of clients and each way: medians over the rounds."""
    checkpoint, given = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "what a film"
    content = request(given)
    found: dict[tuple[int, str], list[list[float]]] = {}
    with contextlib.ExitStack() as stack:
        ports = {way: stack.enter_context(serving(checkpoint, *arguments)) for way, arguments in WAYS.items()}
        for clients in CLIENTS:
            for port in ports.values():
                asyncio.run(load(port, content, clients, WARM))
            for _ in range(ROUNDS):
                for way, port in ports.items():
                    found.setdefault((clients, way), []).append(asyncio.run(load(port, content, clients, SECONDS)))
    print(f"{checkpoint}, {os.cpu_count()} cores, {ROUNDS} rounds of {SECONDS:g} s")
    print(f"{'clients':>7}  {'way':<11} {'requests/s':>10} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}")
    for (clients, way), rounds in found.items():
        rate = statistics.median(len(one) / SECONDS for one in rounds)
        p50, p95, p99 = (
            statistics.median(1000 * statistics.quantiles(one, n=100)[share - 1] for one in rounds)
            for share in (50, 95, 99)
        )
        print(f"{clients:>7}  {way:<11} {rate:>10.0f} {p50:>8.1f} {p95:>8.1f} {p99:>8.1f}")


if __name__ == "__main__":
    main()
