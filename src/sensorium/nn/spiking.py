"""Leaky integrate-and-fire neurons, and the surrogate gradient of their spikes.

E. Neftci, H. Mostafa and F. Zenke, "Surrogate gradient learning in spiking neural networks", IEEE Signal Processing
Magazine 36(6), 2019, arXiv 1901.09948. A neuron's membrane potential u leaks, adds up its input, and where it reaches
the threshold the neuron fires and the threshold is taken from u:

    u[t] = decay * (u[t-1] - threshold * s[t-1]) + input[t]        s[t] = 1 if u[t] >= threshold, else 0

The derivative of a step is 0 wherever it is defined. Backward takes that of a fast sigmoid instead (F. Zenke and S.
Ganguli, "SuperSpike", Neural Computation 30, 2018, arXiv 1705.11146): ds/du = 1 / (1 + slope * |u - threshold|)^2.

What differs: synapses without a current of their own, so the input moves the potential at once; and the gradient does
not pass through the reset, which Neftci et al. also leave out of their programs.
"""

from typing import Any

import torch
from torch import Tensor, nn


class _Spike(torch.autograd.Function):
    """1 where the excess over the threshold is at least 0, with the surrogate's derivative."""

    @staticmethod
    def forward(ctx: Any, excess: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(excess)
        ctx.slope = slope
        return (excess >= 0).to(excess.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (excess,) = ctx.saved_tensors
        return gradients[0] / (1 + ctx.slope * excess.abs()).square(), None


def spike(excess: Tensor, *, slope: float) -> Tensor:
    """1 where a potential is at least its threshold and 0 elsewhere, in the shape of the excess over the threshold."""
    if torch.compiler.is_exporting():
        return (excess >= 0).to(excess.dtype)
    return _Spike.apply(excess, slope)


class LeakyIntegrateAndFire(nn.Module):
    """A neuron for every number of its input; it has no weights, and begins at a potential of 0.

    decay: share of the potential left after a step, 0 to 1. threshold: potential to fire at. slope: how fast the
    surrogate gradient falls off around the threshold.
    """

    def __init__(self, *, decay: float = 0.5, threshold: float = 1.0, slope: float = 5.0) -> None:
        super().__init__()
        self.decay, self.threshold, self.slope = decay, threshold, slope

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs: (T, B, ...), what comes in at each step; returns spikes (T, B, ...), 0 or 1, in float32 or better."""
        inputs = inputs.to(torch.promote_types(inputs.dtype, torch.float32))  # sums over time need the digits
        potential = torch.zeros_like(inputs[0])
        spikes = []
        for current in inputs:
            potential = self.decay * potential + current
            fired = spike(potential - self.threshold, slope=self.slope)
            potential = potential - self.threshold * fired.detach()
            spikes.append(fired)
        return torch.stack(spikes)
