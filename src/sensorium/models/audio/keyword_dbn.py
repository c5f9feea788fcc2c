"""A deep belief network over a recording resampled to a fixed number of frames.

G. Hinton, S. Osindero and Y. Teh, "A fast learning algorithm for deep belief nets", 2006; for speech: A. Mohamed,
G. Dahl and G. Hinton, "Acoustic modeling using deep belief networks", 2012: a Gaussian machine reads the features, the
ones above are Bernoulli (`nn/rbm.py`).

What differs: the network sees a whole word at once, as an image of `frames` x F, not a few frames of running speech;
a longer or shorter recording is stretched to it by linear interpolation.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.rbm import DeepBeliefStack


class KeywordDBN(nn.Module):
    """frames: which a recording is stretched to. hidden_sizes: units of the layers.

    pretrain_epochs: passes of contrastive divergence over the sample, for each layer; 0 starts from random weights.
    pretrain_lr: its learning rate. dropout: share of hidden values set to zero when training with labels.

    Raises RequestError for hidden_sizes without a layer and for fewer than one frame.
    """

    initialize_examples = 4096

    def __init__(
        self,
        *,
        num_features: int,
        num_classes: int,
        frames: int = 24,
        hidden_sizes: Sequence[int] = (500, 500),
        pretrain_epochs: int = 15,
        pretrain_lr: float = 0.05,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if frames < 1:
            raise RequestError(f"keyword_dbn stretches a recording to 1 or more frames, not {frames}.")
        self.frames = frames
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
        self.stack = DeepBeliefStack(num_inputs=frames * num_features, hidden_sizes=hidden_sizes, dropout=dropout)
        self.head = nn.Linear(self.stack.output_size, num_classes)

    def initialize(self, features: Tensor, lengths: Tensor) -> None:
        """Train the layers one by one on training recordings, without labels, before the first step.

        features: (N, T, F) normalized as in training; lengths: (N,). A few thousand recordings are enough.
        """
        examples = stretched(features, lengths, self.frames).flatten(1)
        self.stack.pretrain(examples, epochs=self.pretrain_epochs, learning_rate=self.pretrain_lr)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """features: (B, T, F); lengths: (B,), 1 to T; returns logits (B, K)."""
        return self.head(self.stack(stretched(features, lengths, self.frames).flatten(1)))


def stretched(features: Tensor, lengths: Tensor, frames: int) -> Tensor:
    """(B, T, F) -> (B, frames, F): each row from its first to its last valid frame, linear between neighbors."""
    place = torch.linspace(0, 1, frames, device=features.device) * (lengths[:, None] - 1)  # (B, frames)
    before = place.long()
    after = torch.minimum(before + 1, lengths[:, None] - 1)
    share = (place - before)[:, :, None].to(features.dtype)
    shape = (-1, -1, features.shape[2])
    first, second = (features.gather(1, step[:, :, None].expand(shape)) for step in (before, after))
    return first.lerp(second, share)
