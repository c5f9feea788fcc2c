"""Multi-head attention: self-attention and cross-attention.

A. Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762, section 3.2. Shapes: B batch, T time, S source,
D width, and inside H heads of D / H features. PyTorch's fused kernel (`scaled_dot_product_attention`) does the work.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError

KeyValue = tuple[Tensor, Tensor]
"""Keys and values, each (B, H, T, D / H)."""


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None = None,
    *,
    causal: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """Scaled dot-product attention with PyTorch's fused kernel; returns (B, H, T, D / H).

    query: (B, H, T, D / H). key, value: (B, H, S, D / H). allowed: bool, broadcast to (B, H, T, S), True where a token
    may look; None for everywhere. causal: no token looks at later ones (T is S). dropout: share of weights set to zero.

    Under autocast on a CPU it computes in float32: in bfloat16 the backward pass of the kernel takes 10 times as long
    for 16 tokens and 1.2 times for 256.
    """
    if query.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            query, key, value = query.float(), key.float(), value.float()
            return F.scaled_dot_product_attention(query, key, value, allowed, dropout, causal)
    return F.scaled_dot_product_attention(query, key, value, allowed, dropout, causal)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in `heads` subspaces. Inputs and outputs have the batch first.

    `forward` is attention of a sequence to itself. For attention to another sequence, `read` it once and `look` at it
    as often as needed.

    width: of a token. heads: number of subspaces; width divides by it. dropout: share of attention weights set to zero
    in training; on a CPU the fused kernel works only without. positions: applied to queries and keys, called with a
    tensor (B, H, T, D / H) and the position of its first token, such as RotaryPositions; None for none.

    Raises RequestError when width does not divide by heads.
    """

    def __init__(self, *, width: int, heads: int, dropout: float = 0.0, positions: nn.Module | None = None) -> None:
        super().__init__()
        if width % heads:
            raise RequestError(
                f"width {width} does not divide by heads {heads}; try width={max(width // heads, 1) * heads}."
            )
        self.width = width
        self.heads = heads
        self.dropout = dropout
        self.positions = positions
        self.in_projection = nn.Linear(width, 3 * width)  # queries, keys, values
        self.out_projection = nn.Linear(width, width)

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, causal: bool = False, past: KeyValue | None = None
    ) -> tuple[Tensor, KeyValue]:
        """Attention of a sequence to itself; returns (B, T, D), and the keys and values of past and x together.

        x: (B, T, D). mask: (B, P + T) bool, True where a token may be looked at; None for everywhere. causal: no token
        looks at later ones. past: what an earlier call returned, for the P tokens before x.
        """
        query, key, value = (self._split(part) for part in self.in_projection(x).chunk(3, dim=2))
        start = 0 if past is None else past[0].shape[2]
        if self.positions is not None:
            query, key = self.positions(query, start), self.positions(key, start)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        # A graph is traced for any number of tokens before x, none among them.
        plain = mask is None and (past is None if torch.compiler.is_exporting() else start == 0)
        allowed = None if plain else _allowed(mask, x.shape[1] if causal else 1, key.shape[2], x.device)
        mixed = self._attend(query, key, value, allowed, causal=causal and plain)
        return mixed, (key, value)

    def read(self, memory: Tensor) -> KeyValue:
        """Keys and values (B, H, S, D / H) of another sequence (B, S, D)."""
        weight, bias = self.in_projection.weight[self.width :], self.in_projection.bias[self.width :]
        key, value = F.linear(memory, weight, bias).chunk(2, dim=2)
        return self._split(key), self._split(value)

    def look(self, x: Tensor, memory: KeyValue, mask: Tensor | None = None) -> Tensor:
        """Attention of a sequence to another one; returns (N, T, D).

        x: (N, T, D); N is B or a multiple of it, and then the first N / B sequences look at the first row of memory.
        memory: as `read` returned it. mask: (B, S) bool, True where memory may be looked at.
        """
        query = self._query(x, memory)
        return self._attend(query, *memory, None if mask is None else mask[:, None, None]).reshape(x.shape)

    def weights(self, x: Tensor, memory: KeyValue, mask: Tensor | None = None) -> Tensor:
        """The weights (B, T, S) that `look` mixes with, as the mean over heads. Each row sums to 1."""
        query, key = self._query(x, memory), memory[0]
        scores = query @ key.transpose(2, 3) / key.shape[3] ** 0.5  # (B, H, T, S)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
        return scores.softmax(dim=3).mean(dim=1)

    def _query(self, x: Tensor, memory: KeyValue) -> Tensor:
        """(B, H, T, D / H); sequences that share a row of memory stand one after another in time."""
        query = F.linear(x, self.in_projection.weight[: self.width], self.in_projection.bias[: self.width])
        if torch.compiler.is_exporting():  # with a row of memory for each
            return self._split(query)
        return self._split(query.reshape(len(memory[0]), -1, self.width))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, T, D) -> (B, H, T, D / H)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, *, causal: bool = False
    ) -> Tensor:
        mixed = attend(query, key, value, allowed, causal=causal, dropout=self.dropout if self.training else 0.0)
        return self.out_projection(mixed.transpose(1, 2).flatten(2))  # (B, H, T, D / H) -> (B, T, D)


def _allowed(mask: Tensor | None, queries: int, keys: int, device: torch.device) -> Tensor | None:
    """(B or 1, 1, queries, keys) bool, True where the last `queries` of `keys` tokens may look; None for everywhere.

    queries: 1 when order does not matter or there is one query: then only the mask counts.
    """
    allowed = None if mask is None else mask[:, None, None]  # (B, 1, 1, keys)
    if queries > 1:
        earlier = torch.arange(keys, device=device) <= torch.arange(keys - queries, keys, device=device)[:, None]
        allowed = earlier[None, None] if allowed is None else allowed & earlier
    return allowed
