"""Pooling of a sequence to one vector, over valid time steps only."""

import torch
from torch import Tensor, nn

from sensorium.errors import unknown


def valid_steps(lengths: Tensor, time: int) -> Tensor:
    """Which of `time` steps belong to a row and are not padding: (B, T) of bool.

    lengths: (B,).
    """
    return torch.arange(time, device=lengths.device) < lengths[:, None]


def last_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """x: (B, T, F); lengths: (B,), 1 to T; returns (B, F), the features of the last valid step."""
    return x.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, x.shape[2])).squeeze(1)


class LastPooling(nn.Module):
    """The features of the last valid step."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, F); lengths: (B,), 1 to T; returns (B, F)."""
        return last_steps(x, lengths)


class MeanPooling(nn.Module):
    """The mean of each feature over the valid steps."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, F); lengths: (B,), 1 to T; returns (B, F)."""
        padding = ~valid_steps(lengths, x.shape[1])
        return x.masked_fill(padding[:, :, None], 0.0).sum(1) / lengths[:, None].to(x.dtype)


class MaxPooling(nn.Module):
    """The maximum of each feature over the valid steps."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, F); lengths: (B,), 1 to T; returns (B, F)."""
        padding = ~valid_steps(lengths, x.shape[1])
        return x.masked_fill(padding[:, :, None], -torch.inf).amax(1)


class AttentionPooling(nn.Module):
    """A weighted mean over the valid steps; the weights are a softmax of learned scores.

    Z. Yang et al., "Hierarchical attention networks for document classification", 2016, equations 5 to 7: a step's
    score is the product of tanh(W x + b) and a learned vector.

    width: features of a step.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)
        self.query = nn.Linear(width, 1, bias=False)

    def weights(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, F); lengths: (B,), 1 to T; returns (B, T): zero at padding, each row sums to 1."""
        scores = self.query(torch.tanh(self.projection(x))).squeeze(2)  # (B, T)
        return scores.masked_fill(~valid_steps(lengths, x.shape[1]), -torch.inf).softmax(1)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, F); lengths: (B,), 1 to T; returns (B, F)."""
        padding = ~valid_steps(lengths, x.shape[1])
        weights = self.weights(x, lengths)[:, :, None]
        return (x.masked_fill(padding[:, :, None], 0.0) * weights).sum(1)


POOLINGS = ("last", "mean", "max", "attention")


def pool(kind: str, *, width: int) -> nn.Module:
    """The pooling of this name, a module of (x (B, T, F), lengths (B,)) -> (B, F).

    kind: last, mean, max or attention. width: features of a step.

    Raises RequestError for another kind.
    """
    if kind not in POOLINGS:
        raise unknown("pooling", kind, POOLINGS)
    if kind == "attention":
        return AttentionPooling(width=width)
    return {"last": LastPooling, "mean": MeanPooling, "max": MaxPooling}[kind]()
