"""Methods of attribution: a subject in, for each target a map of where its score comes from.

Gradients and Grad-CAM are captum's (the extra `explain`). Occlusion is not: captum's takes a pass for each target, and
knows no segments that overlap; a test holds both to the same numbers. Letters: see `subject`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.attribution.layers import maps_of
from sensorium.attribution.rollout import fits_rollout, rollout
from sensorium.attribution.subject import Subject
from sensorium.errors import missing_extra


@dataclass(frozen=True, kw_only=True)
class Settings:
    """steps: of integrated gradients, and samples of gradient SHAP. seed: of its samples."""

    steps: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Method:
    """attribute: (subject, settings) -> maps (K, *P). fits: whether it can be used, given a subject. complete: whether
    the sum of a map is to be the score minus that of the baseline.
    """

    name: str
    attribute: Callable[[Subject, Settings], Tensor]
    fits: Callable[[Subject], bool]
    complete: bool = False


def captum_methods() -> Any:
    """captum.attr. Raises RequestError where the extra is not installed."""
    try:
        import captum.attr
    except ImportError as error:
        raise missing_extra("captum", "explain") from error
    return captum.attr


@torch.no_grad()
def occlusion(subject: Subject, settings: Settings) -> Tensor:
    """How much the score falls when a segment is hidden: the mean over the windows that hide it.

    M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", 2013, arXiv 1311.2901, section 3.
    """
    count = subject.count
    windows = torch.eye(count, dtype=torch.bool) if subject.windows is None else subject.windows
    kept = torch.cat([torch.ones(1, count, dtype=torch.bool), ~windows])
    scores = subject.scored(kept).cpu()
    hidden = windows.float()
    drops = hidden.T @ (scores[:1] - scores[1:])  # (S, K)
    return subject.spread((drops / hidden.sum(dim=0).clamp(min=1)[:, None]).T)


def integrated_gradients(subject: Subject, settings: Settings) -> Tensor:
    """M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", 2017, arXiv 1703.01365."""
    method = captum_methods().IntegratedGradients(subject.scores)
    return _each_target(
        subject,
        lambda target, features, baseline: method.attribute(
            features, baseline, target=target, n_steps=settings.steps, internal_batch_size=subject.at_once
        ),
    )


def gradient_shap(subject: Subject, settings: Settings) -> Tensor:
    """Expected gradients between the baseline and the input, at random places with noise: captum's GradientShap, after
    S. Lundberg and S.-I. Lee, "A unified approach to interpreting model predictions", 2017, arXiv 1705.07874.
    """
    method = captum_methods().GradientShap(subject.scores)
    noise = 0.05 * float((subject.features - subject.baseline).abs().max())

    def attribute(target: int, features: Tensor, baseline: Tensor) -> Tensor:
        total, left = torch.zeros_like(features), settings.steps
        with seeded(settings.seed):
            while left:  # a batch at a time: memory stays flat
                samples = min(left, subject.at_once)
                total += samples * method.attribute(features, baseline, n_samples=samples, stdevs=noise, target=target)
                left -= samples
        return total / settings.steps

    return _each_target(subject, attribute)


def gradcam(subject: Subject, settings: Settings) -> Tensor:
    """Maps of a convolution (`layers.maps_of`), weighted by their gradients; what is negative is dropped (ReLU).

    R. Selvaraju et al., "Grad-CAM", 2016, arXiv 1610.02391.
    """
    layer = maps_of(subject)
    if layer is None:
        raise ValueError("the network has no maps to look at; ask `fits` first")
    method = captum_methods().LayerGradCam(subject.scores, layer)
    found = [
        method.attribute(subject.features[None], target=target, relu_attributions=True)
        for target in range(targets_of(subject))
    ]
    maps = torch.cat([one.detach().float() for one in found])  # (K, 1, h, w)
    size = subject.segments.shape[-2:]
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)[:, 0].cpu()


def attention(subject: Subject, settings: Settings) -> Tensor:
    """Attention rollout, the same for every target."""
    return rollout(subject, targets=targets_of(subject))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generators of PyTorch and NumPy, which captum draws from, with a seed; then as they were."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
        finally:
            np.random.set_state(state)


@torch.no_grad()
def targets_of(subject: Subject) -> int:
    """K."""
    return subject.scores(subject.features[None]).shape[1]


def has_gradients(subject: Subject) -> bool:
    """Whether the scores depend on the features by a gradient; not those of a step function."""
    with torch.enable_grad():
        return subject.scores(subject.features[None].detach().clone().requires_grad_()).requires_grad


def _each_target(subject: Subject, attribute: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
    """(K, *P) of a method that is given features and baseline (1, *F), a target at a time.

    cuDNN has no backward pass of recurrent layers in evaluation mode.
    """
    features, baseline = subject.features[None], subject.baseline[None]
    with torch.backends.cudnn.flags(enabled=False):
        found = [attribute(target, features, baseline).detach() for target in range(targets_of(subject))]
    return subject.per_place(torch.cat(found)).float().cpu()


def _has_maps(subject: Subject) -> bool:
    """Whether there are maps, and scores have gradients of them: not where a detector finds nothing."""
    layer = maps_of(subject) if subject.segments.ndim >= 2 else None
    if layer is None:
        return False
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        with torch.enable_grad():
            total = subject.scores(subject.features[None].detach().clone().requires_grad_()).sum()
    finally:
        handle.remove()
    if not (total.requires_grad and seen[0].requires_grad):
        return False
    return torch.autograd.grad(total, seen[0], allow_unused=True)[0] is not None


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("gradcam", gradcam, _has_maps),
        Method("occlusion", occlusion, lambda subject: True),
        Method("integrated_gradients", integrated_gradients, has_gradients, complete=True),
        Method("gradient_shap", gradient_shap, has_gradients),
        Method("rollout", attention, fits_rollout),
    )
}
