"""Noise in texts: what may change and what may not, and that an example's noise does not depend on its batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.text.noise import TextAugment, TokenDropout, TokenMask, TokenSwap
from sensorium.text.tokenizer import PAD, UNK

TRANSFORMS = (TokenDropout(share=0.4), TokenSwap(share=0.5), TokenMask(share=0.5))
lists_of_lengths = st.lists(st.integers(1, 30), min_size=1, max_size=8)


def texts(lengths: list[int], width: int | None = None) -> tuple[Tensor, Tensor]:
    """Tokens 10, 11, 12 ... of so many texts."""
    steps = torch.arange(width or max(lengths))
    return torch.where(steps < torch.tensor(lengths)[:, None], steps + 10, PAD), torch.tensor(lengths)


def random_of(count: int, first: int = 0) -> ExampleRandom:
    return ExampleRandom(seed=0, epoch=0, indices=torch.arange(first, first + count))


def rows(tokens: Tensor, lengths: Tensor) -> list[list[int]]:
    assert (tokens[torch.arange(tokens.shape[1]) >= lengths[:, None]] == PAD).all()
    return [row[:length].tolist() for row, length in zip(tokens, lengths.tolist(), strict=True)]


@settings(deadline=None, max_examples=40)
@given(lengths=lists_of_lengths)
def test_what_is_left_out_leaves_the_others_in_order(lengths: list[int]) -> None:
    for row, length in zip(rows(*TRANSFORMS[0](*texts(lengths), random_of(len(lengths)))), lengths, strict=True):
        assert 1 <= len(row) <= length
        assert row == sorted(set(row))
        assert set(row) <= set(range(10, 10 + length))


@settings(deadline=None, max_examples=40)
@given(lengths=lists_of_lengths)
def test_a_swap_is_of_neighbours(lengths: list[int]) -> None:
    for row, length in zip(rows(*TRANSFORMS[1](*texts(lengths), random_of(len(lengths)))), lengths, strict=True):
        assert sorted(row) == list(range(10, 10 + length))
        moved = [token - 10 - place for place, token in enumerate(row)]
        assert set(moved) <= {-1, 0, 1}


@settings(deadline=None, max_examples=40)
@given(lengths=lists_of_lengths)
def test_a_mask_is_one_stretch_of_at_most_its_share(lengths: list[int]) -> None:
    for row, length in zip(rows(*TRANSFORMS[2](*texts(lengths), random_of(len(lengths)))), lengths, strict=True):
        masked = [place for place, token in enumerate(row) if token == UNK]
        assert len(masked) <= 0.5 * length
        assert masked == list(range(masked[0], masked[-1] + 1)) if masked else True
        assert [token for token in row if token != UNK] == [10 + p for p in range(length) if p not in masked]


def test_shares_are_what_they_say() -> None:
    tokens, lengths = texts([200] * 50)
    kept = TokenDropout(share=0.3)(tokens, lengths, random_of(50))[1].float().mean() / 200
    assert kept.item() == pytest.approx(0.7, abs=0.02)
    swapped = TokenSwap(share=0.3)(tokens, lengths, random_of(50))[0] != tokens
    assert swapped.float().mean().item() == pytest.approx(0.3, abs=0.03)
    masked = TokenMask(share=0.4)(tokens, lengths, random_of(50))[0] == UNK
    assert masked.float().mean().item() == pytest.approx(0.2, abs=0.05)  # any width up to 0.4


def test_a_share_of_nothing_changes_nothing() -> None:
    given_texts = texts([3, 9])
    for kind in (TokenDropout, TokenSwap, TokenMask):
        assert rows(*kind(share=0.0)(*given_texts, random_of(2))) == rows(*given_texts)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_the_batch_does_not_matter(transform: nn.Module) -> None:
    augment = TextAugment(transforms=[transform, transform])
    together, _ = augment.prepared(texts([5, 20, 9]), torch.zeros(3, 2), random_of(3), Same())
    for number, length in enumerate([5, 20, 9]):
        alone, _ = augment.prepared(texts([length]), torch.zeros(1, 2), random_of(1, number), Same())
        assert rows(*alone) == rows(*together)[number : number + 1]


class Same(nn.Module):
    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs


def test_a_transform_named_null_is_left_out() -> None:
    assert TextAugment(transforms={"a": TRANSFORMS[0], "b": None}).active
    assert not TextAugment(transforms={"b": None}).active


def test_a_share_that_cannot_be() -> None:
    with pytest.raises(RequestError, match=r"share is 1.0: give a share from 0 to below 1"):
        TokenMask(share=1.0)
