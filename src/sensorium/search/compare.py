"""The best setting against the default one, which is the command without what varies: both with new seeds, in pairs.

The best of many trials is too good to be true: luck was part of what made it the best. New seeds have none of it.
"""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from scipy.special import stdtrit

from sensorium import output, runs
from sensorium.errors import RequestError
from sensorium.run_folder import RunFolder
from sensorium.search.proposals import finite
from sensorium.search.space import Params, Space
from sensorium.search.training import Slot, Training, interrupted, stop_all
from sensorium.search.trial import Workplace
from sensorium.training.interrupts import StopRequest

SIDES = ("best", "default")
_PAUSE = 0.1  # seconds between two looks at the processes
_DONE = "compared"
_SAME = 1e-12  # of a deviation: rounding


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Of one metric. difference: the mean of best minus default over the seeds, with its 95% interval; None
    where every seed gave the same difference, whose interval would claim certainty.
    """

    metric: str
    seeds: int
    best: float
    default: float
    difference: float
    interval: tuple[float, float] | None

    def line(self) -> str:
        """In words."""
        best, default, difference = (
            output.shown(value, self.metric) for value in (self.best, self.default, self.difference)
        )
        return (
            f"best against default, {self.seeds} new seeds: {self.metric} {best} against {default}, "
            f"difference {difference} ({self.ends()})"
        )

    def ends(self) -> str:
        """The interval in words, and whether 0 is in it."""
        if self.interval is None:
            return "no interval: the same with every seed"
        low, high = (output.shown(value, self.metric) for value in self.interval)
        unsure = "; 0 is inside: no difference is shown" if self.interval[0] <= 0 <= self.interval[1] else ""
        return f"95% interval {low} to {high}, paired by seed{unsure}"


def paired(metric: str, best: Sequence[float], default: Sequence[float]) -> Comparison:
    """The two sides of a metric, pair by pair. The interval is Student's, for two pairs or more."""
    differences = [a - b for a, b in zip(best, default, strict=True)]
    mean = statistics.mean(differences)
    spread = statistics.stdev(differences)
    half = float(stdtrit(len(differences) - 1, 0.975)) * spread / math.sqrt(len(differences))
    return Comparison(
        metric=metric,
        seeds=len(differences),
        best=statistics.mean(best),
        default=statistics.mean(default),
        difference=mean,
        interval=None if spread <= _SAME else (mean - half, mean + half),
    )


def new_seeds(space: Space, count: int) -> list[int]:
    """Seeds that no trial had."""
    texts = [text for repeat in space.repeats for text in repeat] + list(space.fixed)
    used = [int(text.partition("=")[2]) for text in texts if text.lstrip("+").startswith("seed=")]
    first = max(used, default=0) + 1
    return list(range(first, first + count))


def compare(
    work: Workplace, params: Params, *, seeds: int, slots: Sequence[Slot], console: Console, go_on: str
) -> list[Comparison]:
    """Trains both sides with new seeds, and compares what chose the checkpoints and the headline of the test."""
    fixed = [one for one in work.space.fixed if not one.lstrip("+").startswith("seed=")]
    sides = {"best": [*fixed, *work.space.overrides(params)], "default": fixed}
    wanted = {
        (side, seed): [*overrides, f"seed={seed}"]
        for seed in new_seeds(work.space, seeds)
        for side, overrides in sides.items()
    }
    console.print(f"\nthe best and the default setting with {seeds} new seeds: {len(wanted)} trainings")
    try:
        failed = _train(work, wanted, slots, go_on=go_on)
    except RequestError as error:  # the default setting need not be one
        failed = str(error).splitlines()[0]
    if failed:
        console.print(f"not compared: {failed}")
        return []
    return _compared(work, wanted)


def _compared(work: Workplace, wanted: Mapping[tuple[str, int], Sequence[str]]) -> list[Comparison]:
    found: dict[str, dict[str, list[float]]] = {}
    for side, seed in wanted:
        run = _run(work, side, seed)
        summary = runs.read_summary(run)
        metrics = {summary["monitor"]: summary["best"]}
        if run.metrics.exists():
            metrics[summary["headline"]] = runs.read_metrics(run).get(summary["headline"])
        for name, value in metrics.items():
            if finite(value):
                found.setdefault(name, {one: [] for one in SIDES})[side].append(value)
    whole = {name: sides for name, sides in found.items() if all(2 * len(of) == len(wanted) for of in sides.values())}
    return [paired(name, sides["best"], sides["default"]) for name, sides in whole.items()]


def _run(work: Workplace, side: str, seed: int) -> RunFolder:
    return RunFolder(work.sweep.compared(f"{side}_{seed}"))


def _train(
    work: Workplace, wanted: Mapping[tuple[str, int], Sequence[str]], slots: Sequence[Slot], *, go_on: str
) -> str:
    """Trains what has not been, side by side. Returns why one failed; "" for none."""
    done = work.journal.study.user_attrs
    left = [key for key in wanted if f"{_DONE}_{key[0]}_{key[1]}" not in done]
    running: dict[tuple[str, int], tuple[Training, Slot]] = {}
    stop = StopRequest()
    stop.listen()
    try:
        while (left or running) and not stop.signal_number:
            free = [slot for slot in slots if slot not in [taken for _, taken in running.values()]]
            for slot, key in list(zip(free, left, strict=False)):
                left.remove(key)
                running[key] = (work.begin(_run(work, *key), wanted[key], slot), slot)
            for key in [key for key, (training, _) in running.items() if training.status() is not None]:
                training, _ = running.pop(key)
                if status := training.status():
                    return training.error(status)
                work.journal.study.set_user_attr(f"{_DONE}_{key[0]}_{key[1]}", True)
            time.sleep(_PAUSE)
        if stop.signal_number:
            raise interrupted([training for training, _ in running.values()], stop.signal_number, go_on=go_on)
        return ""
    finally:
        if work.engine is None or not stop.signal_number:
            stop_all([training for training, _ in running.values()])
        stop.ignore()
