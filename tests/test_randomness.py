"""Random numbers as a function of where they are used: reference values, uniformity, independence."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensorium.randomness import ExampleRandom, _mix, _mix_tensor, _signed, fold, generator

MASK = (1 << 64) - 1


def splitmix64(seed: int, count: int) -> list[int]:
    """The generator as published (Vigna's C code), in Python's whole numbers."""
    found = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(z ^ (z >> 31))
    return found


def test_the_reference_itself() -> None:
    assert splitmix64(0, 3) == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]


@given(st.integers(0, MASK))
def test_mixing_is_splitmix64_in_numbers_and_in_tensors(value: int) -> None:
    expected = splitmix64(value, 1)[0]
    assert _mix(value) == expected
    assert int(_mix_tensor(torch.tensor([_signed(value)]))) == _signed(expected)


def test_the_numbers_of_an_example_are_the_stream_of_its_seed() -> None:
    """Documented once by hand: the stream of example 7 in epoch 2 of seed 5, the upper 24 bits as a fraction."""
    start = splitmix64(7 ^ ((fold(5, 2) << 1) & MASK), 1)[0]
    expected = [(bits >> 40) / 2**24 for bits in splitmix64(start, 4)]
    random = ExampleRandom(seed=5, epoch=2, indices=torch.tensor([7]))
    assert random.uniform(3)[0].tolist() + random.uniform(1)[0].tolist() == expected


def test_fold_is_what_it_says() -> None:
    assert fold(0) == splitmix64(0, 1)[0] >> 1
    assert fold(3, 4) == splitmix64(splitmix64(3, 1)[0] ^ 4, 1)[0] >> 1


@given(st.lists(st.integers(-(2**63), 2**63), min_size=1, max_size=4))
def test_fold_fits_every_generator(values: list[int]) -> None:
    assert 0 <= fold(*values) < 2**63
    torch.Generator().manual_seed(fold(*values))


def test_fold_of_other_values_is_another_number() -> None:
    places = list(itertools.product(range(12), repeat=3)) + list(itertools.product(range(12), repeat=2))
    assert len({fold(*place) for place in places}) == len(places)
    assert fold(1, 2) != fold(2, 1)


def test_neighbouring_seeds_are_unrelated() -> None:
    """Half of the bits change when one bit does."""
    changed = [bin(fold(seed) ^ fold(seed ^ (1 << bit))).count("1") for seed in range(50) for bit in range(20)]
    assert sum(changed) / len(changed) == pytest.approx(63 / 2, abs=0.5)
    assert min(changed) > 10


def test_a_generator_belongs_to_its_numbers() -> None:
    assert generator(1, 2).integers(0, 1000, 5).tolist() == generator(1, 2).integers(0, 1000, 5).tolist()
    assert generator(1, 2).integers(0, 1000, 5).tolist() != generator(1, 3).integers(0, 1000, 5).tolist()


# -- of examples


def random_of(*indices: int, seed: int = 0, epoch: int = 0, batch: int = 0) -> ExampleRandom:
    return ExampleRandom(seed=seed, epoch=epoch, indices=torch.tensor(indices), batch=batch)


def test_an_example_s_numbers_do_not_depend_on_its_batch() -> None:
    alone, among = random_of(42), random_of(3, 42, 8, batch=9)
    for count in (1, 3, 2):
        assert torch.equal(alone.uniform(count)[0], among.uniform(count)[1])
    assert torch.equal(alone.integers(0, 100, 4)[0], among.integers(0, 100, 4)[1])
    assert torch.equal(alone.fixed()[0], among.fixed()[1])


def test_seed_epoch_example_and_call_each_give_other_numbers() -> None:
    numbers = [
        float(random.uniform()) for random in (random_of(1), random_of(2), random_of(1, seed=1), random_of(1, epoch=1))
    ]
    again = random_of(1)
    numbers += [float(again.uniform()), float(again.uniform())]
    assert numbers[0] == numbers[4]
    assert len(set(numbers)) == 5


def test_the_fixed_number_stays_through_epochs_and_calls() -> None:
    random = random_of(1, 2, 3)
    before = random.fixed()
    random.uniform(5)
    assert torch.equal(random.fixed(), before)
    assert torch.equal(random_of(1, 2, 3, epoch=7, batch=4).fixed(), before)
    assert not torch.equal(random_of(1, 2, 3, seed=1).fixed(), before)


def chi_square(observed: np.ndarray) -> float:
    """Sum of (observed - expected)^2 / expected, every cell being as likely."""
    expected = observed.sum() / observed.size
    return float(((observed - expected) ** 2 / expected).sum())


# 99.99% of the chi-square distribution with 63 degrees of freedom lie below 113.5, with 255 below 348.
@pytest.mark.parametrize("axis", ["examples", "calls", "epochs", "seeds"])
def test_numbers_are_uniform_along_each_axis(axis: str) -> None:
    count = 20_000
    if axis == "examples":
        numbers = ExampleRandom(seed=0, epoch=0, indices=torch.arange(count)).uniform()
    elif axis == "calls":
        numbers = random_of(0).uniform(count)
    else:
        numbers = torch.cat([random_of(0, **{axis[:-1]: value}).uniform() for value in range(count // 10)])
    numbers = numbers.flatten().numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert chi_square(np.histogram(numbers, bins=64, range=(0, 1))[0]) < 113.5


def test_one_number_says_nothing_about_the_next() -> None:
    for pair in (
        ExampleRandom(seed=0, epoch=0, indices=torch.arange(20_000)).uniform(2),  # of one example
        ExampleRandom(seed=0, epoch=0, indices=torch.arange(40_000)).uniform().reshape(-1, 2),  # of two neighbours
    ):
        cells = (pair * 16).long()
        observed = torch.bincount(cells[:, 0] * 16 + cells[:, 1], minlength=256).numpy()
        assert chi_square(observed) < 348


@given(low=st.integers(-5, 5), width=st.integers(1, 9))
def test_integers_stay_in_their_range(low: int, width: int) -> None:
    found = ExampleRandom(seed=0, epoch=0, indices=torch.arange(500)).integers(low, low + width, 2)
    assert found.shape == (500, 2)
    assert set(found.flatten().tolist()) == set(range(low, low + width))


def test_integers_are_uniform() -> None:
    found = ExampleRandom(seed=0, epoch=0, indices=torch.arange(60_000)).integers(0, 6)
    assert chi_square(torch.bincount(found.flatten(), minlength=6).numpy()) < 25.7  # 99.99% with 5 degrees of freedom


def test_a_permutation_gives_each_example_one_partner() -> None:
    random = random_of(*range(50))
    first, second = random.permutation(), random.permutation()
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()
    assert torch.equal(random_of(*range(50)).permutation(), first)


def test_beta_has_the_moments_of_its_distribution() -> None:
    found = ExampleRandom(seed=0, epoch=0, indices=torch.arange(20_000)).beta(0.2)
    assert found.dtype == torch.float32
    assert float(found.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(found.var()) == pytest.approx(1 / (4 * (2 * 0.2 + 1)), abs=0.005)
    random = random_of(1, 2, 3, batch=4)
    first = random.beta(1.0)
    assert not torch.equal(first, random.beta(1.0))
    assert torch.equal(random_of(1, 2, 3, batch=4).beta(1.0), first)
    assert not torch.equal(random_of(1, 2, 3, batch=5).beta(1.0), first)
