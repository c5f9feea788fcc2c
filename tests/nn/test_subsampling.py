"""Fewer frames: every length by brute force, values against windows cut by hand, nothing from behind the end."""

import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.subsampling import (
    ConvSubsampling,
    Stacking,
    TimeFrequencyConv,
    make_subsampling,
    subsampled,
    without_padding,
)

FACTORS = (1, 2, 3, 4, 5, 6, 8, 9)


def test_lengths_are_those_of_counting() -> None:
    for factor in FACTORS:
        starts = [len(range(0, n, factor)) for n in range(60)]
        assert [subsampled(n, factor) for n in range(60)] == starts
        assert subsampled(torch.arange(60), factor).tolist() == starts


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", ["stack", "conv"])
def test_frames_are_as_many_as_the_lengths_say(kind: str, factor: int) -> None:
    for features in (1, 2, 5, 8):
        layer = make_subsampling(kind, num_features=features, factor=factor)
        for time in range(1, 30):
            x, lengths = layer(torch.zeros(1, time, features), torch.tensor([time]))
            assert x.shape == (1, -(-time // factor), layer.output_size)
            assert lengths.tolist() == [x.shape[1]] == layer.output_lengths(torch.tensor([time])).tolist()


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", ["stack", "conv"])
def test_padding_changes_nothing(kind: str, factor: int) -> None:
    torch.manual_seed(0)
    layer = make_subsampling(kind, num_features=5, factor=factor)
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.bias, 1.0)  # an outer zero becomes a one after the first convolution
    rows, longest = 20, 25
    features, lengths = torch.randn(rows, longest, 5), torch.arange(1, rows + 1)  # noise behind the end
    x, shorter = layer(features, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, (frames,) = layer(features[row : row + 1, :length], lengths[row : row + 1])
        assert shorter[row] == frames == alone.shape[1]
        torch.testing.assert_close(x[row, :frames], alone[0], atol=1e-5, rtol=1e-5)


def test_stacking_puts_neighbours_side_by_side_and_fills_with_zeros() -> None:
    features = torch.tensor([[[1.0, -1], [2, -2], [3, -3], [9, 9]]])
    x, lengths = Stacking(num_features=2, factor=2)(features, torch.tensor([3]))
    assert x.tolist() == [[[1, -1, 2, -2], [3, -3, 0, 0]]]
    assert lengths.tolist() == [2]


def test_a_convolution_is_that_of_a_loop_over_windows() -> None:
    torch.manual_seed(0)
    layer = TimeFrequencyConv(in_channels=1, out_channels=2, kernel_size=(5, 3), stride=(3, 2))
    picture = torch.randn(7, 4)
    x, lengths = layer(picture[None, None], torch.tensor([7]))
    assert (x.shape, lengths.tolist()) == ((1, 2, 3, 2), [3])
    wide = nn.functional.pad(picture, (1, 1, 2, 2))  # two frames before and behind, one feature on each side
    for time, frequency in ((0, 0), (1, 1), (2, 1)):
        window = wide[3 * time : 3 * time + 5, 2 * frequency : 2 * frequency + 3]
        expected = (layer.conv.weight[:, 0] * window).sum((1, 2)) + layer.conv.bias
        torch.testing.assert_close(x[0, :, time, frequency], expected)


def test_strides_in_time_are_shared_as_the_paper_does() -> None:
    def strides(factor: int) -> list[int]:
        return [conv.conv.stride[0] for conv in ConvSubsampling(num_features=8, factor=factor).convs]

    assert [strides(factor) for factor in FACTORS] == [
        [1, 1],
        [2, 1],
        [3, 1],
        [2, 2],
        [5, 1],
        [3, 2],
        [4, 2],
        [3, 3],
    ]


def test_every_frame_counts() -> None:
    """A stride that is wider than the kernel would lose some."""
    torch.manual_seed(0)
    for factor in FACTORS:
        features = torch.randn(1, 30, 4, requires_grad=True)
        layer = ConvSubsampling(num_features=4, factor=factor)
        layer(features, torch.tensor([30]))[0].sum().backward()
        assert features.grad.abs().sum((0, 2)).min() > 0


def test_zeros_stand_behind_the_end() -> None:
    def zeroed(x: Tensor) -> list[list[bool]]:
        return (without_padding(x, torch.tensor([1, 3])) == 0).flatten(2).all(2).tolist()

    for shape in ((2, 3, 1), (2, 3, 2, 4)):
        assert zeroed(torch.ones(shape)) == [[False, True, True], [False, False, False]]


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(RequestError, match=r"no subsampling 'stak'\. Did you mean stack\?"):
        make_subsampling("stak", num_features=2, factor=2)
    for kind in ("stack", "conv"):
        with pytest.raises(RequestError, match="1 or more, not 0"):
            make_subsampling(kind, num_features=2, factor=0)
