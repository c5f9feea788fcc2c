"""The contract every keyword model keeps, over every yaml of one in configs/model, and facts about each."""

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from model_contract import (
    MODELS,
    assert_defaults_agree,
    assert_every_yaml_has_a_row,
    assert_everything_learns,
    assert_only_the_head_depends,
    assert_shards_answer_alike,
    assert_weights_are_all,
    yamls_of,
)
from sensorium.errors import RequestError
from sensorium.models.audio.keyword_cnn import Frames, KeywordCNN, MaskedNorm
from sensorium.models.audio.keyword_dbn import KeywordDBN, stretched
from sensorium.models.audio.keyword_rnn import KeywordRNN
from sensorium.nn.flops import count_parameters

DATA = {"num_features": 40, "num_classes": 10}
TINY = {"num_features": 6, "num_classes": 3}
SMALL = {
    "keyword_cnn": {"width": 0.5, "dropout": 0.0},
    "keyword_rnn": {"hidden_size": 8, "dropout": 0.0},
    "keyword_dbn": {"frames": 4, "hidden_sizes": [8, 7], "dropout": 0.0},
}

PARAMETERS = {
    # stem 25 * 48 + 96; four blocks of c channels and five bands: c * (previous + 2), 3c + 10c, 3c + 2c, c * c;
    # end 25 * 60 + 60 * 96 + 192; head 97 * 10
    "keyword_cnn": 27_478,
    # two directions of 3 * 96 * (80 + 96 + 2), then of 3 * 96 * (192 + 96 + 2); attention 193 * 192 + 192;
    # head 193 * 10
    "keyword_rnn": 308_746,
    # 961 * 500; 501 * 500; head 501 * 10
    "keyword_dbn": 736_010,
}
VARIANTS = [
    *((name, {}) for name in PARAMETERS),
    ("keyword_cnn", {"stride_time": 1, "depths": [2, 2, 4, 4], "width": 1.0}),
    ("keyword_cnn", {"stride_time": 3, "num_features": 39}),
    ("keyword_rnn", {"cell": "lstm", "pooling": "mean", "factor": 3, "num_layers": 1}),
    ("keyword_rnn", {"pooling": "last", "bidirectional": False, "factor": 1}),
    ("keyword_rnn", {"pooling": "max"}),
    ("keyword_dbn", {"frames": 7, "hidden_sizes": [9]}),
]
variants = pytest.mark.parametrize(("name", "overrides"), VARIANTS)
names = pytest.mark.parametrize("name", sorted(PARAMETERS))


def test_every_yaml_of_a_keyword_model_has_a_case() -> None:
    table = "PARAMETERS in tests/models/test_keyword_models.py"
    assert_every_yaml_has_a_row(yamls_of("audio", DATA), PARAMETERS, table=table)


def build(name: str, **overrides: object) -> nn.Module:
    torch.manual_seed(0)
    return instantiate(OmegaConf.load(MODELS / f"{name}.yaml"), **{**DATA, **overrides})


def tiny(name: str, **overrides: object) -> nn.Module:
    return build(name, **{**TINY, **SMALL[name], **overrides})


