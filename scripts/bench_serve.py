"""Requests a second and latencies of `sensorium serve` at 1, 8 and 64 clients, with batching and without.

Usage: python scripts/bench_serve.py CHECKPOINT [INPUT]      INPUT: a file, or a text

The load is that of wrk (https://github.com/wg/wrk; Debian: apt install wrk): connections on each of which a client asks
again as soon as it has been answered. It shares the machine with the server. The two ways are measured in turn.
"""

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CLIENTS, ROUNDS, SECONDS, WARM = (1, 8, 64), 5, 3, 1
WAYS = {"batching": (), "one by one": ("max_batch=1", "max_wait_ms=0")}
BOUNDARY = "sensorium-benchmark"
SCRIPT = """
wrk.method = "POST"
wrk.body = "{body}"
wrk.headers["Content-Type"] = "{kind}"
done = function(summary, latency, requests)
  local bad = summary.errors
  print(string.format("found %d %d %d %f %f %f", summary.requests, summary.duration,
    bad.connect + bad.read + bad.write + bad.status + bad.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""


class Found(NamedTuple):
    """Of one round: requests a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p95: float
    p99: float


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


def script(given: str) -> str:
    """What wrk sends: a file as a form, or a text as JSON."""
    if Path(given).is_file():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{Path(given).name}"\r\n\r\n'
        body = head.encode() + Path(given).read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
    else:
        body, kind = json.dumps({"text": given}).encode(), "application/json"
    return SCRIPT.replace("{body}", "".join(f"\\{byte:03d}" for byte in body)).replace("{kind}", kind)


def load(port: int, file: Path, clients: int, seconds: int) -> Found:
    """One round."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(file), f"http://127.0.0.1:{port}/predict"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^found (\d+) (\d+) (\d+) (\S+) (\S+) (\S+)$", text, re.MULTILINE)
    if found is None or found[3] != "0":
        raise SystemExit(f"Requests failed:\n{text}")
    return Found(int(found[1]) / int(found[2]) * 1e6, *(float(found[group]) / 1000 for group in (4, 5, 6)))


def main() -> None:
    """Prints a row for each number of clients and each way: medians over the rounds."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: https://github.com/wg/wrk, or apt install wrk")
    checkpoint, given = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "what a film"
    print(f"{checkpoint}, {os.cpu_count()} cores, {ROUNDS} rounds of {SECONDS} s")
    print(f"{'clients':>7}  {'way':<11} {'requests/s':>10} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}")
    with contextlib.ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "post.lua"
        file.write_text(script(given))
        ports = {way: stack.enter_context(serving(checkpoint, *arguments)) for way, arguments in WAYS.items()}
        for clients in CLIENTS:
            found: dict[str, list[Found]] = {way: [] for way in ports}
            for port in ports.values():
                load(port, file, clients, WARM)
            for _ in range(ROUNDS):
                for way, port in ports.items():
                    found[way].append(load(port, file, clients, SECONDS))
            for way, rounds in found.items():
                rate, p50, p95, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
                print(f"{clients:>7}  {way:<11} {rate:>10.0f} {p50:>8.1f} {p95:>8.1f} {p99:>8.1f}", flush=True)
            pairs = zip(found["batching"], found["one by one"], strict=True)
            print(
                f"{clients:>7}  batching / one by one, median of rounds: "
                f"{statistics.median(one.rate / other.rate for one, other in pairs):.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
