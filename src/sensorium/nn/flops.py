"""Parameters and FLOPs of a model."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sensorium.nn.dry_run import evaluating


def count_parameters(model: nn.Module) -> int:
    """How many numbers the model holds as parameters, frozen ones included, buffers not."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_flops(model: nn.Module, *example: Tensor) -> int:
    """Floating-point operations of one forward pass in eval mode.

    A multiply-add counts as two operations, so this is twice the "MACs" that many papers print as FLOPs. Counted are
    convolutions, matrix products and attention; normalization, activations and pooling are not.

    example: what the model is called with, such as (B, C, H, W), on its device; the count is for the whole batch.
    """
    was_fused = torch.backends.mha.get_fastpath_enabled()
    # Attention is written out as matrix products: the counter knows no formula for the fused kernels.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            evaluating(model),
            sdpa_kernel(SDPBackend.MATH),
            _without_onednn(),
            FlopCounterMode(display=False) as counter,
        ):
            model(*example)
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fused)
    return counter.get_total_flops()


@contextmanager
def _without_onednn() -> Iterator[None]:
    """Recurrent layers are written out as matrix products too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about Intel GPUs, where there is none
        with torch.backends.mkldnn.flags(enabled=False):
            yield
