"""Whether a trial goes on after an epoch: a pure function of what the trials have reported."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

from sensorium.search.proposals import SearchSettings, in_memory, quiet


def pruner_of(settings: SearchSettings) -> BasePruner | None:
    """Asynchronous successive halving (ASHA, Li 2020) or the rule of the median; None where every trial runs on."""
    if settings.pruner == "halving":
        return SuccessiveHalvingPruner(
            min_resource=settings.min_epochs, reduction_factor=settings.reduction_factor, min_early_stopping_rate=0
        )
    if settings.pruner == "median":
        return MedianPruner(n_startup_trials=settings.n_startup_trials, n_warmup_steps=settings.min_epochs - 1)
    return None


def decide(pruner: BasePruner, trials: Sequence[FrozenTrial], number: int) -> tuple[bool, Mapping[str, Any]]:
    """Whether the trial of this number ends at its last reported epoch, and what the pruner notes with it.

    The notes (the rungs it has passed) are for later decisions; to store them is the caller's part, so that a process
    killed in between decides the same once more.
    """
    with quiet():
        study = in_memory(trials)
        ends = pruner.prune(study, study.trials[number])
        return ends, study.trials[number].system_attrs
