"""Who gets a signal, on which stack, and where the stack trace of a native crash goes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from command import run_command
from sensorium.data.prefetch import in_order
from sensorium.signals import STOPPING
from sensorium.training import settings
from trainings import TINY

TASKS = Path("/proc/self/task")  # a folder for each thread of this process
ALL = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@pytest.mark.parametrize("stderr", ["sys.stderr", "None", "io.StringIO()", "closed"])
def test_signals_have_their_own_stack_whatever_standard_error_is(stderr: str) -> None:
    code = (
        "import faulthandler, io, os, sys\nfrom sensorium.signals import signals_on_their_own_stack\n"
        f"closed = open(os.devnull, 'w'); closed.close()\nsys.stderr = {stderr}\n"
        "signals_on_their_own_stack()\nsignals_on_their_own_stack()\nprint(faulthandler.is_enabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


# The first field of struct stack_t is where the alternate stack is, 0 for none. A handler of Python's runs between two
# lines of Python, so where it really ran shows only what the system was told: SA_ONSTACK (0x08000000) in its flags.
STACK = """
import ctypes, signal
from sensorium.cli.main import main
main(["--version"])
signal.signal(signal.SIGTERM, lambda *_: None)
libc, stack, action = ctypes.CDLL(None), (ctypes.c_void_p * 3)(), (ctypes.c_uint64 * 32)()
assert libc.sigaltstack(None, stack) == 0 and libc.sigaction(signal.SIGTERM, None, action) == 0
print(bool(stack[0]), bool(action[17] & 0x08000000))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's struct sigaction")
def test_the_command_starts_with_a_stack_for_handlers_and_python_asks_for_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", STACK], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "True True"


def in_a_thread(work: Callable[[], object]) -> list[object]:
    """What it returns there. Each thread has OpenMP threads of its own, which end with it."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found


def blocked() -> set[int]:
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])}


@pytest.mark.skipif(not TASKS.exists(), reason="reads what Linux says about threads")
def test_threads_that_share_the_work_get_no_signal() -> None:
    def started() -> list[int]:
        before = {*TASKS.iterdir(), TASKS / str(threading.get_native_id())}
        settings.set_threads(2, processes=1)
        assert blocked() == set()  # the thread itself as before
        texts = [(task / "status").read_text() for task in set(TASKS.iterdir()) - before]
        return [int(text.partition("SigBlk:\t")[2].split()[0], 16) for text in texts]

    threads = torch.get_num_threads()
    try:
        (masks,) = in_a_thread(started)
    finally:
        torch.set_num_threads(threads)
    assert masks
    assert all(mask >> number - 1 & 1 for mask in masks for number in ALL), masks


def test_threads_that_read_ahead_get_no_signal() -> None:
    assert set(STOPPING) == ALL
    for found in in_order(lambda _: blocked(), range(4), threads=2, name="reader"):
        assert found >= ALL
    assert blocked() == set()


# Two threads share the work, and two signals come together, so that the system gives one of them to the second thread.
@pytest.mark.slow
def test_two_signals_at_once_and_two_threads(tmp_path: Path) -> None:
    code = """
import os, signal, subprocess, sys, time
import torch
from sensorium.signals import signals_on_their_own_stack
from sensorium.training.settings import set_threads
signals_on_their_own_stack()
set_threads(2, processes=1)
for number in (15, 2):
    signal.signal(number, lambda *_: None)
network, x = torch.nn.LSTM(32, 384, batch_first=True), torch.randn(256, 40, 32)
both = f"while kill -15 {os.getpid()} && kill -2 {os.getpid()}; do sleep 0.001; done"
sender = subprocess.Popen(["sh", "-c", both], stderr=subprocess.DEVNULL)
until = time.monotonic() + 20
gradients = set()
while time.monotonic() < until:
    network.zero_grad()
    network(x)[0].square().sum().backward()
    gradients.add(float(network.weight_hh_l0.grad.double().sum()))
sender.kill()
print(len(gradients))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


CRASH = """
import ctypes
import lightning.pytorch as pl


class Crash(pl.Callback):
    def on_train_start(self, *rest):
        ctypes.string_at(0)
"""


@pytest.mark.parametrize("debug", [(), ("debug=true",)])
def test_the_trace_of_a_native_crash_is_in_the_log_or_on_standard_error(tmp_path: Path, debug: tuple[str, ...]) -> None:
    (tmp_path / "crash.py").write_text(CRASH)
    result = run_command(["train", *TINY, "+callbacks.crash._target_=crash.Crash", *debug], tmp_path)
    assert result.status == -signal.SIGSEGV
    (log,) = tmp_path.glob("runs/*/*/train.log")
    found = {"log": "Fatal Python error: Segmentation fault" in log.read_text(), "stderr": "crash.py" in result.stderr}
    assert found == {"log": not debug, "stderr": bool(debug)}
    assert "crash.py" in (result.stderr if debug else log.read_text())


def test_debug_is_passed_on_to_the_processes_of_a_group(tmp_path: Path) -> None:
    result = run_command(["list", "what=nothing"], tmp_path, environment={"SENSORIUM_DEBUG": "1"})
    assert result.status == 2
    assert "Traceback" in result.stderr
