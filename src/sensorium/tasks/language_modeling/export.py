"""The graph of a language model: tokens and the state before them to logits and the state behind them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.models.exported import ExportedModel, GraphRunner
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.graphs import Graph

State = tuple[Tensor, ...]


class _Step(nn.Module):
    """One call. A transformer's tokens have to fit into what is left of its context."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        tokens, *state = inputs
        if self.model.carries_state:
            logits, after = self.model(tokens, tuple(state))
        else:
            features, after = self.model._read(tokens, tuple(state))
            logits = self.model.head(features)
        return (logits.float(), logits.float().softmax(2), *after)


def language_graph(model: LoadedModel) -> Graph:
    """tokens (B, T) and the state -> logits and probabilities (B, T, V), and the state. Its parts are state_0,
    state_1, ...: (B, layers, D) each of a recurrent model, all zero before a text; of a transformer the tokens that
    were read (B, P), then keys and values of each block (B, heads, P, D / heads), P is 0 before a text.
    """
    network: Any = model.model
    with torch.no_grad():
        _, known = network(torch.ones(1, 2, dtype=torch.int64))
    carries, names = network.carries_state, [f"state_{number}" for number in range(len(known))]
    axes: dict[str, Mapping[int, str]] = {"tokens": {0: "batch", 1: "time"}}
    past = [0 if carries else part.ndim // 2 for part in known]  # the axis of P: 1 of tokens, 2 of keys
    axes |= {name: {0: "batch"} | ({axis: "past"} if axis else {}) for name, axis in zip(names, past, strict=True)}

    def sample(batch: int, length: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(1000 * batch + length)
        time = 1 + length if carries else min(1 + length, network.context // 2)
        tokens = torch.randint(0, model.spec.vocab_size, (batch, 2 * time), generator=generator)
        with torch.no_grad():
            _, state = network(tokens[:, :time])  # a state that there can be
        return (tokens[:, time:], *state)

    return Graph(
        module=_Step(network).eval(),
        inputs=axes,
        outputs=("logits", "probabilities", *(f"{name}_next" for name in names)),
        sample=sample,
        difference=difference,
        usual=0,
        of_batch=lambda inputs: (inputs[0][:, : None if carries else network.context // 2], *_none(known, inputs[0])),
        facts={"carries_state": carries, "context": None if carries else int(network.context)},
    )


def _none(known: State, tokens: Tensor) -> State:
    """The state before a text, as the graph takes it. known: a state, for the shapes of its parts."""
    return tuple(
        part.new_zeros(len(tokens), *(0 if part.ndim != 3 and axis == part.ndim // 2 else size for axis, size in sides))
        for part in known
        for sides in [list(enumerate(part.shape))[1:]]
    )


def difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> float:
    """Of the probabilities, and of the state relative to its size."""
    worst = float((wanted["probabilities"] - found["probabilities"]).abs().max())
    for name in wanted:
        if name.startswith("state"):
            ours, theirs = wanted[name].double(), found[name].double()
            worst = max(worst, float(((ours - theirs).abs() / (1 + ours.abs())).max()))
    return worst


class ExportedLanguageModel(ExportedModel):
    """A `LanguageModel`. Of a context that is full the second half is read again, as the network does."""

    def __init__(self, graphs: Mapping[str, GraphRunner]) -> None:
        super().__init__(graphs)
        self._graph = graphs["model"]
        self.carries_state: bool = self._graph.facts["carries_state"]
        self.context: int | None = self._graph.facts["context"]

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """tokens: (B, T); returns logits (B, T, V), and the state."""
        state = state or self._begin(tokens)
        if self.context is None:
            return self._call(tokens, state)
        logits = []
        while True:
            if state[0].shape[1] == self.context:
                _, state = self._call(state[0][:, -(self.context // 2) :], self._begin(tokens))
            room = self.context - state[0].shape[1]
            piece, tokens = tokens[:, :room], tokens[:, room:]
            found, state = self._call(piece, state)
            logits.append(found)
            if not tokens.shape[1]:
                return torch.cat(logits, dim=1), state

    def _begin(self, tokens: Tensor) -> State:
        shapes = list(self._graph.shapes.items())[1:]
        kinds = {
            name: torch.int64 if self._graph.inputs[name].__name__ == "int64" else torch.float32 for name, _ in shapes
        }
        return tuple(
            torch.zeros(
                len(tokens), *(side if isinstance(side, int) else 0 for side in shape[1:]), dtype=kinds[name]
            ).to(tokens.device)
            for name, shape in shapes
        )

    def _call(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        found = self._graph(tokens, *state)
        return found["logits"], tuple(found[f"{name}_next"] for name in list(self._graph.shapes)[1:])
