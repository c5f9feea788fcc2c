"""Text generated after each validation: samples.txt in the run folder."""

from collections.abc import Callable

import lightning.pytorch as pl
import torch
from torch import nn

from sensorium.files import write_atomically
from sensorium.runs import RunFolder


class TextSamples(pl.Callback):
    """run: where. write: called with the model, the step and the device, gives a sample (`Task.sample_writer`)."""

    def __init__(self, *, run: RunFolder, write: Callable[[nn.Module, int, torch.device], str]) -> None:
        self.run, self.write = run, write
        self.samples: list[str] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        model = pl_module.model
        assert isinstance(model, nn.Module)
        training = model.training
        model.eval()
        text = self.write(model, trainer.global_step, pl_module.device)
        model.train(training)
        self.samples.append(f"--- epoch {trainer.current_epoch + 1}, step {trainer.global_step}\n{text}\n")
        write_atomically(self.run.folder / "samples.txt", "\n".join(self.samples))

    def state_dict(self) -> dict[str, list[str]]:
        return {"samples": list(self.samples)}

    def load_state_dict(self, state_dict: dict[str, list[str]]) -> None:
        self.samples = list(state_dict["samples"])
