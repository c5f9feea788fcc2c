"""Lion: the sign of a momentum (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", 2302.06675)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from sensorium.distributed import own_rows
from sensorium.optim.groups import check_number


class Lion(Optimizer):
    """Every coordinate moves by exactly lr, in the direction of sign(beta1 * momentum + (1 - beta1) * gradient).

    lr: about a third to a tenth of what AdamW would use, weight_decay as many times larger (section 5 of the paper).
    weight_decay: decoupled; each step multiplies weights by 1 - lr * weight_decay.
    betas: beta1 mixes momentum and gradient for the update, beta2 is the decay of the momentum itself.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float,
        betas: tuple[float, float],
    ) -> None:
        check_number("optimizer.lr", lr)
        check_number("optimizer.weight_decay", weight_decay)
        for beta in betas:
            check_number("optimizer.betas", beta, below=1.0)
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; returns what closure returns, evaluated with gradients, or None without one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            if params:
                self._update(params, lr=group["lr"], weight_decay=group["weight_decay"], betas=group["betas"])
        return loss

    def _update(self, params: list[Tensor], *, lr: float, weight_decay: float, betas: tuple[float, float]) -> None:
        grads = [param.grad for param in params if param.grad is not None]
        for param in params:
            if "momentum" not in self.state[param]:
                self.state[param]["momentum"] = torch.zeros_like(param)
        momenta = [self.state[param]["momentum"] for param in params]
        # Every element moves by itself, so of what processes share out each updates its rows.
        params, grads = [own_rows(param) for param in params], [own_rows(grad) for grad in grads]
        momenta = [own_rows(momentum) for momentum in momenta]
        updates = torch._foreach_lerp(momenta, grads, 1 - betas[0])
        torch._foreach_sign_(updates)
        torch._foreach_mul_(params, 1 - lr * weight_decay)
        torch._foreach_add_(params, updates, alpha=-lr)
        torch._foreach_lerp_(momenta, grads, 1 - betas[1])
