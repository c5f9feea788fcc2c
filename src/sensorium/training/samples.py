"""What a language model writes, after each validation: samples.txt in the run folder."""

import lightning.pytorch as pl
import torch

from sensorium.decoding.sampling import sample
from sensorium.files import write_atomically
from sensorium.randomness import fold
from sensorium.runs import Run
from sensorium.specs import LanguageSpec
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import BOS, EOS, PAD, UNK

LENGTH = 300  # tokens
PROMPT = 20  # tokens of the validation text that each sample goes on from
TEMPERATURE = 0.8


class TextSamples(pl.Callback):
    """run: where. spec: of the data. prompt: (1, T) the beginning of the validation text."""

    def __init__(self, *, run: Run, spec: LanguageSpec, prompt: torch.Tensor, seed: int) -> None:
        self.run, self.prompt, self.seed = run, prompt[:, :PROMPT], seed
        self.tokenizer = tokenizer_from_dict(spec.tokenizer)
        self.samples: list[str] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        model = pl_module.model
        assert isinstance(model, torch.nn.Module)
        training = model.training
        model.eval()
        # The same draws in every run and after every interruption.
        generator = torch.Generator().manual_seed(fold(self.seed, trainer.global_step))
        prompt = self.prompt.to(pl_module.device)
        words = sample(
            model,
            prompt,
            length=LENGTH,
            temperature=TEMPERATURE,
            generator=generator,
            banned=(PAD, UNK, BOS, EOS),
        )
        tokens = list(words)
        model.train(training)
        text = self.tokenizer.decode([*self.prompt[0].tolist(), *tokens])
        self.samples.append(f"--- epoch {trainer.current_epoch + 1}, step {trainer.global_step}\n{text}\n")
        write_atomically(self.run.folder / "samples.txt", "\n".join(self.samples))

    def state_dict(self) -> dict[str, list[str]]:
        return {"samples": list(self.samples)}

    def load_state_dict(self, state_dict: dict[str, list[str]]) -> None:
        self.samples = list(state_dict["samples"])
