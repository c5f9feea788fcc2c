"""Features of a streamed recording."""

import torch
from torch import Tensor

from sensorium.audio.features import Features
from sensorium.audio.normalise import RunningState
from sensorium.errors import RequestError


class FeatureStream:
    """Takes a recording in pieces of any size and gives the frames of the whole, each as soon as its window is there.

    features: of kind log_mel, normalized by running or none. Raises RequestError for those that look ahead.
    """

    def __init__(self, features: Features) -> None:
        if features.normalise == "utterance":
            raise RequestError(
                "normalise=utterance needs the whole recording.\n"
                "For streaming, train with dataset.features.normalise=running."
            )
        if features.kind == "mfcc":
            raise RequestError(
                "kind=mfcc uses deltas, which need future frames.\n"
                "For streaming, train with dataset.features.kind=log_mel."
            )
        self._features = features
        self._state = RunningState(features.prior_mean, features.prior_variance)
        self._held = features.window.new_empty(1, 0)  # samples from the next frame's first on
        self._given = 0  # frames

    def push(self, samples: Tensor) -> Tensor:
        """(n,) samples -> (1, t, F), the frames that are complete now; t may be 0."""
        samples = torch.as_tensor(samples, dtype=torch.float32, device=self._held.device)
        self._held = torch.cat((self._held, samples[None]), dim=1)
        window, hop = self._features.window_samples, self._features.hop_samples
        count = max(0, (self._held.shape[1] - window) // hop + 1)
        if not count:
            return self._held.new_zeros(1, 0, self._features.num_features)
        found = self._frames(self._held[:, : (count - 1) * hop + window])
        self._held = self._held[:, count * hop :]
        return found

    def finish(self) -> Tensor:
        """(1, t, F): a recording shorter than one window has one frame, filled with silence; else there is no more.

        The next `push` would go on after the silence; take a new stream for a new recording.
        """
        if self._given:
            return self._held.new_zeros(1, 0, self._features.num_features)
        return self._frames(self._held)

    def _frames(self, samples: Tensor) -> Tensor:
        found, lengths = self._features.extract(samples, torch.tensor([samples.shape[1]], device=samples.device))
        self._given += found.shape[1]
        return self._features.normalised(found, lengths, self._state)
