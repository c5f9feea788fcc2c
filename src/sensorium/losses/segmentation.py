"""Training losses for a class at every pixel. Pixels marked VOID are ignored, here as everywhere.

Logits are (B, K, H, W) float32, masks (B, H, W) class numbers of any integer type. A batch without a counted pixel has
a loss of 0.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.batches import VOID

Loss = Literal["cross_entropy", "dice", "focal", "cross_entropy_dice"]
Criterion = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(
    logits: Tensor, masks: Tensor, *, weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Nats a pixel: the mean over the counted pixels, each weighing what its class does.

    weights: (K,) of each class, or None for 1. label_smoothing: share of the target spread evenly over all classes.
    """
    masks = masks.long()
    total = F.cross_entropy(
        logits, masks, weight=weights, ignore_index=VOID, label_smoothing=label_smoothing, reduction="sum"
    )
    return total / _weight_of(masks, weights)


def focal(logits: Tensor, masks: Tensor, *, weights: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """Cross-entropy in which a pixel counts less the surer its own class is: (1 - p)^gamma of it.

    T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017, arXiv 1708.02002, equation 5, over a softmax;
    `weights` are its alpha. The mean is as in `cross_entropy`, which a gamma of 0 is.
    """
    masks = masks.long()
    nats = F.cross_entropy(logits, masks, ignore_index=VOID, reduction="none")
    total = ((1 - torch.exp(-nats)) ** gamma * nats * _weights_at(masks, weights)).sum()
    return total / _weight_of(masks, weights)


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - 2 sum(p g) / (sum(p^2) + sum(g^2)), p the probability and g the reference, mean over classes.

    F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net", 3DV 2016, arXiv 1606.04797, section 3, for more than two classes.
    Sums run over the counted pixels of the whole batch; the mean is over the classes that occur in its masks.
    """
    counted = masks != VOID
    targets = masks.long().where(counted, 0)
    p = logits.softmax(1) * counted[:, None]
    # One number a pixel is all that the reference picks out: no one-hot copy of the batch.
    own = p.gather(1, targets[:, None])[:, 0]
    classes = torch.zeros(logits.shape[1], dtype=logits.dtype, device=logits.device)
    both = classes.index_add(0, targets.flatten(), own.flatten())
    size = classes.index_add(0, targets.flatten(), counted.flatten().to(logits.dtype))
    share = 2 * both / (p.square().sum((0, 2, 3)) + size).clamp(min=1e-6)
    occurs = size > 0
    return ((1 - share) * occurs).sum() / occurs.sum().clamp(min=1)


def criterion(loss: Loss, *, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Criterion:
    """The loss of this name, taking logits and masks. weights: of the classes; Dice has them all weigh the same."""
    plain = partial(cross_entropy, weights=weights, label_smoothing=label_smoothing)
    if loss == "cross_entropy_dice":
        return lambda logits, masks: plain(logits, masks) + dice(logits, masks)
    named: dict[str, Criterion] = {"cross_entropy": plain, "dice": dice, "focal": partial(focal, weights=weights)}
    return named[loss]


def _weights_at(masks: Tensor, weights: Tensor | None) -> Tensor:
    """What each pixel weighs: (B, H, W), 0 where VOID."""
    counted = masks != VOID
    return counted.float() if weights is None else weights[masks.where(counted, 0)] * counted


def _weight_of(masks: Tensor, weights: Tensor | None) -> Tensor:
    """Of all pixels together; never 0."""
    return _weights_at(masks, weights).sum().clamp(min=1e-6)
