"""Gradual unfreezing (Howard and Ruder 2018, "Universal Language Model Fine-tuning", 1801.06146, section 3.3).

The head learns first; every few epochs the next stage towards the input learns too. What is learned by then tells the
layers below what to change, instead of the noise of a head that begins at random.
"""

from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from torch import nn

from sensorium.optim.stages import stages


def from_the_head(model: nn.Module) -> list[tuple[str, list[nn.Parameter]]]:
    """The model's `stages` as they are unfrozen, each with its parameters; without those that never learn."""
    trained = {name: [p for p in parameters if p.requires_grad] for name, parameters in stages(model).items()}
    return [(name, parameters) for name, parameters in reversed(trained.items()) if parameters]


class Unfreezing(pl.Callback):
    """Lets the head learn from the first epoch on, and one more of the model's `stages` after every `epochs` epochs.

    The optimizer has all parameters from the start: those without a gradient it leaves alone, their decay too. What is
    frozen is a matter of the epoch's number, so a training that is resumed continues as it would have.
    """

    def __init__(self, *, model: nn.Module, epochs: int, console: Console) -> None:
        self.stages = from_the_head(model)
        self.epochs, self.console = epochs, console
        self._learning = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._set(trainer, pl_module)  # begun in the middle of an epoch, there is no start of it
        late = [name for name, _ in self.stages[1 + ((trainer.max_epochs or 0) - 1) // self.epochs :]]
        if late and (trainer.max_epochs or -1) > 0:
            self._say(trainer, f"max_epochs={trainer.max_epochs} ends before these learn: {', '.join(late)}")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._set(trainer, pl_module)

    def _set(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        learning = min(len(self.stages), 1 + trainer.current_epoch // self.epochs)
        if learning == self._learning:
            return
        for number, (_, parameters) in enumerate(self.stages):
            for parameter in parameters:
                parameter.requires_grad_(number < learning)
        task.train()  # which puts what is frozen in eval mode
        names = ", ".join(name for name, _ in self.stages[self._learning : learning])
        self._say(trainer, f"learning from epoch {trainer.current_epoch + 1} on: {names}")
        self._learning = learning

    def _say(self, trainer: pl.Trainer, line: str) -> None:
        if trainer.is_global_zero:
            self.console.print(line, highlight=False, soft_wrap=True)
