"""Tokens as vectors that can be interpolated: what a network's embedding gives is seen, and replaced.

Letters: N rows, T tokens, D width of a vector.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def embedding_of(network: nn.Module, tokens: Tensor, call: Callable[[nn.Module], Any]) -> tuple[str, Tensor] | None:
    """The name of the table that a network looks its tokens up in, and their vectors (T, D).

    tokens: (1, T). call: runs the network on them. None for a network that looks them up in no `nn.Embedding`, such as
    one that sums vectors without making them.
    """
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(_keep(seen, name, tokens))
        for name, module in network.named_modules()
        if isinstance(module, nn.Embedding)
    ]
    try:
        call(network)
    finally:
        for hook in hooks:
            hook.remove()
    return next(((name, vectors[0].detach()) for name, vectors in seen.items()), None)


def _keep(seen: dict[str, Tensor], name: str, tokens: Tensor) -> Callable[..., None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if name not in seen and torch.equal(inputs[0], tokens):
            seen[name] = output

    return hook


@contextmanager
def embedded_as(network: nn.Module, name: str, vectors: Tensor) -> Iterator[None]:
    """The first look-up in the table of that name gives `vectors` (N, T, D), whatever the tokens are; later ones, as of
    the targets of a translation model with one table for both languages, are as they were.
    """
    left = [vectors]

    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return left.pop() if left else output

    handle = network.get_submodule(name).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
