"""The real command in a process of its own, without the five seconds that importing torch and Lightning take.

A server process imports the verbs once; for each request it forks, and the child calls `sensorium.cli.main:main`. What
the child changes (working directory, Hydra's state, signal handlers, threads) is gone with it.
"""

import atexit
import gc
import json
import os
import subprocess
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

VERBS = ("train", "eval", "predict", "list")
_server: subprocess.Popen[str] | None = None


@dataclass(frozen=True)
class Result:
    """status: as a shell sees it. stdout, stderr: everything written to the two streams."""

    status: int
    stdout: str
    stderr: str


def run_command(
    arguments: list[str], cwd: Path, stdin: str | None = None, environment: dict[str, str] | None = None
) -> Result:
    """`sensorium ARGUMENTS` in the folder `cwd`. environment: added to this process's own."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stdin").write_text(stdin or "")
        request = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "streams": [str(folder / stream) for stream in ("stdin", "stdout", "stderr")],
            "environment": _environment(environment),
        }
        status = _ask(request)
        return Result(status, _text(folder / "stdout"), _text(folder / "stderr"))


def run_process(
    arguments: list[str], cwd: Path, stdin: str | None = None, environment: dict[str, str] | None = None
) -> Result:
    """The same through a new interpreter: `python -m sensorium ARGUMENTS`."""
    done = subprocess.run(
        [sys.executable, "-m", "sensorium", *map(str, arguments)],
        cwd=cwd,
        env=_environment(environment),
        input=(stdin or "").encode(),
        capture_output=True,
        timeout=200,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def _environment(added: dict[str, str] | None) -> dict[str, str]:
    """This process's, with one torch thread: two that wait for each other on a busy core stall."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    return inherited | {"OMP_NUM_THREADS": "1"} | (added or {})


def _text(path: Path) -> str:
    return path.read_bytes().decode()


def _ask(request: dict[str, Any]) -> int:
    global _server
    if _server is None or _server.poll() is not None:
        _server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(None),
        )
        atexit.register(_server.terminate)
    assert _server.stdin is not None
    assert _server.stdout is not None
    _server.stdin.write(json.dumps(request) + "\n")
    _server.stdin.flush()
    return int(_server.stdout.readline())


# -- in the server


def serve() -> None:
    """Answers each line of standard input, a request as JSON, with a line that holds the exit status."""
    # Away from the tests' own modules: a child must find what a person's shell would find.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
    # And what the default data set imports when it is asked for, which takes as long as a short training.
    verbs = (*VERBS, "model_cost")
    for module in (*(f"sensorium.cli.{verb}" for verb in verbs), "sensorium.data.vision.digits", "sklearn.datasets"):
        import_module(module)
    gc.freeze()  # a child need not look at what has been imported
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(request: dict[str, Any]) -> None:
    """Turns this fork into the asked-for process; never returns."""
    for number, (path, flags) in enumerate(
        zip(request["streams"], (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT), strict=True)
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["sensorium", *request["arguments"]]
    status = 70
    try:
        status = import_module("sensorium.cli.main").main()
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 (as the interpreter does at its end)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
