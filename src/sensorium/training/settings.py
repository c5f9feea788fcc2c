"""The settings "auto", chosen from the machine and the model alone, so that they are reproducible.

The choices are written into the config of the run: nothing "auto" is left in a checkpoint.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from sensorium.build import device_of
from sensorium.data.base import Data
from sensorium.data.order import BatchPlan
from sensorium.errors import RequestError, unknown
from sensorium.nn.flops import count_flops
from sensorium.run_config import RunConfig, Section
from sensorium.signals import kept_from_new_threads
from sensorium.specs import Spec
from sensorium.tasks import registry
from sensorium.tasks.precision import MEMORY_FORMATS
from sensorium.training import learning, run_length, tune
from sensorium.training.backbone import backbone_lr_scale
from sensorium.training.launch import cores

# Measured on cores with AVX512-BF16 (docs/decisions/0005, 0011): below this, casting costs more than bfloat16 saves;
# for texts and speech it always pays.
BF16_PAYS_FROM_FLOPS = 20e6


def resolve(config: RunConfig, *, data: Data, model: nn.Module, say: Callable[[str], None]) -> RunConfig:
    """The config with a value for everything that is "auto" or "find" in it. say: called with what was measured."""
    _check_meaningful(config, data)
    if config.model.get("backbone_lr_scale") == "auto":
        config = config.with_values("model", backbone_lr_scale=backbone_lr_scale(config.model))
    config = run_length.resolved(learning.with_strong_view(config, data.spec), data=data)
    config = replace(config, memory_format=_memory_format(config.memory_format, model))
    config = config.with_values("trainer", precision=_precision(config.trainer, model, data.spec))
    return tune.measured(config, data=data, say=say)


def _check_meaningful(config: RunConfig, data: Data) -> None:
    """Rejects keys of other tasks: they would have no effect."""
    plan = BatchPlan(size=1, shuffle=False, seed=0)
    if config.batch_tokens is not None and not data.train.order(plan).by_tokens:
        raise RequestError(
            f"batch_tokens is for examples of different lengths, not for {data.spec}.\nSay batch_tokens=null."
        )
    if config.label_smoothing and not registry.of(data.spec).smooths_labels:
        raise RequestError(f"label_smoothing does not apply to the loss for {data.spec}.\nSay label_smoothing=0.")


def _memory_format(given: str, model: nn.Module) -> str:
    if given == "auto":
        convolutional = any(isinstance(module, nn.Conv2d) for module in model.modules())
        return "channels_last" if convolutional else "contiguous"
    if given not in MEMORY_FORMATS:
        raise unknown("memory_format", given, ["auto", *MEMORY_FORMATS])
    return given


def _precision(trainer: Section, model: nn.Module, spec: Spec) -> str:
    if trainer["precision"] != "auto":
        return str(trainer["precision"])
    always = registry.of(spec).bf16_always
    heavy = always or count_flops(model, *spec.example()) >= BF16_PAYS_FROM_FLOPS
    return "bf16-mixed" if heavy and has_fast_bf16(device_of(str(trainer["accelerator"]))) else "32-true"


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def set_threads(threads: Any, *, processes: int) -> str | None:
    """Torch threads of this process: a number, or "auto" for all cores, shared among the processes of one run.

    Returns a line of advice when other programs already keep the cores busy: two threads that wait for each other on
    a busy core can be 10 to 100 times slower than one.
    """
    if threads == "auto":
        share = max(1, cores() // processes)
        _start_threads(int(os.environ.get("OMP_NUM_THREADS", share)))
    elif isinstance(threads, int) and threads >= 1:
        _start_threads(threads)
    else:
        raise RequestError(f"threads={threads} is not possible. Take auto or a number from 1 to {cores()}.")
    load = os.getloadavg()[0]
    if torch.get_num_threads() > 1 and load + torch.get_num_threads() > 1.75 * cores():
        return f"Other programs keep this machine busy (load {load:.1f} on {cores()} cores); threads=1 may be faster."
    return None


def _start_threads(count: int) -> None:
    """Starts torch's threads here, where they can be kept from signals, rather than at the first large operation."""
    with kept_from_new_threads():
        torch.set_num_threads(count)
        torch.zeros(count << 16).add_(1)  # large enough to be shared among all
