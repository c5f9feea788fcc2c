"""sensorium serve: what is wrong with a request; and the whole command, whose worker is killed, until it is told to
stop."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from sensorium.cli import app as command_line
from sensorium.cli import main
from sensorium.cli.serve import api_key, is_loopback, named_checkpoints
from sensorium.errors import RequestError
from served import CHECKPOINTS


def test_only_this_machines_addresses_need_no_key() -> None:
    hosts = ("127.0.0.1", "127.1.2.3", "localhost", "::1", "0.0.0.0", "::", "192.168.1.2", "8.8.8.8")
    assert [is_loopback(host) for host in hosts] == [True] * 4 + [False] * 4
    with pytest.raises(RequestError, match=r"host=example\.com is no address"):
        is_loopback("example.com")


def test_a_key_comes_from_the_request_or_the_environment_and_is_not_short() -> None:
    long, other = "k" * 16, "o" * 20
    assert [api_key(None, {}), api_key(long, {}), api_key(None, {"SENSORIUM_API_KEY": other})] == [None, long, other]
    assert api_key(long, {"SENSORIUM_API_KEY": other}) == long
    for short in ("k" * 15, "", "k" * 15 + " ", "\u00e4" * 16):
        with pytest.raises(RequestError, match="16 or more characters"):
            api_key(short, {})
    for other in (12345678901234567, True, ["a" * 20]):
        command_line.check("serve", command_line.composed("serve", ["ckpt=a"]) | {"api_key": other})
        with pytest.raises(RequestError, match="api_key is no text: put it in quotes"):
            api_key(other, {})


def test_models_are_named_after_their_runs_or_files_or_as_asked(tmp_path: Path, trained_run: Path) -> None:
    file = shutil.copy(CHECKPOINTS / "text.ckpt", tmp_path / "my model.ckpt")
    assert list(named_checkpoints([str(trained_run), str(file)], None)) == ["digits_small_cnn", "my_model"]
    best = trained_run / "checkpoints" / "best.ckpt"
    assert named_checkpoints(str(best), None) == {"digits_small_cnn": str(best)}
    assert list(named_checkpoints([str(best), str(best)], ["a", "b"])) == ["a", "b"]
    for given, names, message in (
        ([str(best), str(best)], None, r"Several models are named digits_small_cnn. Name them: names=\[a,b\]"),
        (str(best), ["a", "b"], "2 names for 1 checkpoints"),
        (str(best), ["a/b"], "'a/b' is not possible"),
        ("nowhere.ckpt", None, "There is no checkpoint nowhere.ckpt"),
    ):
        with pytest.raises(RequestError, match=message):
            named_checkpoints(given, names)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("host=0.0.0.0", "can be reached by other machines, and there is no key"),
        ("port=80000", "port=80000 is not possible"),
        ("max_bach=3", "Did you mean max_batch?"),
    ],
)
def test_wrong_requests(argument: str, message: str, capsys, monkeypatch) -> None:
    monkeypatch.delenv("SENSORIUM_API_KEY", raising=False)
    assert main.main(["serve", f"ckpt={CHECKPOINTS / 'text.ckpt'}", argument]) == 2
    assert message in capsys.readouterr().err


class Command:
    """The command in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.errors = (folder / "log").open("w+")
        command = [sys.executable, "-m", "sensorium", "serve", "port=0", "threads=1", *arguments]
        self.process = subprocess.Popen(command, cwd=folder, stderr=self.errors)
        self.port = self._port(folder / "log")

    def _port(self, log: Path) -> int:
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            if found := re.search(r"serving .* on http://127\.0\.0\.1:(\d+)", log.read_text()):
                return int(found[1])
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    def ask(self, **given: Any) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/predict", json.dumps(given), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def worker(self) -> int:
        """The process that has the model; multiprocessing has another one, which tracks resources."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        found = [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
        sizes = {pid: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in found}
        return max(sizes, key=sizes.__getitem__)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_sigterm_lets_requests_finish(tmp_path: Path) -> None:
    command = Command(tmp_path, f"ckpt={CHECKPOINTS / 'language.ckpt'}", "max_tokens=100000")
    try:
        assert command.ask(prompt="one", length=5)[0] == 200
        os.kill(command.worker(), signal.SIGKILL)
        statuses = []
        while 200 not in statuses[-1:]:
            statuses.append(command.ask(prompt="one", length=5)[0])
            time.sleep(0.05)
        assert set(statuses) == {503, 200}
        found: list[tuple[int, Any]] = []
        long = threading.Thread(target=lambda: found.append(command.ask(prompt="one", length=1500)))
        long.start()
        time.sleep(0.3)
        command.process.send_signal(signal.SIGTERM)
        long.join()
        assert command.process.wait(60) == 0
        ((status, answer),) = found
        assert (status, len(answer["predictions"][0]["text"]) > 100) == (200, True)
    finally:
        command.process.kill()
        command.process.wait()
    lines = command.errors
    lines.seek(0)
    assert [line for line in lines if "Traceback" in line] == []
