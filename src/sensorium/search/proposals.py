"""Which setting is tried next: a pure function of what is finished, the space, the seed and the number of the trial.

A sampler of Optuna lives for one proposal, in a study in memory that holds copies of the trials, seeded by
(search.seed, number). So a search that was killed proposes what one never killed would have (docs/decisions/0044).
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sensorium.randomness import generator
from sensorium.search.space import Choice, Key, Space, Value

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_SEED_RANGE = 2**31
_ATTEMPTS = 20  # draws, of which the first that is new is taken


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """The section `search` of the config; configs/search/*.yaml explain the keys."""

    sampler: Literal["grid", "random", "tpe", "gp", "cma"]
    seed: int
    n_startup_trials: int
    pruner: Literal["none", "median", "halving"]
    min_epochs: int
    reduction_factor: int
    metric: str | None = None
    mode: Literal["max", "min"] | None = None
    compare: int = 0
    storage: Literal["journal", "sqlite"] = "journal"


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space as Optuna has it."""
    return {key.key: _distribution(key) for key in space.keys}


def _distribution(key: Key) -> BaseDistribution:
    if isinstance(key, Choice):
        return CategoricalDistribution(key.values)
    if key.whole:
        return IntDistribution(int(key.low), int(key.high), log=key.log, step=int(key.step or 1))
    return FloatDistribution(key.low, key.high, log=key.log, step=key.step)


def propose(space: Space, settings: SearchSettings, history: Sequence[FrozenTrial], number: int) -> Mapping[str, Value]:
    """The setting of trial `number`, which no trial before it has, as long as there is one.

    history: the trials before it in their order; higher values are better.
    """
    if settings.sampler == "grid":
        return space.point(number)
    tried = [space.overrides(trial.params) for trial in history]
    with quiet():
        for attempt in range(_ATTEMPTS):
            study = _study(space, settings, history)
            study.sampler = _sampler(settings, number, attempt)
            found = space.rounded(study.ask(distributions(space)).params)
            if space.overrides(found) not in tried:
                return found
    untried = (space.point(place) for place in range(space.count() or 0))
    return next((params for params in untried if space.overrides(params) not in tried), found)


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, Optuna prints nothing: neither what it does nor which of its parts may change one day."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def in_memory(trials: Sequence[FrozenTrial]) -> optuna.Study:
    """A study of copies of these trials, which keep their numbers, as they are compared.

    At each epoch they have the best value so far: a trial counts by its best epoch, so one that has begun to overfit,
    or whose last epoch was an unlucky one, is not worse than it was. One that failed is the worst of all, as if it was
    ended before its first epoch: Optuna takes no notice of it, and would propose what diverges again and again. One
    that waits counts as running.
    """
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    study.add_trials([_compared(trial) for trial in trials])
    return study


def _compared(trial: FrozenTrial) -> FrozenTrial:
    if trial.state in (TrialState.WAITING, TrialState.FAIL):
        state = TrialState.RUNNING if trial.state == TrialState.WAITING else TrialState.PRUNED
        return create_trial(state=state, params=trial.params, distributions=trial.distributions)
    found = copy(trial)
    found.intermediate_values = best_so_far(trial.intermediate_values)
    return found


def best_so_far(values: Mapping[int, float]) -> dict[int, float]:
    """By epoch the highest value up to it."""
    epochs = sorted(values)
    return dict(zip(epochs, accumulate((values[epoch] for epoch in epochs), max), strict=True))


def _study(space: Space, settings: SearchSettings, history: Sequence[FrozenTrial]) -> optuna.Study:
    """What the sampler is shown."""
    if settings.sampler == "cma":
        return _replayed(space, settings, history)
    return in_memory(scored(history) if settings.sampler == "gp" else history)


def scored(history: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Finished trials as completed ones whose values are normal scores, for a model of values.

    Optuna's Gaussian process takes no notice of a trial that was pruned or failed. The share of trials that it
    beats is known nevertheless; its quantile of the normal distribution is a value that no outlier dominates
    (the Gaussian copula of Salinas 2020).
    """
    finished = [trial for trial in history if trial.state in FINISHED]
    found = []
    for trial in history:
        if trial.state in FINISHED:
            beaten = sum(_beats(trial, other) for other in finished) / len(finished)  # it ties with itself: above 0
            trial = create_trial(
                value=NormalDist().inv_cdf(beaten), params=trial.params, distributions=trial.distributions
            )
        found.append(trial)
    return found


def _beats(one: FrozenTrial, other: FrozenTrial) -> float:
    """1 where it is better at the last epoch that both have reached, 0.5 where they are equal."""
    epoch = min(_last(one), _last(other))
    mine, theirs = _best(one, epoch), _best(other, epoch)
    return 0.5 if mine == theirs else float(mine > theirs)


def _last(trial: FrozenTrial) -> float:
    return max(trial.intermediate_values, default=0) if trial.state == TrialState.PRUNED else math.inf


def _best(trial: FrozenTrial, epoch: float) -> float:
    if trial.state == TrialState.FAIL:
        return -math.inf
    if trial.value is not None and epoch == math.inf:
        return trial.value  # with repeats, the mean over them
    return max((value for at, value in trial.intermediate_values.items() if at <= epoch), default=-math.inf)


def _replayed(space: Space, settings: SearchSettings, history: Sequence[FrozenTrial]) -> optuna.Study:
    """A study in which each trial was proposed in its turn: CMA-ES keeps its state in what it proposes.

    Optuna stores that state with the trials, as a pickle. Read back from a file it could run code, so it is computed.
    """
    study = optuna.create_study(direction="maximize")
    for old in history:
        study.sampler = _sampler(settings, old.number)
        study.enqueue_trial(old.params)
        trial = study.ask(distributions(space))
        _ = trial.relative_params  # computed when it is read; a trial whose values are given would not be
        for step, value in best_so_far(old.intermediate_values).items():
            trial.report(value, step)
        if old.state == TrialState.COMPLETE:
            study.tell(trial, old.value)
        elif old.state in FINISHED:
            study.tell(trial, state=old.state)
    return study


def _sampler(settings: SearchSettings, number: int, attempt: int = 0) -> BaseSampler:
    seed = int(generator(settings.seed, number, attempt).integers(_SEED_RANGE))
    first = max(1, settings.n_startup_trials)
    if settings.sampler == "tpe":
        return TPESampler(seed=seed, n_startup_trials=first)
    if settings.sampler == "gp" and attempt == 0:  # asked again, it would propose much the same
        return GPSampler(seed=seed, n_startup_trials=first)
    if settings.sampler == "cma":
        return CmaEsSampler(
            seed=seed,
            n_startup_trials=first,
            independent_sampler=RandomSampler(seed=seed),
            consider_pruned_trials=settings.pruner != "none",
        )
    return RandomSampler(seed=seed)


def finite(value: Any) -> bool:
    """Whether it is a number that a trial can be compared by."""
    return isinstance(value, int | float) and math.isfinite(value)
