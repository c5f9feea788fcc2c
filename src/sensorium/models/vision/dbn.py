"""A deep belief network: layers of sigmoids whose weights start from restricted Boltzmann machines.

G. Hinton, S. Osindero and Y. Teh, "A fast learning algorithm for deep belief nets", 2006; pixels are real numbers,
as in G. Hinton, "A practical guide to training restricted Boltzmann machines", 2010, section 13.2 (`nn/rbm.py`).

What differs: after the layer-by-layer training, which sees no labels, the network is trained with them by
backpropagation, as in G. Hinton and R. Salakhutdinov, "Reducing the dimensionality of data with neural networks",
2006, and not by the wake-sleep algorithm; there is no machine over the last layer and the labels.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from sensorium.nn.rbm import DeepBeliefStack


class DeepBeliefNet(nn.Module):
    """hidden_sizes: units of the layers, as many as wanted.

    pretrain_epochs: passes of contrastive divergence over the sample, for each layer; 0 starts from random weights.
    pretrain_lr: its learning rate. dropout: share of hidden values set to zero when training with labels.

    Raises RequestError for hidden_sizes without a layer.
    """

    initialize_examples = 4096

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        image_size: tuple[int, int],
        hidden_sizes: Sequence[int] = (500, 500),
        pretrain_epochs: int = 15,
        pretrain_lr: float = 0.05,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
        pixels = in_channels * image_size[0] * image_size[1]
        self.stack = DeepBeliefStack(num_inputs=pixels, hidden_sizes=hidden_sizes, dropout=dropout)
        self.head = nn.Linear(self.stack.output_size, num_classes)

    def initialize(self, images: Tensor) -> None:
        """Train the layers one by one on training images, without labels, before the first step.

        images: (N, C, H, W) normalized as in training; a few thousand are enough.
        """
        self.stack.pretrain(images.flatten(1), epochs=self.pretrain_epochs, learning_rate=self.pretrain_lr)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(self.stack(images.flatten(1)))
