import math

import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.optim.groups import check_number, parameter_groups
from sensorium.optim.muon import Muon


class Net(nn.Module):
    """One of each kind: filters, norm, position, token, bias table, scalar, a name like the head, the head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 4))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
        self.temperature = nn.Parameter(torch.tensor(1.0))
        self.head_norm = nn.Linear(4, 4, bias=False)
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return images


def names_of(model: nn.Module, groups: list[dict]) -> dict[str, list[str]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {group["name"]: [names[id(parameter)] for parameter in group["params"]] for group in groups}


def test_groups_by_name() -> None:
    model = Net()
    groups = parameter_groups(model, lr=0.5, weight_decay=0.1, backbone_lr_scale=0.2)
    assert names_of(model, groups) == {
        "backbone.decay": ["stem.weight", "head_norm.weight"],
        "backbone.no_decay": [
            "pos_embed",
            "cls_token",
            "relative_position_bias_table",
            "temperature",
            "stem.bias",
            "norm.weight",
            "norm.bias",
        ],
        "head.decay": ["head.weight"],
        "head.no_decay": ["head.bias"],
    }
    rates = [(group["lr"], group["weight_decay"]) for group in groups]
    assert rates == [(pytest.approx(0.1), 0.1), (pytest.approx(0.1), 0.0), (0.5, 0.1), (0.5, 0.0)]


class Tied(nn.Module):
    """A table that the output layer shares, and one of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.position = nn.Embedding(5, 4)
        self.hidden = nn.Linear(4, 4, bias=False)
        self.head = nn.Linear(4, 7)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(self.embedding(tokens)))


@pytest.mark.parametrize(
    ("layer_lr_decay", "table", "hidden"),
    [(None, "backbone.embedding", "backbone.decay"), (0.5, "backbone.embedding.embedding", "backbone.hidden.decay")],
)
def test_tables_of_embeddings_are_not_hidden_weights(layer_lr_decay: float | None, table: str, hidden: str) -> None:
    model = Tied()
    groups = parameter_groups(model, lr=1.0, weight_decay=0.1, layer_lr_decay=layer_lr_decay)
    found = names_of(model, groups)
    assert found[table] == ["embedding.weight"]
    assert found[hidden] == ["hidden.weight"]
    decays = {name: group["weight_decay"] for group in groups for name in names_of(model, [group])[group["name"]]}
    assert decays == {"embedding.weight": 0.1, "hidden.weight": 0.1, "position.weight": 0.0, "head.bias": 0.0}


class Deep(nn.Module):
    """Three stages and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 3, bias=False), nn.Linear(3, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))


def test_each_layer_learns_at_a_share_of_the_rate_of_the_next() -> None:
    model = Deep()
    groups = parameter_groups(model, lr=1.0, weight_decay=0.1, layer_lr_decay=0.5)
    assert names_of(model, groups) == {
        "backbone.layers.0.decay": ["layers.0.weight"],
        "backbone.layers.0.no_decay": ["layers.0.bias", "layers.1.weight", "layers.1.bias"],
        "backbone.layers.2.decay": ["layers.2.weight"],
        "backbone.layers.3.decay": ["layers.3.weight"],
        "backbone.layers.3.no_decay": ["layers.3.bias"],
        "head.decay": ["head.weight"],
        "head.no_decay": ["head.bias"],
    }
    assert [group["lr"] for group in groups] == [0.125, 0.125, 0.25, 0.5, 0.5, 1.0, 1.0]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0, 0.1, 0.1, 0.0, 0.1, 0.0]
    both = parameter_groups(model, lr=1.0, weight_decay=0.1, backbone_lr_scale=0.1, layer_lr_decay=0.5)
    assert [group["lr"] for group in both] == pytest.approx([0.0125, 0.0125, 0.025, 0.05, 0.05, 1.0, 1.0])
    model.layers.requires_grad_(False)
    assert len(parameter_groups(model, lr=1.0, weight_decay=0.1, layer_lr_decay=0.5)) == 2
    with pytest.raises(RequestError, match=r"model\.layer_lr_decay is 1\.5; it must be a number of .* at most 1"):
        parameter_groups(model, lr=1.0, weight_decay=0.1, layer_lr_decay=1.5)


def test_muon_takes_the_hidden_weights_of_every_layer() -> None:
    """By the names of the groups: vectors and the head are AdamW's."""
    model = Deep()
    groups = parameter_groups(model, lr=0.1, weight_decay=0.0, layer_lr_decay=0.5)
    muon = Muon(groups, lr=0.1, weight_decay=0.0, momentum=0.9, adam_lr_ratio=0.1, betas=(0.9, 0.99))
    model(torch.randn(4, 2)).square().sum().backward()
    muon.step()
    hidden = [name for name, parameter in model.named_parameters() if "momentum" in muon.state[parameter]]
    assert hidden == ["layers.0.weight", "layers.2.weight", "layers.3.weight"]


def test_frozen_parameters_and_empty_groups_are_left_out() -> None:
    model = Net().requires_grad_(False)
    model.head.bias.requires_grad_(True)
    groups = parameter_groups(model, lr=0.5, weight_decay=0.1)
    assert names_of(model, groups) == {"head.no_decay": ["head.bias"]}
    model.requires_grad_(False)
    with pytest.raises(RequestError, match="every parameter of the model is frozen"):
        parameter_groups(model, lr=0.5, weight_decay=0.1)


def test_a_model_without_parameters_gets_one_empty_group() -> None:
    """So that what never learns can be measured like everything else."""
    groups = parameter_groups(nn.Flatten(), lr=0.5, weight_decay=0.1)
    assert [group["params"] for group in groups] == [[]]
    torch.optim.AdamW(groups).step()


def test_every_trainable_parameter_is_in_exactly_one_group() -> None:
    model = Net()
    listed = [id(p) for group in parameter_groups(model, lr=1.0, weight_decay=0.0) for p in group["params"]]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters())


def test_wrong_rates_are_named() -> None:
    with pytest.raises(RequestError, match=r"optimizer\.lr is -1; it must be a number of at least 0\."):
        parameter_groups(Net(), lr=-1, weight_decay=0.1)
    with pytest.raises(RequestError, match=r"optimizer\.weight_decay is 'much'"):
        parameter_groups(Net(), lr=1.0, weight_decay="much")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="x is nan"):
        check_number("x", math.nan)
    with pytest.raises(RequestError, match="x is 1; it must be a number of at least 0 and below 1"):
        check_number("x", 1, below=1.0)
    with pytest.raises(RequestError, match=r"x is 1\.5; it must be a number of at least 0 and at most 1"):
        check_number("x", 1.5, most=1.0)
    check_number("x", 1, most=1.0)
