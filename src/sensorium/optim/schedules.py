"""Learning rate schedules.

Each function takes an optimizer and the length of training and returns a torch scheduler. Except `plateau`, all are
stepped after every optimizer step, and multiply the learning rate of every parameter group by the same factor, which
is 1 at the peak. In all of them:

total_steps: optimizer steps of the whole training. steps_per_epoch: optimizer steps of one epoch.
warmup_epochs: the rate first grows linearly for this many epochs, which may be a fraction; 0 for none.

Errors: RequestError for a length, share or warm-up that cannot be.
"""

import math
from collections.abc import Callable, Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from sensorium.errors import RequestError
from sensorium.optim.groups import check_number


def _known_length(total_steps: int) -> None:
    if not 1 <= total_steps < math.inf:
        raise RequestError(
            f"This schedule needs the number of training steps, but got {total_steps}.\n"
            "Set trainer.max_epochs or trainer.max_steps."
        )


def _warmup_steps(warmup_epochs: float, *, total_steps: int, steps_per_epoch: int) -> int:
    _known_length(total_steps)
    check_number("scheduler.warmup_epochs", warmup_epochs)
    steps = round(warmup_epochs * steps_per_epoch)
    if steps >= total_steps:
        raise RequestError(
            f"scheduler.warmup_epochs={warmup_epochs:g} is {steps} steps, and the whole training has {total_steps}.\n"
            "Train longer or choose a shorter warm-up; scheduler.warmup_epochs=0 is none."
        )
    return steps


def _warmed(optimizer: Optimizer, warmup: int, factor: Callable[[int], float]) -> LambdaLR:
    """factor(step) from step number `warmup` on; before it 1/(warmup + 1), 2/(warmup + 1), ..., so never 0.

    A plain function keeps the scheduler's state_dict to plain numbers: torch stores the attributes of callable objects.
    """

    def with_warmup(step: int) -> float:
        return (step + 1) / (warmup + 1) if step < warmup else factor(step)

    return LambdaLR(optimizer, with_warmup)


def constant(optimizer: Optimizer, *, total_steps: int, steps_per_epoch: int, warmup_epochs: float) -> LambdaLR:
    """The same rate from the end of the warm-up to the last step."""
    warmup = _warmup_steps(warmup_epochs, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    return _warmed(optimizer, warmup, lambda step: 1.0)


def step(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: int,
    warmup_epochs: float,
    milestones: Sequence[float],
    gamma: float,
) -> LambdaLR:
    """Times gamma at each milestone, a share of the whole training (He et al. 2016, 1512.03385, section 4.2)."""
    warmup = _warmup_steps(warmup_epochs, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    check_number("scheduler.gamma", gamma, most=1.0)
    for milestone in milestones:
        check_number("scheduler.milestones (shares of the training)", milestone, most=1.0)
    drops = [round(milestone * total_steps) for milestone in milestones]
    return _warmed(optimizer, warmup, lambda step: gamma ** sum(step >= drop for drop in drops))


def cosine(
    optimizer: Optimizer, *, total_steps: int, steps_per_epoch: int, warmup_epochs: float, final: float
) -> LambdaLR:
    """Half a cosine from the peak down to final, a share of the peak (Loshchilov and Hutter 2017, 1608.03983)."""
    warmup = _warmup_steps(warmup_epochs, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    check_number("scheduler.final", final, most=1.0)

    def factor(step: int) -> float:
        done = min(1.0, (step - warmup) / (total_steps - warmup))
        return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    return _warmed(optimizer, warmup, factor)


def one_cycle(
    optimizer: Optimizer, *, total_steps: int, steps_per_epoch: int, peak_at: float, start: float, final: float
) -> LambdaLR:
    """A triangle: from start straight up to the peak, then straight down to final.

    After Smith 2018 (1803.09820, section 4.3), who also cycles the momentum; here the momentum is unchanged.

    peak_at: share of the training at which the peak is reached. start, final: shares of the peak.
    """
    _known_length(total_steps)
    check_number("scheduler.peak_at", peak_at, below=1.0)
    check_number("scheduler.start", start, most=1.0)
    check_number("scheduler.final", final, most=1.0)
    peak = min(round(peak_at * total_steps), total_steps - 1)

    def factor(step: int) -> float:
        if step < peak:
            return start + (1 - start) * step / peak
        return 1 + (final - 1) * min(1.0, (step - peak) / (total_steps - peak))

    return _warmed(optimizer, 0, factor)


def plateau(
    optimizer: Optimizer, *, total_steps: int, steps_per_epoch: int, factor: float, patience: int, min_lr: float
) -> ReduceLROnPlateau:
    """Times factor whenever the validation loss has not improved for more than `patience` epochs.

    To be stepped once an epoch, with the loss. An improvement is one of more than 0.01%. min_lr is where it stops.
    """
    check_number("scheduler.factor", factor, below=1.0)
    check_number("scheduler.patience", patience)
    check_number("scheduler.min_lr", min_lr)
    return ReduceLROnPlateau(optimizer, factor=factor, patience=patience, min_lr=min_lr)
