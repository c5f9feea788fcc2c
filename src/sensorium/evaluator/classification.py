"""A trained classifier over a whole split: the same code, batches and arithmetic after training and in `eval`."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sensorium.build import make_prepare
from sensorium.data.loader import BatchLoader
from sensorium.evaluator.arithmetic import MEMORY_FORMATS, autocast
from sensorium.metrics.classification import summary
from sensorium.specs import ImageSpec, SoundSpec, TextSpec


@dataclass(frozen=True)
class Predictions:
    """probabilities: (N, K) float32. labels: (N,) int64. seconds: wall time of the pass."""

    probabilities: Tensor
    labels: Tensor
    seconds: float

    def metrics(self) -> dict[str, float]:
        """Accuracy and the others of `metrics.classification.summary`."""
        return summary(self.probabilities, self.labels)


class Classifier:
    """A model ready to judge examples: on its device, in its memory format, in evaluation mode.

    precision, memory_format: as in the config, resolved (no "auto").
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        spec: ImageSpec | TextSpec | SoundSpec,
        device: torch.device,
        precision: str,
        memory_format: str,
    ) -> None:
        self.device, self.precision = device, precision
        layout = MEMORY_FORMATS[memory_format]
        self.model = model.to(device=device, memory_format=layout).eval()  # type: ignore[call-overload]
        self.prepare = make_prepare(spec, layout).to(device)

    @torch.inference_mode()
    def probabilities(self, *inputs: Tensor) -> Tensor:
        """A batch's `inputs`, on any device -> (B, K) float32 on the model's."""
        prepared = self.prepare(*(tensor.to(self.device) for tensor in inputs))
        with autocast(self.precision, self.device):
            logits = self.model(*prepared)
        return logits.float().softmax(1)


def evaluate(classifier: Classifier, loader: BatchLoader) -> Predictions:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    parts: list[tuple[Tensor, Tensor]] = []
    for batch in loader:
        parts.append((batch.indices.clone(), classifier.probabilities(*batch.inputs).cpu()))
    processes = loader.sampler.plan.world_size
    if processes > 1:
        gathered: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(processes)]
        torch.distributed.all_gather_object(gathered, parts)
        parts = [part for share in gathered for part in share]
    labels = torch.from_numpy(loader.split.labels).clone()
    probabilities = torch.full((len(labels), parts[0][1].shape[1]), float("nan"))
    for indices, rows in parts:
        probabilities[indices] = rows
    return Predictions(probabilities, labels, time.perf_counter() - started)
