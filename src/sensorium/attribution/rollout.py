"""Attention rollout: how much of each input token is left in the one that the answer is read from.

S. Abnar and W. Zuidema, "Quantifying attention flow in transformers", 2020, arXiv 2005.00928, section 3. It depends on
no target: every target has the same map. Letters: B batch, H heads, T tokens, D width of a head.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sensorium.attribution.subject import Subject

MOST_PREFIX = 8  # tokens in front of the patches: a class token, a distillation token, registers


class _SeesAttention(TorchFunctionMode):
    """Weights (B, T, T), the mean over heads, of every self-attention that is computed meanwhile in this thread: of any
    network that calls PyTorch's fused kernel, whatever its modules are named.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and args[0].shape[2] == args[1].shape[2]:
            self.weights.append(_weights(*args[:2], *args[3:4], **_mask_of(args, kwargs)))
        if func is F.multi_head_attention_forward:  # of nn.MultiheadAttention: what it calls is not seen here
            mixed, weights = func(*args, **{**kwargs, "need_weights": True, "average_attn_weights": True})
            if args[0].shape == args[1].shape:
                self.weights.append(weights)
            return mixed, weights if kwargs.get("need_weights", True) else None
        return func(*args, **kwargs)


def _mask_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    causal = kwargs.get("is_causal", args[5] if len(args) > 5 else False)
    return {"causal": causal} | ({"mask": kwargs["attn_mask"]} if "attn_mask" in kwargs else {})


def _weights(query: Tensor, key: Tensor, mask: Tensor | None = None, *, causal: bool) -> Tensor:
    """query, key: (B, H, T, D); returns (B, T, T), rows that sum to 1."""
    scores = query.float() @ key.float().transpose(2, 3) / query.shape[3] ** 0.5
    if causal:
        allowed = torch.ones(scores.shape[2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~allowed, -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(dim=3).mean(dim=1)


def attention_of(subject: Subject) -> list[Tensor]:
    """Weights (T, T) of each layer in turn; [] for a network without self-attention over all of its tokens (none, or
    inside of windows).
    """
    with torch.enable_grad(), _SeesAttention() as seen:  # without gradients PyTorch fuses whole layers
        subject.scores(subject.features[None])
    found = [one.detach().cpu() for one in seen.weights]
    alike = len({tuple(one.shape) for one in found}) == 1
    return [one[0] for one in found] if alike and len(found[0]) == 1 else []


def attention_rollout(weights: Sequence[Tensor]) -> Tensor:
    """Weights (T, T) of each layer -> (T, T): of each last token (row) what comes from each input token (column).

    Half of each layer is its shortcut.
    """
    identity = torch.eye(len(weights[0]))
    rolled = identity
    for layer in weights:
        rolled = (layer + identity) / 2 @ rolled
    return rolled


def token_grid(tokens: int, places: tuple[int, ...]) -> tuple[tuple[int, ...], int] | None:
    """How tokens lie over the places of a map, and how many stand in front of them; None where they do not.

    places: (T, ...) of a sequence, or (H, W) of an image in square patches.
    """
    for prefix in range(min(MOST_PREFIX, tokens // 2) + 1):
        count = tokens - prefix
        if len(places) == 1 or places[1] == 1:
            if places[0] == count:
                return (count, *places[1:]), prefix
            continue
        for patch in range(1, places[0] + 1):
            down, across = places[0] // patch, places[1] // patch
            if (down * patch, across * patch) == places and down * across == count:
                return (down, across), prefix
    return None


def fits_rollout(subject: Subject) -> bool:
    """Whether there is attention between tokens that lie over the map."""
    weights = attention_of(subject)
    return bool(weights) and token_grid(len(weights[0]), tuple(subject.segments.shape)) is not None


def rollout(subject: Subject, *, targets: int) -> Tensor:
    """(K, *P) for K targets, all alike: from the class token where there is one, else from all tokens."""
    rolled = attention_rollout(attention_of(subject))
    found = token_grid(len(rolled), tuple(subject.segments.shape))
    assert found is not None
    shape, prefix = found
    row = rolled[0] if prefix else rolled.mean(dim=0)
    seen = row[prefix:].view(1, 1, *shape)
    if shape != tuple(subject.segments.shape):
        seen = F.interpolate(seen, size=tuple(subject.segments.shape), mode="bilinear", align_corners=False)
    return seen[0].expand(targets, *subject.segments.shape)
