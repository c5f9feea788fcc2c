"""batch_size=auto and trainer.max_epochs=auto: chosen from the number of training examples alone.

With a large batch and few epochs, sixty images make ten optimizer steps, and nothing is learned in them. The rule and
what it was measured on are in docs/decisions/0032.
"""

import math
from dataclasses import replace

import torch

from sensorium import distributed
from sensorium.build import make_loader
from sensorium.data.base import Data
from sensorium.data.order import BatchPlan
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.training.fit import overfitted

SMALLEST_BATCH, LARGEST_BATCH = 4, 64
BATCHES_OF_AN_EPOCH = 10  # at least, where the smallest batch allows it
FEWEST_EPOCHS, MOST_EPOCHS = 10, 100


def resolved(config: RunConfig, *, data: Data) -> RunConfig:
    """The config with a number for each of the two that is "auto": the same ones in every process and at a resume."""
    if config.batch_size == "auto":
        batch = batch_for(examples_in(data))
        config = replace(config, batch_size=max(1, batch // distributed.world_size()))
    if config.trainer.get("max_epochs") == "auto":
        steps = registry.of(data.spec).steps
        config = config.with_values("trainer", max_epochs=_epochs(config, steps_of_epoch(config, data), steps=steps))
    return config


def examples_in(data: Data) -> int:
    """Training examples; of running text, segments that a model reads at once."""
    return len(data.train.order(BatchPlan(size=1, shuffle=False, seed=0)))


def batch_for(examples: int) -> int:
    """The largest power of two that leaves an epoch ten batches, from 4 to 64; of all processes together."""
    fitting = examples // BATCHES_OF_AN_EPOCH
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, 1 << max(0, fitting.bit_length() - 1)))


def epochs_for(steps_of_epoch: int, *, steps: int) -> int:
    """So many that there are `steps` optimizer steps, from 10 to 100."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(steps / steps_of_epoch)))


def steps_of_epoch(config: RunConfig, data: Data) -> int:
    """Optimizer steps of an epoch, for a config whose batch_size is a number or "find", which counts as the largest."""
    if config.batch_size == "find":
        config = replace(config, batch_size=LARGEST_BATCH)
    processes = distributed.world_size()
    train = overfitted(config, data.train, processes=processes)
    batches = len(make_loader(config, train, shuffle=True, device=torch.device("cpu"), world_size=processes))
    limit = config.trainer.get("limit_train_batches")
    if limit is not None:
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    return max(1, math.ceil(batches / int(config.trainer.get("accumulate_grad_batches", 1))))


def _epochs(config: RunConfig, steps_of_epoch: int, *, steps: int) -> int:
    """With trainer.max_steps, as many as these steps take: who says how many steps there are decides alone."""
    wanted = int(config.trainer.get("max_steps", -1))
    return epochs_for(steps_of_epoch, steps=steps) if wanted < 0 else max(1, math.ceil(wanted / steps_of_epoch))
