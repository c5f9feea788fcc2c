"""The real command in a process of its own, without the five seconds that importing torch and Lightning take.

A server process imports the verbs once; for each request it forks, and the child calls `sensorium.cli.main:main`. What
the child changes (working directory, Hydra's state, signal handlers, threads) is gone with it. Each process of the
tests has a server of its own, which listens on a socket in a folder of its own.
"""

import atexit
import gc
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

VERBS = ("train", "eval", "predict", "explain", "serve", "report", "check", "list")
# What a verb imports only when it is asked for, and what takes as long as a short training.
SLOW_TO_IMPORT = ("sensorium.data.vision.digits", "sklearn.datasets", "num2words", "sacrebleu", "captum.attr")

# Trainings that are composed before the first request.
WARM = (
    ["model=small_cnn", "augment=flip_crop", "optimizer=adamw"],
    ["dataset=image_folder", "dataset.root=photos", "model=lenet", "optimizer=sgd", "scheduler=cosine"],
    ["dataset=contrast_reviews", "model=lstm_classifier"],
    ["dataset=text_csv", "dataset.path=texts.csv", "model=cnn_text"],
    ["dataset=spoken_commands", "model=keyword_cnn"],
    ["dataset=digit_scenes", "model=scene_detector"],
)


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
    (result,) = _together(arguments, cwd, stdin, [environment or {}])
    return result


def run_group(arguments: list[str], cwd: Path, processes: int = 2) -> list[Result]:
    """The same as one training on several processes of this machine, started as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "tests",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }
    places = [group | {"RANK": str(number), "LOCAL_RANK": str(number)} for number in range(processes)]
    return _together(arguments, cwd, None, places)


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


def write_program(path: Path) -> None:
    """Makes a program for shell scripts: the command, its streams those of the shell."""
    # -I -S: without the second that site-packages take; the client needs the standard library only.
    client = shlex.join([sys.executable, "-I", "-S", __file__, "ask", _server()])
    path.write_text(f'#!/bin/sh\nexec {client} "$@"\n')
    path.chmod(0o755)


def _together(arguments: list[str], cwd: Path, stdin: str | None, environments: list[dict[str, str]]) -> list[Result]:
    """One process for each environment, all at the same time."""
    with TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(len(environments))]
        started = []
        for folder, environment in zip(folders, environments, strict=True):
            folder.mkdir()
            (folder / "stdin").write_text(stdin or "")
            modes = {"stdin": "rb", "stdout": "wb", "stderr": "wb"}
            streams = [(folder / stream).open(mode) for stream, mode in modes.items()]
            request = {
                "arguments": [str(argument) for argument in arguments],
                "cwd": str(cwd),
                "environment": _environment(environment),
            }
            started.append(_start(_server(), request, [stream.fileno() for stream in streams]))
            for stream in streams:
                stream.close()
        return [
            Result(_status(answer), _text(folder / "stdout"), _text(folder / "stderr"))
            for answer, folder in zip(started, folders, strict=True)
        ]


def _environment(added: dict[str, str] | None) -> dict[str, str]:
    """This process's, with one torch thread: two that wait for each other on a busy core stall."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    return inherited | {"OMP_NUM_THREADS": "1"} | (added or {})


def _text(path: Path) -> str:
    return path.read_bytes().decode()


@cache
def _server() -> str:
    """Starts the server; where it listens."""
    folder = mkdtemp()  # not the tests' own: the path of a socket has at most 107 characters
    address = str(Path(folder) / "socket")
    # Listens before the server is there, so that no one need wait for it to be.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    command = [sys.executable, __file__, "serve", str(listener.fileno())]
    server = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # its end, which comes with that of this process however it ends, is the server's
        stdout=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        env=_environment(None),
    )
    listener.close()
    atexit.register(_end, server, folder)
    return address


def _end(server: "subprocess.Popen[bytes]", folder: str) -> None:
    server.communicate()
    shutil.rmtree(folder)


# -- in whoever asks


def _start(address: str, request: dict[str, object], streams: list[int]) -> socket.socket:
    """Asks the server at this address for a process with these three streams. The answer comes through the socket."""
    asking = socket.socket(socket.AF_UNIX)
    asking.connect(address)
    socket.send_fds(asking, [b"r"], streams)
    asking.sendall(json.dumps(request).encode())
    asking.shutdown(socket.SHUT_WR)
    return asking


def _status(asking: socket.socket) -> int:
    """Waits for the process to end."""
    with asking, asking.makefile() as answer:
        return int(answer.read())


def ask(address: str, arguments: list[str]) -> int:
    """What the program for shell scripts does."""
    request = {"arguments": arguments, "cwd": str(Path.cwd()), "environment": dict(os.environ)}
    status = _status(_start(address, request, [0, 1, 2]))
    return status if status >= 0 else 128 - status  # of a signal, as a shell tells it


# -- in the server


def serve(listener: socket.socket) -> None:
    """For each connection forks a process, and answers with its exit status."""
    # Away from the tests' own modules: a child must find what a person's shell would find.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
    modules = (*(f"sensorium.cli.{verb}" for verb in (*VERBS, "model_cost")), *filter(find_spec, SLOW_TO_IMPORT))
    for module in modules:
        import_module(module)
    _warm_up()
    # Hydra composes each config twice, first to read hydra.mode. Nothing in the tests sets that, and None says so.
    import_module("hydra._internal.hydra").Hydra.get_mode = lambda *_, **__: None
    gc.freeze()  # a child need not look at what has been imported
    ended, told = os.pipe()
    os.set_blocking(told, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler the next line would tell of none
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    running: dict[int, socket.socket] = {}
    while sys.stdin not in (ready := select.select([listener, sys.stdin, ended], [], [])[0]):
        if ended in ready:
            os.read(ended, 4096)
            _answer(running)
        if listener in ready:
            connection, _ = listener.accept()
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (listener, *running.values()):  # whoever waits for an answer waits for all who could send it
                    one.close()
                _become(*_read(connection))
            running[child] = connection


def _answer(running: dict[int, socket.socket]) -> None:
    """Sends the exit status of each process that has ended to where it was asked for."""
    for child, connection in list(running.items()):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            with running.pop(child), suppress(BrokenPipeError):  # whoever asked may have ended
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _warm_up() -> None:
    """Composes what most requests compose, so that a child finds grammars and signatures parsed: a quarter of a second.

    In an empty folder: nothing of the tests' own may be found.
    """
    app = import_module("sensorium.cli.app")
    before = Path.cwd()
    with TemporaryDirectory() as empty:
        os.chdir(empty)
        for chosen in WARM:
            app.composed_training(chosen, [])
        app.composed("list", [])
        os.chdir(before)


def _read(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The request, and the three streams of its process."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection, connection.makefile() as text:
        return json.loads(text.read()), list(streams)


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Turns this fork into the asked-for process; never returns."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    named = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [entry for entry in named if entry and entry not in sys.path]  # as a new interpreter would
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
    if sys.argv[1] == "serve":
        serve(socket.socket(fileno=int(sys.argv[2])))
    else:
        sys.exit(ask(sys.argv[2], sys.argv[3:]))


def stored_metrics(metrics: Path) -> dict[str, float]:
    """What metrics.json has of the test split; the error of calibration, of the validation split, stands beside it."""
    return {name: value for name, value in json.loads(metrics.read_text()).items() if name.startswith("test/")}
