"""Weight initialization."""

from torch import nn


def he_normal(module: nn.Module) -> None:
    """He's normal initialization for layers followed by ReLU (He et al. 2015, arXiv 1502.01852, section 2.2).

    Meant for `network.apply(he_normal)`. Convolutions keep the variance of gradients (fan out), linear layers that of
    activations (fan in); biases start at zero. Everything else is left alone.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
        nn.init.zeros_(module.bias)
