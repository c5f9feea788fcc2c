"""What a task says of the graphs that its models are exported as."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.models.exported import ExportedLogits, ExportedModel, GraphRunner
from sensorium.nn.feature_hook import HEAD, FeatureHook, as_vectors
from sensorium.vision.fit_graph import fit

Axes = Mapping[int, str]  # which axes of a tensor vary, and what they count


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One graph: preprocessing, network and calibration as a module of tensors.

    inputs: names of the tensors that it takes, and their axes that vary. outputs: names of what it returns.
    sample: inputs for a batch of so many examples about so long (0: as short as possible), on the CPU. usual: a length
    that is common in practice. difference: how far outputs by name are from the network's, the network's first.
    of_batch: from a batch's `inputs`, what this graph takes; None where it takes something else. facts: what a program
    has to know beside the spec; plain types.
    """

    module: nn.Module
    inputs: Mapping[str, Axes]
    outputs: tuple[str, ...]
    sample: Callable[[int, int], tuple[Tensor, ...]]
    difference: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], float]
    usual: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    of_batch: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]] | None = lambda inputs: inputs


def largest(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], *, names: tuple[str, ...]) -> float:
    """The largest absolute difference of outputs of the same shape; infinite where shapes differ."""
    if any(wanted[name].shape != found[name].shape for name in names):
        return math.inf
    return max(float((wanted[name].double() - found[name].double()).abs().max()) for name in names)


class Exportable:
    """The part of the Task interface that `sensorium export` uses."""

    name: ClassVar[str]
    graph_names: ClassVar[tuple[str, ...]] = ("model",)  # of the files that a model becomes
    graphs_calibrate: ClassVar[bool] = True  # whether graphs correct confidences, or what is made of their outputs

    def graphs(self, model: Any) -> dict[str, Graph]:
        """A `LoadedModel` on the CPU as graphs, by the names in `graph_names`."""
        raise RequestError(f"export is not for {self.name}.")

    def exported(self, graphs: Mapping[str, GraphRunner], spec: Any) -> ExportedModel:
        """What stands in the place of a network when its graphs are run."""
        return ExportedLogits(graphs)


class LogitsGraph(nn.Module):
    """A batch's `inputs` as they are stored -> calibrated logits, probabilities or values, and features if wanted.

    prepare: the task's preprocessing. calibrate: of logits. link: logits -> what the second output is.
    features: whether the penultimate features are an output too, for the detector of inputs unlike training data.
    """

    def __init__(
        self, *, prepare: nn.Module, model: nn.Module, calibrate: nn.Module, link: nn.Module, features: bool
    ) -> None:
        super().__init__()
        self.prepare, self.model, self.calibrate, self.link = prepare, model, calibrate, link
        self.features = features

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """(B, ...) each; returns logits, what `link` makes of them, and features (B, F)."""
        hook = FeatureHook(self.model, HEAD) if self.features else None
        try:
            logits = self.calibrate(self.model(*self.prepare(*inputs)).float())
            found = (logits, self.link(logits))
            return found if hook is None else (*found, as_vectors(hook.take()).float())
        finally:
            if hook is not None:
                hook.remove()


class FittedImages(nn.Module):
    """Images of any size, brought to the model's, and then prepared as in training."""

    def __init__(self, *, image_size: tuple[int, int], resize: str, prepare: nn.Module) -> None:
        super().__init__()
        self.image_size, self.resize, self.prepare = image_size, resize, prepare

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """images: (B, C, H, W), uint8, or float32 in [0, 1]."""
        fitted = fit(images, *self.image_size, self.resize)
        return self.prepare(fitted / 255 if images.dtype == torch.uint8 else fitted)


def fitted_images(spec: Any, prepare: nn.Module) -> nn.Module:
    """The preprocessing of a graph of images. prepare: of images of the model's size."""
    return FittedImages(image_size=spec.image_size, resize=spec.resize, prepare=prepare)


def image_inputs(spec: Any) -> dict[str, Any]:
    """`inputs` and `sample` of a graph of images (B, C, H, W). A length is what their sides have more than the model's:
    samples are of its size where it is 0, as programs give them.
    """
    deep = spec.pixel_range is not None

    def sample(batch: int, length: int) -> tuple[Tensor, ...]:
        height, width = (side + length for side in spec.image_size)
        generator = torch.Generator().manual_seed(1000 * batch + length)
        images = torch.randint(0, 256, (batch, spec.in_channels, height, width), generator=generator)
        return (images.float() / 255 if deep else images.to(torch.uint8),)

    return {"inputs": {"images": {0: "batch", 2: "height", 3: "width"}}, "sample": sample}


def logits_graph(model: Any, *, prepare: nn.Module, link: nn.Module, classes: bool, second: str, **about: Any) -> Graph:
    """The graph of a task whose models answer with logits. model: a `LoadedModel`. second: the name of what `link`
    makes of them. about: `inputs`, `sample` and others of `Graph`.
    """
    calibrate = model.calibration.module(classes=classes) if model.calibration else nn.Identity()
    features = model.out_of_distribution is not None
    module = LogitsGraph(prepare=prepare, model=model.model, calibrate=calibrate, link=link, features=features)
    outputs = ("logits", second, *(("features",) if features else ()))
    return Graph(module=module.eval(), outputs=outputs, difference=partial(largest, names=(second,)), **about)


def padded_inputs(name: str, draw: Callable[[int, int, torch.Generator], Tensor], *, step: int = 1) -> dict[str, Any]:
    """`inputs` and `sample` of a graph of sequences (B, T, ...) and their lengths. draw: values (B, T, ...) at random.

    step: how many steps of time a length of one stands for.
    """

    def sample(batch: int, length: int) -> tuple[Tensor, ...]:
        time = 1 + step * length
        generator = torch.Generator().manual_seed(1000 * batch + length)
        lengths = torch.randint(1, time + 1, (batch,), generator=generator)
        lengths[batch // 2] = time
        values = draw(batch, time, generator)
        values[torch.arange(time) >= lengths[:, None]] = 0
        return values, lengths

    return {"inputs": {name: {0: "batch", 1: "time"}, "lengths": {0: "batch"}}, "sample": sample}


def token_inputs(spec: Any) -> dict[str, Any]:
    """`inputs` and `sample` of a graph of token ids (B, T), which are those of the vocabulary."""

    def draw(batch: int, time: int, generator: torch.Generator) -> Tensor:
        return torch.randint(1, spec.vocab_size, (batch, time), generator=generator)

    return padded_inputs("tokens", draw) | {"usual": 30}


def waveform_inputs(spec: Any) -> dict[str, Any]:
    """`inputs` and `sample` of a graph of recordings (B, N) at the model's rate; a length is about a tenth second."""

    def draw(batch: int, time: int, generator: torch.Generator) -> Tensor:
        return 0.1 * torch.randn(batch, time, generator=generator)

    return padded_inputs("waveform", draw, step=spec.features["sample_rate"] // 10 + 1) | {"usual": 10}
