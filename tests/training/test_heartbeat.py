"""Processes that are silent, and what is said of them; with a store in memory and a clock of the test's own."""

import os
from typing import Any

import pytest

from sensorium.training import heartbeat
from sensorium.training.heartbeat import Heartbeat

HOSTS = ("a", "a", "b", "b")


class Memory:
    """A store. reachable: whether it answers."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.reachable = True

    def set(self, key: str, value: str) -> None:
        if not self.reachable:
            raise RuntimeError("timed out")
        self.values[key] = value.encode()

    def multi_get(self, keys: list[str]) -> list[bytes]:
        if not self.reachable:
            raise RuntimeError("timed out")
        return [self.values[key] for key in keys]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(heartbeat, "time", clock)
    return clock


@pytest.fixture
def group(clock: Clock) -> list[Heartbeat]:
    """Four processes that have met."""
    store = Memory()
    lives = [Heartbeat(store, rank=rank, hosts=HOSTS) for rank in range(4)]
    for life in lives:
        life._look()
    return lives


def live(group: list[Heartbeat], clock: Clock, *, seconds: float, silent: tuple[int, ...] = ()) -> None:
    """All but the silent ones give a sign of life a second later, and so on."""
    for _ in range(int(seconds)):
        clock.now += 1
        for rank, life in enumerate(group):
            if rank not in silent:
                life._beat(int(clock.now))
        for rank, life in enumerate(group):
            if rank not in silent:
                life._look()


def test_those_that_live_are_not_gone(group: list[Heartbeat], clock: Clock) -> None:
    live(group, clock, seconds=60)
    assert [life._gone(20) for life in group] == [None] * 4


def test_a_host_that_is_silent(group: list[Heartbeat], clock: Clock) -> None:
    live(group, clock, seconds=20, silent=(2, 3))
    assert group[0]._gone(20) is None
    live(group, clock, seconds=1, silent=(2, 3))
    said = "b (processes 2, 3 of 4) has not answered for 21 seconds: the host or the network to it is down, or what "
    assert group[0]._gone(20) == group[1]._gone(20) == f"{said}ran there was killed."


def test_one_that_comes_back_in_time(group: list[Heartbeat], clock: Clock) -> None:
    live(group, clock, seconds=15, silent=(2, 3))
    live(group, clock, seconds=15)
    assert group[0]._gone(20) is None


def test_the_store_is_silent(group: list[Heartbeat], clock: Clock) -> None:
    """As for the host that a network does not reach any more: the others are no more silent than the store."""
    clock.now += 21
    assert str(group[2]._gone(20)).startswith("a, where the processes meet, has not answered for 21 seconds: ")


def test_one_that_has_ended_well_is_not_gone(group: list[Heartbeat], clock: Clock) -> None:
    group[3]._threads[0].start()
    group[3].leave("")
    live(group, clock, seconds=30, silent=(3,))
    assert group[0]._gone(20) is None


def test_a_closed_connection_is_one_of_the_silent(group: list[Heartbeat], clock: Clock) -> None:
    live(group, clock, seconds=5, silent=(3,))
    group[0].resume = "Resume with: this"
    error = group[0].lost()
    assert str(error).startswith("b (process 3 of 4) has not answered for 5 seconds")
    assert str(error).endswith("\nResume with: this")


def test_a_closed_connection_of_one_that_ended_with_an_error(group: list[Heartbeat], clock: Clock) -> None:
    for rank, how in ((1, heartbeat.LOST), (2, "The loss became nan at step 5.")):
        group[rank]._threads[0].start()
        group[rank].leave(how)
    live(group, clock, seconds=1, silent=(1, 2))
    assert str(group[0].lost()).startswith("Process 2 on b ended: The loss became nan at step 5.\n")


def test_a_closed_connection_without_a_reason(group: list[Heartbeat], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group[0], "_gone", lambda after: None)
    assert str(group[0].lost()).startswith("The connection to another process was lost.\n")


@pytest.mark.parametrize(("rank", "says"), [(0, True), (1, False)])
def test_one_of_a_host_says_it_before_all_end(
    group: list[Heartbeat], clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: Any, rank: int, says: bool
) -> None:
    monkeypatch.setattr(os, "_exit", lambda status: None)
    live(group, clock, seconds=1)
    group[rank]._end("b is gone.")
    assert capsys.readouterr().err == ("sensorium: b is gone.\nStart the training again.\n" if says else "")


def test_a_process_that_was_stopped_itself_blames_nobody(group: list[Heartbeat], clock: Clock) -> None:
    waits = iter([False, False, True])

    class Ended:
        def wait(self, seconds: float) -> bool:
            clock.now += 30  # as after Ctrl-Z, or a laptop that slept
            return next(waits)

    ended: list[str] = []
    group[0]._ended = Ended()  # type: ignore[assignment]
    group[0]._end = ended.append  # type: ignore[method-assign, assignment]
    group[0]._watch()
    assert ended == []
