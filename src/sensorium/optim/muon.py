"""Muon: momentum, orthogonalized (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

The update of a weight matrix is the orthogonal matrix nearest to its Nesterov momentum, so all directions of the
matrix learn at the same speed. It is meant for hidden layers; the head, embeddings and vectors are left to AdamW
(Loshchilov and Hutter 2019, 1711.05101), as the post advises. Not torch.optim.Muon: docs/decisions/0017.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from sensorium.optim.groups import check_number

_QUINTIC = (3.4445, -4.7750, 2.0315)  # from the post: chosen for a steep slope at 0, not for exact convergence to 1
_ITERATIONS = 5
_NORM_EPS = 1e-7
_ADAM_EPS = 1e-8


def orthogonalize(matrices: Tensor, *, dtype: torch.dtype) -> Tensor:
    """Matrices (N, R, C) with the same singular vectors and all singular values near 1, about 0.7 to 1.2.

    Five Newton-Schulz steps X <- aX + b(XX')X + c(XX')(XX')X, computed in dtype and returned in it. Singular values
    below roughly a thousandth of the norm of the matrix stay smaller.
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices  # XX' is then the smaller of the two products
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + _NORM_EPS)).to(dtype)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(Optimizer):
    """Muon for hidden weights, AdamW for the rest.

    Hidden weights are parameters of two or more dimensions in groups whose name neither starts with "head" nor ends
    with "embedding" or "no_decay" (see `parameter_groups`). Filters of a convolution (out, in, kh, kw) are one matrix
    (out, in*kh*kw).

    lr: size of the orthogonal update; a matrix with more rows than columns gets sqrt(rows / columns) times as much.
    weight_decay: decoupled; each step multiplies weights by 1 - (learning rate) * weight_decay.
    momentum: of the hidden weights, Nesterov.
    adam_lr_ratio: learning rate of AdamW as a share of lr. betas: of AdamW.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float,
        momentum: float,
        adam_lr_ratio: float,
        betas: tuple[float, float],
    ) -> None:
        check_number("optimizer.lr", lr)
        check_number("optimizer.weight_decay", weight_decay)
        check_number("optimizer.momentum", momentum, below=1.0)
        check_number("optimizer.adam_lr_ratio", adam_lr_ratio)
        for beta in betas:
            check_number("optimizer.betas", beta, below=1.0)
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "adam_lr_ratio": adam_lr_ratio,
            "betas": betas,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; returns what closure returns, evaluated with gradients, or None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            name = group.get("name", "")
            has_hidden = not name.startswith("head") and not name.endswith(("embedding", "no_decay"))
            params = [param for param in group["params"] if param.grad is not None]
            hidden = [param for param in params if has_hidden and param.ndim >= 2]
            others = [param for param in params if not (has_hidden and param.ndim >= 2)]
            if hidden:
                self._update_hidden(hidden, group)
            if others:
                self._update_others(others, group)
        return loss

    def _update_hidden(self, params: list[Tensor], group: dict[str, Any]) -> None:
        grads = [param.grad for param in params if param.grad is not None]
        for param in params:
            if "momentum" not in self.state[param]:
                self.state[param]["momentum"] = torch.zeros_like(param)
        momenta = [self.state[param]["momentum"] for param in params]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        updates = torch._foreach_lerp(grads, momenta, group["momentum"])
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])

        same_shape = defaultdict(list)  # one batched product for all matrices of a shape: far fewer kernels on a GPU
        for param, update in zip(params, updates, strict=True):
            matrix = update.reshape(len(update), -1)
            same_shape[matrix.shape].append((param, matrix))
        for (rows, columns), pairs in same_shape.items():
            matrices = torch.stack([matrix for _, matrix in pairs])
            # Where bfloat16 is native it is several times faster (seven on two AVX512 cores); the method bears it.
            slow = matrices.device.type == "cpu" and not torch.cpu._is_avx512_bf16_supported()
            dtype = torch.float32 if slow else torch.bfloat16
            size = group["lr"] * max(1.0, rows / columns) ** 0.5
            for (param, _), direction in zip(pairs, orthogonalize(matrices, dtype=dtype), strict=True):
                param.add_(direction.reshape(param.shape), alpha=-size)

    def _update_others(self, params: list[Tensor], group: dict[str, Any]) -> None:
        states = [self.state[param] for param in params]
        for param, state in zip(params, states, strict=True):
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"] = torch.zeros_like(param)
                state["exp_avg_sq"] = torch.zeros_like(param)
        adamw(
            params,
            [param.grad for param in params if param.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"] * group["adam_lr_ratio"],
            weight_decay=group["weight_decay"],
            eps=_ADAM_EPS,
            maximize=False,
        )
