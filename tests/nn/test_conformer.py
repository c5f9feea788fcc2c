"""The conformer's parts against the same written out, and what depends on what."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.errors import RequestError
from sensorium.nn.conformer import Conformer, ConformerBlock, ConvolutionModule
from sensorium.nn.positions import RotaryPositions

WIDTH, KERNEL = 8, 5


def block(**overrides: object) -> ConformerBlock:
    torch.manual_seed(0)
    return ConformerBlock(**{"width": WIDTH, "heads": 2, "hidden": 12, "kernel_size": KERNEL, **overrides})


def test_a_block_is_the_sum_the_paper_gives() -> None:
    ours, x, lengths = block(), torch.randn(2, 6, WIDTH), torch.tensor([6, 6])

    def half(part: torch.nn.Sequential, x: Tensor) -> Tensor:
        norm, first, _, _, second, _ = part
        inner = first(norm(x))
        return x + second(inner * inner.sigmoid()) / 2

    expected = half(ours.feed_forward1, x)
    query, key, value = ours.attention.in_projection(ours.attention_norm(expected)).chunk(3, dim=2)
    heads = []
    for start in (0, 4):
        q, k, v = (part[:, :, start : start + 4] for part in (query, key, value))
        heads.append((q @ k.transpose(1, 2) / 2).softmax(2) @ v)  # 2 is the root of a head's width
    expected = expected + ours.attention.out_projection(torch.cat(heads, 2))
    expected = expected + ours.convolution(expected, lengths)
    expected = ours.norm(half(ours.feed_forward2, expected))
    torch.testing.assert_close(ours(x, lengths), expected)


def test_the_convolution_module_is_that_of_a_loop_over_windows() -> None:
    torch.manual_seed(0)
    module = ConvolutionModule(width=WIDTH, kernel_size=KERNEL, dropout=0.0)
    x = torch.randn(1, 7, WIDTH)
    values, gates = module.gated(module.norm(x[0, :4])).chunk(2, dim=1)  # the row has 4 frames
    wide = F.pad(values * gates.sigmoid(), (0, 0, 2, 2))
    kernel = module.depthwise.weight[:, 0].T  # (KERNEL, WIDTH)
    sums = torch.stack([(wide[t : t + KERNEL] * kernel).sum(0) for t in range(4)]) + module.depthwise.bias
    expected = module.out(F.silu(module.inner_norm(sums)))
    torch.testing.assert_close(module(x, torch.tensor([4]))[0, :4], expected)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    ours = Conformer(width=WIDTH, depth=2, heads=2, hidden=12, kernel_size=KERNEL)
    x, lengths = torch.randn(12, 15, WIDTH), torch.arange(1, 13)
    whole = ours(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = ours(x[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(whole[row, :length], alone[0], atol=1e-5, rtol=1e-5)


def test_without_positions_attention_reads_a_bag_and_with_them_an_order() -> None:
    x, lengths = torch.randn(1, 6, WIDTH), torch.tensor([6])
    for positions in (None, RotaryPositions(width=4, length=16)):
        ours = block(positions=positions)
        torch.nn.init.zeros_(ours.convolution.out.weight)  # what else sees the order
        turned = ours(x.flip(1), lengths).flip(1)
        assert torch.allclose(turned, ours(x, lengths), atol=1e-5) == (positions is None)


def test_positions_grow_with_the_sequence_and_stay_the_same() -> None:
    grown, fixed = RotaryPositions(width=4, length=2), RotaryPositions(width=4, length=50)
    for start, time in ((0, 2), (0, 9), (20, 30), (3, 4)):
        x = torch.randn(1, 2, time, 4)
        assert torch.equal(grown(x, start), fixed(x, start))
    assert not grown.state_dict()


def test_what_validation_has_grown_serves_training() -> None:
    positions = RotaryPositions(width=4, length=2)
    with torch.inference_mode():
        positions(torch.randn(1, 1, 9, 4))
    x = torch.randn(1, 1, 9, 4, requires_grad=True)
    positions(x).square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())  # turning leaves the length of a vector as it is


def test_a_longer_utterance_than_the_table_is_read() -> None:
    ours = Conformer(width=4, depth=1, heads=1, hidden=4, kernel_size=3)
    assert ours(torch.randn(1, 1500, 4), torch.tensor([1500])).shape == (1, 1500, 4)


def test_sizes_that_cannot_work_are_refused() -> None:
    with pytest.raises(RequestError, match="kernel_size 4 is even and has no middle; try 5"):
        block(kernel_size=4)
    with pytest.raises(RequestError, match=r"width 10 does not divide by twice the heads \(4\); try width=8"):
        Conformer(width=10, depth=1, heads=4, hidden=4, kernel_size=3)
