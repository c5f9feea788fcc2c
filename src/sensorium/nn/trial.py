"""Trying a network on one picture, so that a size that cannot work is refused before training."""

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError


def try_on_picture(network: nn.Module, *, name: str, in_channels: int, image_size: tuple[int, int]) -> Tensor:
    """What the network makes of one black picture, in eval mode and without gradients.

    name: of the model, for the error.

    Raises RequestError when the network cannot take a picture of this size.
    """
    height, width = image_size
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            return network(torch.zeros(1, in_channels, height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise RequestError(
            f"Model {name} cannot take pictures of {height}x{width} pixels: {reason}.\n"
            "Use larger pictures, or a model for small ones: small_cnn, resnet8, resnet20."
        ) from error
    finally:
        network.train(was_training)
