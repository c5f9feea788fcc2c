"""A convolutional network of spiking neurons: leaky integrate-and-fire units, trained through a surrogate.

E. Neftci, H. Mostafa and F. Zenke, "Surrogate gradient learning in spiking neural networks", IEEE Signal Processing
Magazine 36(6), 2019, arXiv 1901.09948; see `sensorium.nn.spiking` for the neuron.

The image is a constant current into the first layer for a number of steps, so brightness becomes a rate of spikes
("direct encoding": N. Rathi and K. Roy, "DIET-SNN", 2020, arXiv 2008.03658). Convolutions are normalized over batch
and steps together (H. Zheng et al., "Going deeper with directly-trained larger spiking neural networks", 2020, arXiv
2011.05280), and logits come from the rates of the last layer. Pooling takes the maximum: a pool fires if one of its
neurons does, and everything between the layers stays 0 or 1.

Every spike costs energy on hardware made for them, so the network counts them: their number for each image is
reported beside accuracy.
"""

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.initialisation import he_normal
from sensorium.nn.spiking import LeakyIntegrateAndFire


class SpikingConv(nn.Module):
    """3x3 convolution, normalization, neurons, and a maximum over 2x2 of their spikes where asked for."""

    def __init__(
        self, *, in_channels: int, out_channels: int, pool: bool, decay: float, threshold: float, slope: float
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.neurons = LeakyIntegrateAndFire(decay=decay, threshold=threshold, slope=slope)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """x: (T, B, C, H, W), or (1, B, C, H, W) for a constant current.

        Returns spikes (steps, B, out_channels, H', W') after the pool, and how many there were before it, (B,).
        """
        images = x.shape[1]
        current = self.norm(self.conv(x.flatten(0, 1)))
        current = current.reshape(-1, images, *current.shape[1:])
        spikes = self.neurons(current.expand(steps, *current.shape[1:]))
        count = spikes.detach().sum((0, 2, 3, 4))
        pooled = self.pool(spikes.flatten(0, 1))
        return pooled.reshape(steps, images, *pooled.shape[1:]), count


class SpikingCNN(nn.Module):
    """width: channels of the first layer; the others have twice and four times as many. steps: how long each image is
    looked at; cost grows with it. decay, threshold, slope: of the neurons, see `LeakyIntegrateAndFire`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        image_size: tuple[int, int],
        width: int = 16,
        steps: int = 4,
        decay: float = 0.5,
        threshold: float = 1.0,
        slope: float = 5.0,
    ) -> None:
        super().__init__()
        if steps < 1 or width < 1:
            raise RequestError(f"spiking_cnn takes a width and steps of at least 1, not {width} and {steps}.")
        self.steps = steps
        side, channels = min(image_size), in_channels
        layers = []
        for out_channels in (width, 2 * width, 4 * width):
            pool = side >= 8 and out_channels < 4 * width  # never below 4x4
            layers.append(
                SpikingConv(
                    in_channels=channels,
                    out_channels=out_channels,
                    pool=pool,
                    decay=decay,
                    threshold=threshold,
                    slope=slope,
                )
            )
            side, channels = side // 2 if pool else side, out_channels
        self.layers = nn.ModuleList(layers).apply(he_normal)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.counted(images)[0]

    def counted(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """images: (B, C, H, W); returns logits (B, K), and "spikes": how many each image took, (B,)."""
        spikes, counts = images[None], []
        for layer in self.layers:
            spikes, count = layer(spikes, self.steps)
            counts.append(count)
        rates = spikes.mean((0, 3, 4))  # (B, 4 * width), from 0 to 1
        return self.head(rates), {"spikes": torch.stack(counts).sum(0)}
