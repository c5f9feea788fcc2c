"""What a training step calls the model with: inputs and targets after augmentation and preprocessing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from sensorium.report_sections import ReportExample
from sensorium.tasks import registry
from sensorium.tasks.reported import Seen
from sensorium.tasks.training_module import TaskModule


class _SeenError(Exception):
    """Carries what a model was called with out of the step that calls it, before it does anything."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self.arguments = arguments


def seen_examples(
    module: TaskModule, batch: Any, *, split: Any, spec: Any, side: int = Seen.side
) -> list[ReportExample]:
    """The examples of a batch of the split as a training step gives them to the model; [] where it calls none."""
    seen = seen_by(module, batch)
    return [] if seen is None else registry.of(spec).seen_examples(replace(seen, side=side), batch, split, spec)


def seen_by(module: TaskModule, batch: Any) -> Seen | None:
    """What a training step calls the model with for a batch; None for a step that does not call it.

    The model itself does not run, so that nothing in it changes.
    """

    def stop(model: nn.Module, arguments: tuple[Any, ...]) -> None:
        raise _SeenError(arguments)

    device = next((one.device for one in module.parameters()), torch.device("cpu"))
    hook = module.model.register_forward_pre_hook(stop)
    try:
        with _targets_kept(module) as targets, torch.inference_mode():
            module.step(type(batch)(*(tensor.to(device) for tensor in batch)), 0, training=True)
    except _SeenError as seen:
        return Seen(seen.arguments, targets[-1] if targets else None)
    finally:
        hook.remove()
    return None


def how_prepared(module: TaskModule) -> str:
    """What happens to an example before the model, in words."""
    augments = getattr(getattr(module, "preparation", None), "augments", False)
    return "after augmentation and preprocessing" if augments else "after preprocessing; nothing is augmented"


@contextmanager
def _targets_kept(module: TaskModule) -> Iterator[list[Any]]:
    """Inside, the list grows by the targets that each augmentation of the module returns."""
    found: list[Any] = []
    preparation = getattr(module, "preparation", None)
    if preparation is None:
        yield found
        return
    augmented = preparation.augmented

    def kept(*arguments: Any) -> Any:
        inputs, targets = augmented(*arguments)
        found.append(targets)
        return inputs, targets

    preparation.augmented = kept
    try:
        yield found
    finally:
        del preparation.augmented