def sounds(num_features: int = 6, rows: int = 16) -> tuple[Tensor, Tensor]:
    """Recordings of 1, 2, 3 ... frames, with noise behind all ends but the last one's."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, rows, num_features, generator=generator), torch.arange(1, rows + 1)


@variants
def test_contract(name: str, overrides: dict[str, object]) -> None:
    model = build(name, **overrides)
    assert model.training
    if not overrides:
        assert count_parameters(model) == PARAMETERS[name]
    features, lengths = sounds(int(overrides.get("num_features", 40)))

    model(features, lengths).square().sum().backward()
    assert_everything_learns(model)

    model.eval()
    with torch.no_grad():
        logits = model(features, lengths)
    assert logits.shape == (16, 10)
    assert logits.isfinite().all()

    assert_weights_are_all(model, build(name, **overrides), features, lengths)
    assert_shards_answer_alike(model, features, lengths)


@variants
def test_padding_changes_nothing(name: str, overrides: dict[str, object]) -> None:
    model = tiny(name, **overrides)
    features, lengths = sounds(int(overrides.get("num_features", 6)))
    for module in model.modules():
        if isinstance(module, MaskedNorm):
            module.momentum = 1.0  # statistics that keep what follows from being too small to see
    with torch.no_grad():
        model(features, lengths)
        model.eval()
        logits = model(features, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = model(features[row : row + 1, :length], lengths[row : row + 1])
            torch.testing.assert_close(alone[0], logits[row], atol=1e-5, rtol=1e-4)


@variants
def test_padding_changes_nothing_in_training(name: str, overrides: dict[str, object]) -> None:
    """Neither logits nor gradients nor what is remembered: the same batch, with more noise behind its rows."""
    features, lengths = sounds(int(overrides.get("num_features", 6)))
    longer = torch.cat([features, 100 * torch.ones(16, 30, features.shape[2])], dim=1)
    found = []
    for batch in (features, longer):
        model = tiny(name, **{"dropout": 0.0, **overrides})
        logits = model(batch, lengths)
        logits.square().sum().backward()
        gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
        found.append({"logits": logits.detach(), **gradients, **dict(model.named_buffers())})
    assert found[0].keys() == found[1].keys()
    for key, value in found[0].items():
        torch.testing.assert_close(found[1][key], value, atol=1e-4, rtol=1e-3)


@names
def test_every_valid_frame_is_heard(name: str) -> None:
    model = tiny(name, **({"frames": 13} if name == "keyword_dbn" else {}))
    features, lengths = torch.randn(1, 13, 6), torch.tensor([13])
    model(features, lengths)
    model.eval()
    features.requires_grad_()
    model(features, lengths).square().sum().backward()
    assert features.grad[0].abs().sum(1).gt(0).all()


@names
def test_only_the_head_depends_on_the_classes(name: str) -> None:
    assert_only_the_head_depends(tiny, name, on="num_classes")


@names
def test_unknown_keyword_is_refused(name: str) -> None:
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'droput'"):
        build(name, droput=0.1)


@names
def test_a_default_has_one_value(name: str) -> None:
    assert_defaults_agree(name, DATA)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(RequestError, match=r"four numbers, such as \[1,1,1,1\], not \[1, 2\]"):
        KeywordCNN(**TINY, depths=[1, 2])
    with pytest.raises(RequestError, match="a width over 0 and a stride_time of 1 or more, not 0 and 1"):
        KeywordCNN(**TINY, width=0, stride_time=1)
    with pytest.raises(RequestError, match=r"no pooling 'avg'"):
        KeywordRNN(**TINY, pooling="avg")
    with pytest.raises(RequestError, match="1 or more frames, not 0"):
        KeywordDBN(**TINY, frames=0)


# -- keyword_cnn


def masked(x: Tensor, lengths: Tensor) -> tuple[Tensor, Frames]:
    """x (B, C, F, T) with zeros behind the ends, and what is valid."""
    mask = (torch.arange(x.shape[3]) < lengths[:, None]).float()[:, None, None]
    return x * mask, Frames(mask, lengths.sum())


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_is_pytorchs_over_the_valid_frames(training: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = MaskedNorm(channels=3).train(training), nn.BatchNorm2d(3).train(training)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]).view_as(norm.weight))
            norm.bias.copy_(torch.tensor([0.5, 0.0, 1.0]).view_as(norm.bias))
            norm.running_mean.copy_(torch.tensor([0.0, 1.0, 2.0]).view_as(norm.running_mean))
    lengths = torch.tensor([5, 2])
    x, frames = masked(torch.randn(2, 3, 4, 5) + 1, lengths)
    valid = torch.cat([row[:, :, :length] for row, length in zip(x, lengths, strict=True)], dim=2)  # (C, F, 7)
    expected = theirs(valid[None])[0].split(lengths.tolist(), dim=2)
    found = ours(x, frames)
    for row, length, want in zip(found, lengths, expected, strict=True):
        torch.testing.assert_close(row[:, :, :length], want)
        assert not row[:, :, length:].any()
    torch.testing.assert_close(ours.running_mean[:, 0], theirs.running_mean)
    torch.testing.assert_close(ours.running_var[:, 0], theirs.running_var)


def test_each_band_has_statistics_of_its_own() -> None:
    x = torch.tensor([0.0, 2.0, 10.0, 30.0]).view(1, 1, 4, 1)  # two bands of two frequencies
    found = MaskedNorm(channels=1, bands=2)(*masked(x, torch.tensor([1])))
    torch.testing.assert_close(found.flatten(), torch.tensor([-1.0, 1.0, -1.0, 1.0]), atol=1e-4, rtol=0)


def test_the_papers_smallest_network_has_its_size() -> None:
    """Table 1 says 9.2 thousand for twelve classes."""
    paper = {"width": 1.0, "depths": [2, 2, 4, 4], "stride_time": 1, "num_classes": 12}
    assert count_parameters(build("keyword_cnn", **paper)) == 9_232


# -- keyword_dbn


def test_a_recording_is_stretched_along_straight_lines() -> None:
    ramp = torch.arange(8.0).view(1, 8, 1).repeat(3, 1, 2)
    found = stretched(ramp, torch.tensor([7, 3, 1]), 4)
    assert found.shape == (3, 4, 2)
    torch.testing.assert_close(found[0, :, 1], torch.tensor([0.0, 2.0, 4.0, 6.0]))
    torch.testing.assert_close(found[1, :, 0], torch.tensor([0.0, 2 / 3, 4 / 3, 2.0]))
    assert not found[2].any()  # one frame, four times


def test_a_recording_of_as_many_frames_stays_as_it_is() -> None:
    features = torch.randn(2, 5, 3)
    torch.testing.assert_close(stretched(features, torch.tensor([5, 5]), 5), features)


def test_the_layers_start_from_recordings_whatever_stands_behind_them() -> None:
    features, lengths = sounds()
    longer = torch.cat([features, torch.full((16, 9, 6), 50.0)], dim=1)
    found = []
    for batch in (features, longer):
        model = tiny("keyword_dbn", pretrain_epochs=3)
        before = model.stack.layers[1].weight.clone()
        torch.manual_seed(2)
        model.initialize(batch, lengths)
        assert not torch.equal(model.stack.layers[1].weight, before)
        found.append(model.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
    examples = stretched(features, lengths, 4).flatten(1)
    torch.testing.assert_close(found[0]["stack.mean"], examples.mean(0))
