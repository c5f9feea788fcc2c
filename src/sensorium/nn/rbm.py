"""Restricted Boltzmann machines, and stacks of them that become the layers of a network.

G. Hinton, S. Osindero and Y. Teh, "A fast learning algorithm for deep belief nets", 2006: layers of sigmoids are
trained one after the other, each to model what the one below makes of the examples, without their labels; the whole is
then trained with labels as any network is. G. Hinton, "A practical guide to training restricted Boltzmann machines",
2010, gives contrastive divergence and its settings (section numbers below are of the guide).

The energy of a visible vector v and a binary hidden vector h is

    E(v, h) = -h W v - b h - a v               visible units of 0 and 1 (Bernoulli)
    E(v, h) = -h W v - b h + |v - a|^2 / 2     real visible units of variance 1 (Gaussian, section 13.2)

and their probability is proportional to exp(-E). D: visible units, H: hidden units, N: examples.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError

EARLY_MOMENTUM, MOMENTUM = 0.5, 0.9  # section 9.1
EARLY_EPOCHS = 5


class RestrictedBoltzmannMachine(nn.Module):
    """gaussian: whether the visible units are real numbers of variance 1 instead of 0 or 1.

    As a layer of a network it maps visible to hidden units; the visible bias takes part in contrastive divergence only
    and is therefore a buffer.
    """

    visible_bias: Tensor

    def __init__(self, *, num_visible: int, num_hidden: int, gaussian: bool = False) -> None:
        super().__init__()
        self.gaussian = gaussian
        self.weight = nn.Parameter(torch.empty(num_hidden, num_visible))
        self.hidden_bias = nn.Parameter(torch.zeros(num_hidden))
        self.register_buffer("visible_bias", torch.zeros(num_visible))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, visible: Tensor) -> Tensor:
        """visible: (N, D); returns (N, H): the probability that a hidden unit is 1."""
        return self.hidden_inputs(visible).sigmoid()

    def hidden_inputs(self, visible: Tensor) -> Tensor:
        """visible: (N, D); returns (N, H): what a hidden unit sums up, whose sigmoid is its probability."""
        return F.linear(visible, self.weight, self.hidden_bias)

    def reconstruct(self, hidden: Tensor) -> Tensor:
        """hidden: (N, H); returns (N, D): the mean of each visible unit."""
        total = F.linear(hidden, self.weight.T, self.visible_bias)
        return total if self.gaussian else total.sigmoid()

    def free_energy(self, visible: Tensor) -> Tensor:
        """visible: (N, D); returns (N,): -log of the sum of exp(-E) over all hidden vectors (section 16.1)."""
        hidden = F.softplus(self.hidden_inputs(visible)).sum(1)
        if self.gaussian:
            return (visible - self.visible_bias).square().sum(1) / 2 - hidden
        return -visible @ self.visible_bias - hidden

    @torch.no_grad()
    def fit(
        self,
        examples: Tensor,
        *,
        epochs: int,
        learning_rate: float,
        batch_size: int = 100,
        steps: int = 1,
        weight_decay: float = 2e-4,
        generator: torch.Generator | None = None,
    ) -> list[float]:
        """Contrastive divergence (CD-k); returns the mean squared error of the reconstructions in each epoch.

        Starts again: weights from a normal distribution of standard deviation 0.01, hidden biases 0, visible biases at
        which the visible units alone have the examples' means (section 8.1). Hidden units are sampled, reconstructions
        are means (section 3.2). Momentum is 0.5 for the first five epochs and 0.9 after them.

        examples: (N, D), 0 to 1, or real with about mean 0 and variance 1 for a Gaussian machine. learning_rate: a
        tenth for a Gaussian machine of what it is for a Bernoulli one. steps: k of CD-k. weight_decay: of the weights,
        not of the biases. generator: of the examples' device; None for PyTorch's own.

        Raises RequestError when weights grow without bound, as a Gaussian machine's do with a large learning rate.
        """
        self._start(examples, generator)
        parameters = (self.weight, self.hidden_bias, self.visible_bias)
        velocities = [torch.zeros_like(parameter) for parameter in parameters]
        errors = []
        for epoch in range(epochs):
            momentum = EARLY_MOMENTUM if epoch < EARLY_EPOCHS else MOMENTUM
            order = torch.randperm(len(examples), generator=generator, device=examples.device)
            total = 0.0
            for indices in order.split(batch_size):
                data = examples[indices]
                *gradients, error = self._contrast(data, steps, generator)
                gradients[0] -= weight_decay * self.weight
                for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
                    velocity.mul_(momentum).add_(gradient, alpha=learning_rate)
                    parameter.add_(velocity)
                total += float(error) * len(data)
                if not math.isfinite(total):
                    raise RequestError(
                        f"Contrastive divergence diverged in epoch {epoch + 1} at a learning rate of "
                        f"{learning_rate:g}.\nGive a smaller one (pretrain_lr), and check the inputs."
                    )
            errors.append(total / len(examples))
        return errors

    def _start(self, examples: Tensor, generator: torch.Generator | None) -> None:
        nn.init.normal_(self.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.hidden_bias)
        mean = examples.mean(0)
        self.visible_bias.copy_(mean if self.gaussian else mean.clamp(0.01, 0.99).logit())

    def _contrast(self, data: Tensor, steps: int, generator: torch.Generator | None) -> tuple[Tensor, ...]:
        """What weights, hidden and visible biases should grow by, and the mean squared error of a reconstruction."""
        hidden = self(data)
        positive = hidden
        for step in range(steps):
            seen = self.reconstruct(torch.bernoulli(hidden, generator=generator))
            hidden = self(seen)
            if step == 0:
                error = (seen - data).square().mean()
        count = len(data)
        return (
            (positive.T @ data - hidden.T @ seen) / count,
            (positive - hidden).mean(0),
            (data - seen).mean(0),
            error,
        )


class DeepBeliefStack(nn.Module):
    """Layers of sigmoids over real inputs, whose weights can start from restricted Boltzmann machines.

    Inputs are brought to mean 0 and variance 1, each by itself, as a Gaussian machine wants them; the lowest machine
    is Gaussian, the ones above are Bernoulli. Until `pretrain` was called inputs are taken as they are.

    num_inputs: D. hidden_sizes: units of the layers, as many as wanted. dropout: share of the hidden values set to zero
    when training with labels, 0 to 1.

    Raises RequestError without a hidden layer.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *, num_inputs: int, hidden_sizes: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        if not hidden_sizes or min(hidden_sizes) < 1:
            raise RequestError(
                f"hidden_sizes of a deep belief net are its layers' units, such as [500,500], not {list(hidden_sizes)}."
            )
        sizes = [num_inputs, *hidden_sizes]
        self.layers = nn.ModuleList(
            RestrictedBoltzmannMachine(num_visible=inputs, num_hidden=outputs, gaussian=depth == 0)
            for depth, (inputs, outputs) in enumerate(pairwise(sizes))
        )
        self.dropout = nn.Dropout(dropout)
        self.output_size = sizes[-1]
        self.register_buffer("mean", torch.zeros(num_inputs))
        self.register_buffer("scale", torch.ones(num_inputs))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, D); returns (B, output_size), 0 to 1 (more where dropout scales up what it keeps)."""
        x = self._standardised(x)
        for layer in self.layers:
            x = self.dropout(layer(x))
        return x

    @torch.no_grad()
    def pretrain(
        self,
        examples: Tensor,
        *,
        epochs: int,
        learning_rate: float,
        steps: int = 1,
        generator: torch.Generator | None = None,
    ) -> list[list[float]]:
        """Train the machines from the lowest up, each on the probabilities of the one below (section 3.2).

        Returns `fit`'s errors for each. With no epochs only the means and variances of the inputs are taken.

        examples: (N, D). learning_rate: of Bernoulli machines; the Gaussian one takes a tenth (section 13.2).
        steps, generator: as `RestrictedBoltzmannMachine.fit`.
        """
        deviation, self.mean = examples.std(0, correction=0), examples.mean(0)
        # An input that hardly ever changes, such as a pixel at the border, must not become the loudest of all.
        self.scale = 1 / deviation.clamp(min=0.1 * float(deviation.square().mean().sqrt()) + 1e-6)
        x, errors = self._standardised(examples), []
        for layer in self.layers if epochs else ():
            assert isinstance(layer, RestrictedBoltzmannMachine)
            rate = learning_rate / 10 if layer.gaussian else learning_rate
            errors.append(layer.fit(x, epochs=epochs, learning_rate=rate, steps=steps, generator=generator))
            x = layer(x)
        return errors

    def _standardised(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.scale
