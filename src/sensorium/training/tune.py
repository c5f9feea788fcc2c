"""lr=find and batch_size=find: what can be measured before training starts, on a copy of the model."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from sensorium.build import build_model, device_of, make_loader
from sensorium.data.base import Data
from sensorium.run_config import RunConfig
from sensorium.tasks.precision import autocast
from sensorium.tasks.training_module import TaskModule
from sensorium.training.fit import build_task

LOWEST_LR, HIGHEST_LR, LR_STEPS = 1e-6, 10.0, 100
LARGEST_BATCH = 4096
SAMPLES_TO_TIME = 2048


def measured(config: RunConfig, *, data: Data, say: Callable[[str], None]) -> RunConfig:
    """The config with what was measured for batch_size=find and lr=find; first the one, then the other."""
    if config.batch_size == "find":
        config = replace(config, batch_size=find_batch_size(config, data=data))
        say(f"batch_size=find: {config.batch_size}")
    if config.lr == "find":
        config = replace(config, lr=find_lr(config, data=data))
        say(f"lr=find: {config.peak_lr:.2g}")
    return config


def find_lr(config: RunConfig, *, data: Data) -> float:
    """The range test of Smith (2017, section 3.3): the rate grows at every step; a tenth of the rate at which the
    smoothed loss is lowest is what training can bear from its peak on."""
    task = _task(replace(config, lr=LOWEST_LR), data)
    optimizer = task.recipe.optimizer(_all_at(task.model, LOWEST_LR, task.recipe.weight_decay))
    losses: list[float] = []
    average, best = 0.0, float("inf")
    for number, batch in enumerate(_batches(config, data, LR_STEPS)):
        rate = LOWEST_LR * (HIGHEST_LR / LOWEST_LR) ** (number / (LR_STEPS - 1))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _step(task, optimizer, batch, config)
        average = 0.9 * average + 0.1 * loss
        losses.append(average / (1 - 0.9 ** (number + 1)))
        best = min(best, losses[-1])
        if not losses[-1] < 4 * best:
            break
    lowest = min(range(len(losses)), key=losses.__getitem__)
    return LOWEST_LR * (HIGHEST_LR / LOWEST_LR) ** (lowest / (LR_STEPS - 1)) / 10


def find_batch_size(config: RunConfig, *, data: Data) -> int:
    """Doubled from 32 until that gives less than a tenth more samples a second, or memory ends."""
    size, speed = 32, 0.0
    while size <= min(LARGEST_BATCH, len(data.train)):
        try:
            found = _samples_per_second(replace(config, batch_size=size, lr=1e-6), data)
        except torch.OutOfMemoryError:
            break
        if found < 1.1 * speed:
            break
        size, speed = 2 * size, found
    return max(32, size // 2)


def _samples_per_second(config: RunConfig, data: Data) -> float:
    task = _task(config, data)
    optimizer = task.recipe.optimizer(_all_at(task.model, 1e-6, 0.0))
    steps = max(3, SAMPLES_TO_TIME // config.step_size)
    batches = list(_batches(config, data, steps))
    _step(task, optimizer, batches[0], config)
    started = time.perf_counter()
    for batch in batches:
        _step(task, optimizer, batch, config)
    return sum(len(batch.indices) for batch in batches) / (time.perf_counter() - started)


def _task(config: RunConfig, data: Data) -> TaskModule:
    model = build_model(config.model, data.spec, seed=config.seed, name=config.model_name)
    return build_task(config, model, data).to(device_of(config.trainer["accelerator"])).train()


def _all_at(model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    return [{"params": [p for p in model.parameters() if p.requires_grad], "lr": lr, "weight_decay": weight_decay}]


def _batches(config: RunConfig, data: Data, count: int) -> Any:
    """`count` training batches, going round the data as often as needed."""
    loader = make_loader(config, data.train, shuffle=True, device=torch.device("cpu"))
    given = 0
    while given < count:
        for batch in loader:
            if given == count:
                return
            given += 1
            yield batch
        loader.sampler.set_epoch(loader.sampler.epoch + 1)


def _step(task: TaskModule, optimizer: torch.optim.Optimizer, batch: Any, config: RunConfig) -> float:
    batch = type(batch)(*(tensor.to(task.device) for tensor in batch))
    with autocast(config.trainer["precision"], task.device):
        loss = task.step(batch, 0, training=True).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())
