"""The graphs of a translator: the encoder, and one step of the decoder. The search stays outside."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.models.exported import ExportedModel
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.graphs import Axes, Graph, padded_inputs

STEP = "step"
Tensors = tuple[Tensor, ...]
_SENTENCES, _LENGTHS = 5, (11, 14)  # what differs between sources of two lengths is an axis of the source


class _Encoder(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        memory, state = self.model.encode(*inputs)
        return (*memory, *state)


class _Decoder(nn.Module):
    """A row of memory for each token. memory: how many of the inputs are parts of it."""

    def __init__(self, model: Any, memory: int) -> None:
        super().__init__()
        self.model, self.memory = model, memory

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        tokens, *rest = inputs
        logits, state = self.model.step(tokens, tuple(rest[: self.memory]), tuple(rest[self.memory :]))
        return (logits.float(), logits.float().softmax(1), *state)


def translation_graphs(model: LoadedModel) -> dict[str, Graph]:
    """The encoder, source (B, S) ending in the end token and lengths (B,) -> memory_0, ... and state_0, ...; and the
    step, tokens (N,), N rows of memory and the state -> logits and probabilities (N, V) of the next tokens, and
    state_0_next, ...
    """
    network: Any = model.model
    source = padded_inputs("source", lambda batch, time, generator: _drawn(model, batch, time, generator))
    with torch.no_grad():
        (memory, state), longer = (network.encode(*source["sample"](_SENTENCES, length)) for length in _LENGTHS)
        _, later = network.step(torch.ones(_SENTENCES, dtype=torch.int64), memory, state)
    names = {
        "memory": [f"memory_{number}" for number in range(len(memory))],
        "state": [f"state_{number}" for number in range(len(state))],
    }
    axes: dict[str, Axes] = {"tokens": {0: "rows"}}
    for name, part, other in zip(names["memory"], memory, longer[0], strict=True):
        axes[name] = {0: "rows"} | _differing(part, other, "source")
    for name, part, other, after in zip(names["state"], state, longer[1], later, strict=True):
        axes[name] = {0: "rows"} | _differing(part, after, "written") | _differing(part, other, "source")

    def sample(batch: int, length: int) -> tuple[Tensor, ...]:
        with torch.no_grad():
            kept, before = network.encode(*source["sample"](batch, length))
            for _ in range(2):  # a state that there can be, in which something is written
                _, before = network.step(torch.ones(batch, dtype=torch.int64), kept, before)
        return (torch.arange(batch) % model.spec.target_vocab_size, *kept, *before)

    encoder = Graph(
        module=_Encoder(network).eval(),
        outputs=(*names["memory"], *names["state"]),
        difference=_relative,
        usual=20,
        of_batch=lambda inputs: inputs[:2],
        facts={"memory": len(memory), "state": len(state)},
        **source,
    )
    step = Graph(
        module=_Decoder(network, len(memory)).eval(),
        inputs=axes,
        outputs=("logits", "probabilities", *(f"{name}_next" for name in names["state"])),
        sample=sample,
        difference=lambda wanted, found: _relative(wanted, found, skip=("logits",)),
        of_batch=None,
    )
    return {"model": encoder, STEP: step}


def _differing(one: Tensor, other: Tensor, name: str) -> dict[int, str]:
    """The axes in which two tensors of the same rank have other sizes."""
    return {axis: name for axis, side in enumerate(one.shape) if side != other.shape[axis]}


def _drawn(model: LoadedModel, batch: int, time: int, generator: torch.Generator) -> Tensor:
    return torch.randint(1, model.spec.source_vocab_size, (batch, time), generator=generator)


def _relative(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], skip: tuple[str, ...] = ()) -> float:
    """Of numbers above 1 relative to their size. Empty parts have none."""
    worst = 0.0
    for name in wanted:
        ours, theirs = wanted[name].double(), found[name].double()
        if name not in skip and ours.numel():
            worst = max(worst, float(((ours - theirs).abs() / ours.abs().clamp(min=1)).max()))
    return worst


class ExportedTranslator(ExportedModel):
    """A `Seq2Seq` of two graphs."""

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """source: (B, S); lengths: (B,); target_in: (B, U); returns logits (B, U, V), a step at a time."""
        memory, state = self.encode(source, lengths)
        logits = []
        for tokens in target_in.unbind(1):
            found, state = self.step(tokens, memory, state)
            logits.append(found)
        return torch.stack(logits, dim=1)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensors, Tensors]:
        """source: (B, S); lengths: (B,); returns memory and the state before the first target token."""
        found = tuple(self.graphs["model"](source, lengths).values())
        size: int = self.graphs["model"].facts["memory"]
        return found[:size], found[size:]

    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """tokens: (N,); returns logits (N, V), and the new state. memory: of B sources, N is a multiple of B."""
        rows = len(tokens) // len(memory[0])
        spread = tuple(part.repeat_interleave(rows, dim=0) for part in memory) if rows > 1 else memory
        found = self.graphs[STEP](tokens, *spread, *state)
        return found["logits"], tuple(value for name, value in found.items() if name.endswith("_next"))

    def attention(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Not in the graphs."""
        raise RequestError(
            "attention= and decoding.copy_unknown=true need the checkpoint: exported graphs give no weights."
        )
