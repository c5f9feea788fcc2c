"""Signals are remembered while a training listens, and mean what they meant before when it has ended."""

import os
import signal
from pathlib import Path

import pytest

from sensorium.training.interrupts import Interrupted, StopRequest
from trainings import TINY, trained


def handlers() -> tuple[object, object]:
    return signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)


def test_the_first_signal_is_remembered_and_the_second_interrupt_ends() -> None:
    before = handlers()
    stop = StopRequest()
    stop.listen()
    stop.listen()
    try:
        assert stop.signal_number == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal_number == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        stop.ignore()
    assert handlers() == before


def test_a_hangup_asks_to_stop_unless_it_is_ignored() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        stop = StopRequest()
        stop.listen()
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signal_number == signal.SIGHUP
        stop.ignore()
        assert signal.getsignal(signal.SIGHUP) == before
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
        stop = StopRequest()
        stop.listen()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        stop.ignore()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_after_a_training_signals_mean_what_they_meant_before(tmp_path: Path) -> None:
    before = handlers()
    trained(tmp_path, *TINY, "trainer.max_epochs=1")
    assert handlers() == before


def test_the_exit_status_is_what_shells_expect() -> None:
    assert Interrupted("stopped", signal.SIGINT).exit_status == 130
    assert Interrupted("stopped", signal.SIGTERM).exit_status == 143


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_test_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = handlers()

    def evaluated(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr("sensorium.evaluation.evaluate", evaluated)
    with pytest.raises(Interrupted, match=r"Stopped while testing\. Resume with: sensorium train resume=") as stopped:
        trained(tmp_path, *TINY, "trainer.max_epochs=1", "test=true")
    assert stopped.value.exit_status == 128 + number
    assert handlers() == before
