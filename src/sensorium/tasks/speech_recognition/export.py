"""The graph of a recognizer: recordings to log-probabilities. The search over them stays outside."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sensorium.models.exported import ExportedModel
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.graphs import Graph, waveform_inputs

_MANY = 10_000  # frames of features by which subsampling is measured


class _Recognizer(nn.Module):
    def __init__(self, prepare: nn.Module, model: nn.Module) -> None:
        super().__init__()
        self.prepare, self.model = prepare, model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        log_probs, frames = self.model(*self.prepare(*inputs))
        return log_probs.float(), frames


def recognizer_graph(model: LoadedModel, prepare: nn.Module) -> Graph:
    """waveform (B, N), lengths (B,) -> log_probs (B, T', V), of which the first `frames` (B,) of a row are its own."""
    subsampled: Tensor = model.model.output_lengths(torch.tensor([_MANY]))
    return Graph(
        module=_Recognizer(prepare, model.model).eval(),
        outputs=("log_probs", "frames"),
        difference=_difference,
        facts={"subsampling": round(_MANY / int(subsampled))},
        **waveform_inputs(model.spec),
    )


def _difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> float:
    """Of probabilities, in the frames that count."""
    if not torch.equal(wanted["frames"], found["frames"]):
        return math.inf
    worst = 0.0
    for ours, theirs, frames in zip(wanted["log_probs"], found["log_probs"], wanted["frames"].tolist(), strict=True):
        worst = max(worst, float((ours[:frames].exp() - theirs[:frames].exp()).abs().max()))
    return worst


class ExportedRecognizer(ExportedModel):
    """A `CTCRecognizer` that takes recordings instead of features."""

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """waveform: (B, N); lengths: (B,); returns log-probabilities (B, T', V), and their lengths (B,)."""
        found = self.graphs["model"](waveform, lengths)
        frames = found["frames"]
        return found["log_probs"][:, : int(frames.max())], frames

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """T' for each of lengths T in frames of features."""
        factor: int = self.graphs["model"].facts["subsampling"]
        return -(-lengths // factor)
