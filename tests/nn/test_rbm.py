"""Restricted Boltzmann machines against brute force over every state, and contrastive divergence on toy images."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from sensorium.errors import RequestError
from sensorium.nn.rbm import DeepBeliefStack, RestrictedBoltzmannMachine

# Images of 2x3 pixels: one lit column, or the whole upper or lower row.
PICTURES = torch.tensor(
    [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
).float()
kinds = pytest.mark.parametrize("gaussian", [False, True])


def machine(num_visible: int = 4, num_hidden: int = 3, gaussian: bool = False) -> RestrictedBoltzmannMachine:
    torch.manual_seed(0)
    rbm = RestrictedBoltzmannMachine(num_visible=num_visible, num_hidden=num_hidden, gaussian=gaussian).double()
    with torch.no_grad():
        for values in (rbm.weight, rbm.hidden_bias, rbm.visible_bias):
            values.normal_()
    return rbm


def states(units: int) -> list[Tensor]:
    return [torch.tensor(bits, dtype=torch.float64) for bits in itertools.product((0, 1), repeat=units)]


def energy(rbm: RestrictedBoltzmannMachine, v: Tensor, h: Tensor) -> Tensor:
    own = (v - rbm.visible_bias).square().sum() / 2 if rbm.gaussian else -v @ rbm.visible_bias
    return own - h @ rbm.hidden_bias - h @ rbm.weight @ v


def log_partition(rbm: RestrictedBoltzmannMachine) -> Tensor:
    """log of the sum (Gaussian: the integral) of exp(-E) over everything: (), exact.

    Enumerates the hidden layer of a Gaussian machine, else the smaller one.
    """
    num_hidden, num_visible = rbm.weight.shape
    by_hidden = rbm.gaussian or num_hidden <= num_visible
    every = torch.stack(states(num_hidden if by_hidden else num_visible)).to(rbm.weight)
    if not by_hidden:
        return (-rbm.free_energy(every)).logsumexp(0)
    totals = every @ rbm.weight  # (states, D)
    if rbm.gaussian:  # a Gaussian around a + h W, whose integral is known
        visible = (totals.square() / 2 + totals * rbm.visible_bias + math.log(2 * math.pi) / 2).sum(1)
    else:
        visible = torch.nn.functional.softplus(totals + rbm.visible_bias).sum(1)
    return (every @ rbm.hidden_bias + visible).logsumexp(0)


@kinds
@torch.no_grad()
def test_free_energy_sums_over_the_hidden_states(gaussian: bool) -> None:
    rbm = machine(gaussian=gaussian)
    visible = torch.randn(6, 4, dtype=torch.float64) if gaussian else torch.stack(states(4))
    expected = [-torch.stack([-energy(rbm, v, h) for h in states(3)]).logsumexp(0) for v in visible]
    torch.testing.assert_close(rbm.free_energy(visible), torch.stack(expected))


@kinds
@torch.no_grad()
def test_hidden_probabilities_are_those_of_all_states(gaussian: bool) -> None:
    rbm = machine(gaussian=gaussian)
    v = torch.tensor([1, 0, 1, 1], dtype=torch.float64)
    weights = torch.stack([-energy(rbm, v, h) for h in states(3)]).softmax(0)
    torch.testing.assert_close(rbm(v[None])[0], weights @ torch.stack(states(3)))


@torch.no_grad()
def test_visible_means_are_those_of_all_states() -> None:
    rbm, h = machine(), torch.tensor([1, 0, 1], dtype=torch.float64)
    weights = torch.stack([-energy(rbm, v, h) for v in states(4)]).softmax(0)
    torch.testing.assert_close(rbm.reconstruct(h[None])[0], weights @ torch.stack(states(4)))


@torch.no_grad()
def test_real_visible_means_are_those_of_an_integral() -> None:
    rbm = machine(num_visible=1, gaussian=True)
    h, grid = torch.tensor([1, 0, 1], dtype=torch.float64), torch.linspace(-20, 20, 401, dtype=torch.float64)[:, None]
    density = torch.stack([-energy(rbm, v, h) for v in grid]).softmax(0)
    torch.testing.assert_close(rbm.reconstruct(h[None])[0], density @ grid)


@torch.no_grad()
@pytest.mark.parametrize(("num_visible", "num_hidden"), [(4, 3), (2, 5), (1, 1)])
def test_partition_function_sums_over_everything(num_visible: int, num_hidden: int) -> None:
    rbm = machine(num_visible, num_hidden)
    energies = [energy(rbm, v, h) for v in states(num_visible) for h in states(num_hidden)]
    torch.testing.assert_close(log_partition(rbm), (-torch.stack(energies)).logsumexp(0))


@torch.no_grad()
def test_partition_function_of_real_units_is_an_integral() -> None:
    rbm = machine(num_visible=2, gaussian=True)
    line = torch.linspace(-15, 15, 301, dtype=torch.float64)
    energies = rbm.free_energy(torch.cartesian_prod(line, line))
    integral = (-energies).logsumexp(0) + 2 * math.log(30 / 300)
    torch.testing.assert_close(log_partition(rbm), integral)


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 5])
def test_contrastive_divergence_lowers_the_exact_negative_log_likelihood(steps: int) -> None:
    torch.manual_seed(1)
    rbm = RestrictedBoltzmannMachine(num_visible=6, num_hidden=8)

    def nats() -> float:
        return float(rbm.free_energy(PICTURES).mean() + log_partition(rbm))

    settings = {"learning_rate": 0.1, "batch_size": 10, "steps": steps, "weight_decay": 0.0}
    rbm.fit(PICTURES.repeat(20, 1), epochs=0, **settings)
    # Each pixel is lit in two of five images; without weights the pixels are independent coins.
    coins = -6 * (0.4 * math.log(0.4) + 0.6 * math.log(0.6))
    assert nats() == pytest.approx(coins, abs=0.02)
    errors = rbm.fit(PICTURES.repeat(20, 1), epochs=40, **settings)
    assert math.log(5) < nats() < 2.5  # log 5 is the best there is; coins have 4.04
    assert errors[0] == pytest.approx(0.24, abs=0.01)  # 0.4 * 0.6
    assert errors[-1] < 0.01


@torch.no_grad()
def test_a_real_machine_learns_two_clusters() -> None:
    torch.manual_seed(1)
    signs = torch.randint(0, 2, (500, 1)) * 2.0 - 1
    examples = signs * torch.tensor([[2.0, -2.0, 2.0]]) + torch.randn(500, 3)
    rbm = RestrictedBoltzmannMachine(num_visible=3, num_hidden=2, gaussian=True)
    rbm.fit(examples, epochs=50, learning_rate=0.01)
    found = float(rbm.free_energy(examples).mean() + log_partition(rbm))
    # A mixture of both clusters: three Gaussian entropies and one bit. One Gaussian of variance 1 has 5.3 more.
    best = 1.5 * math.log(2 * math.pi * math.e) + math.log(2)
    assert best - 0.1 < found < best + 0.3


@torch.no_grad()
def test_one_step_of_learning_is_the_formula() -> None:
    """With a hidden unit that the data hold at 1 and a reconstruction does not, sampling has nothing to choose."""
    rbm = RestrictedBoltzmannMachine(num_visible=2, num_hidden=1)
    data = torch.tensor([[1.0, 0.0]])
    rbm.weight.copy_(torch.tensor([[60.0, 1.0]]))
    rbm.hidden_bias.fill_(-30)
    rbm.visible_bias.copy_(torch.tensor([-60.0, 1.0]))
    seen = torch.tensor([0.5, float(torch.tensor(2.0).sigmoid())])
    again = (60 * seen[0] + seen[1] - 30).sigmoid()
    weight, hidden, visible, error = rbm._contrast(data, 1, None)
    torch.testing.assert_close(weight, data - again * seen)
    torch.testing.assert_close(hidden, 1 - again[None])
    torch.testing.assert_close(visible, data[0] - seen)
    torch.testing.assert_close(error, (data[0] - seen).square().mean())


def test_training_is_reproducible() -> None:
    def trained(generator: torch.Generator | None) -> Tensor:
        stack = DeepBeliefStack(num_inputs=6, hidden_sizes=[4, 3])
        stack.pretrain(PICTURES.repeat(4, 1), epochs=2, learning_rate=0.1, generator=generator)
        return torch.cat([parameter.flatten() for parameter in stack.parameters()])

    torch.manual_seed(3)
    first = trained(None)
    other = trained(None)
    torch.manual_seed(3)
    assert torch.equal(trained(None), first)
    assert not torch.equal(first, other)
    own = trained(torch.Generator().manual_seed(4))
    assert torch.equal(trained(torch.Generator().manual_seed(4)), own)


@torch.no_grad()
def test_a_stack_standardises_and_each_machine_reads_the_one_below() -> None:
    torch.manual_seed(0)
    examples = torch.randn(200, 3) * torch.tensor([1.0, 5.0, 0.0]) + torch.tensor([0.0, 7.0, 2.0])
    stack = DeepBeliefStack(num_inputs=3, hidden_sizes=[5, 4])
    errors = stack.pretrain(examples, epochs=3, learning_rate=0.1)
    assert [len(layer) for layer in errors] == [3, 3]
    lower, upper = stack.layers
    assert lower.gaussian
    assert not upper.gaussian
    standard = (examples - examples.mean(0)) / examples.std(0, correction=0).clamp(min=1e-6)
    standard[:, 2] = 0  # a constant stays finite
    torch.testing.assert_close(stack(examples), upper(lower(standard)), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_without_epochs_only_the_inputs_are_standardised() -> None:
    stack = DeepBeliefStack(num_inputs=6, hidden_sizes=[4])
    before = stack.layers[0].weight.clone()
    assert stack.pretrain(PICTURES, epochs=0, learning_rate=0.1) == []
    assert torch.equal(stack.layers[0].weight, before)
    torch.testing.assert_close(stack.mean, torch.full((6,), 0.4))
    torch.testing.assert_close(stack.scale, torch.full((6,), 0.24**-0.5))


def test_layers_that_cannot_be_are_refused() -> None:
    with pytest.raises(RequestError, match=r"such as \[500,500\], not \[\]"):
        DeepBeliefStack(num_inputs=3, hidden_sizes=[])
    with pytest.raises(RequestError, match=r"not \[4, 0\]"):
        DeepBeliefStack(num_inputs=3, hidden_sizes=[4, 0])


def test_a_learning_rate_that_is_too_large_is_said() -> None:
    torch.manual_seed(0)
    with pytest.raises(RequestError, match=r"diverged in epoch \d+ at a learning rate of 1000\.\n.*pretrain_lr"):
        DeepBeliefStack(num_inputs=6, hidden_sizes=[4]).pretrain(PICTURES, epochs=200, learning_rate=10_000)
