"""Features normalized to mean 0 and variance 1: over a recording, or running over a stream."""

import torch
from torch import Tensor

from sensorium.audio.padding import cleared

NORMALISATIONS = ("none", "running", "utterance")
PRIOR_FRAMES = 50  # how many frames the assumption that running normalization begins with counts for
_EPSILON = 1e-5  # of a variance; a feature that never changes becomes 0


def utterance(features: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, F) -> the same with mean 0 and variance 1 of each feature over the valid frames of its row."""
    features = cleared(features, lengths)
    count = lengths[:, None, None].to(features.dtype)
    mean = features.sum(1, keepdim=True) / count
    centred = cleared(features - mean, lengths)
    variance = centred.square().sum(1, keepdim=True) / count
    return centred * (variance + _EPSILON).rsqrt()


class RunningState:
    """What has been seen of each row: a count of frames, and the sums of features and of their squares.

    It begins with PRIOR_FRAMES frames of this mean (F,) and variance (F,), so that the first frames of a recording,
    which are usually silence, do not decide alone. Features are counted from the prior's mean, in float64: sums over
    hours stay exact, and do not depend on how a recording was cut.
    """

    def __init__(self, mean: Tensor, variance: Tensor) -> None:
        self.origin = _exact(mean)
        self.count = PRIOR_FRAMES
        self.total: Tensor = torch.zeros_like(self.origin)  # (F,), or (B, 1, F) once something was seen
        self.squares: Tensor = PRIOR_FRAMES * _exact(variance)


def running(features: Tensor, state: RunningState) -> Tensor:
    """(B, T, F) -> the same, each frame by mean and variance of the prior and the frames up to it, itself included.

    The rows' padding has to be at their end, and is treated as signal. The state is brought up to date.
    """
    away = _exact(features) - state.origin
    count = state.count + torch.arange(1, features.shape[1] + 1, device=features.device)[:, None]  # (T, 1)
    total = away.cumsum(1) + state.total
    squares = away.square().cumsum(1) + state.squares
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0)
    if features.shape[1]:
        state.count += features.shape[1]
        state.total, state.squares = total[:, -1:], squares[:, -1:]
    return ((away - mean) * (variance + _EPSILON).rsqrt()).to(features.dtype)


def _exact(x: Tensor) -> Tensor:
    """float64, which Apple's GPUs do not have."""
    return x.float() if x.device.type == "mps" else x.double()
