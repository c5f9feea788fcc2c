"""What a _target_ may be and what it may be given, checked before it is called."""

import pytest
import torch
from torch import nn

from sensorium.build import instantiate, locate
from sensorium.errors import RequestError

HERE = "test_targets"
called: list[str] = []


class Net(nn.Module):
    """A model of one size."""

    def __init__(self, *, width: int, name: str = "", pair: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.name = name
        self.layer = nn.Linear(width, 2)


def make(width: int) -> Net:
    """A model."""
    return Net(width=width)


def unannotated(width):
    called.append("unannotated")
    return Net(width=width)


def other(width: int) -> int:
    called.append("other")
    return width


def overflowing(*, power: int) -> Net:
    return Net(width=int(10.0**power))


def starved() -> Net:
    raise MemoryError


@pytest.mark.parametrize("name", ["Net", "make"])
def test_a_class_or_a_function_that_returns_one(name):
    assert instantiate("model", {"_target_": f"{HERE}.{name}", "width": 3}).layer.in_features == 3


@pytest.mark.parametrize("name", ["unannotated", "other", "torch.nn.Parameter", "torch.optim.AdamW"])
def test_anything_else_is_refused_and_not_called(name):
    target = name if "." in name else f"{HERE}.{name}"
    with pytest.raises(RequestError, match=rf"model\._target_={target} is not possible. Allowed: a class of torch.nn"):
        instantiate("model", {"_target_": target, "width": 3})
    assert called == []


@pytest.mark.parametrize("section", ["model", "dataset", "augment.transforms.crop", "callbacks.x", "x"])
@pytest.mark.parametrize(
    "target", ["os.system", "os.remove", "builtins.exec", "subprocess.run", f"{HERE}.torch.os.remove"]
)
def test_python_itself_is_refused_in_every_section(section, target):
    with pytest.raises(RequestError, match="Python's standard library"):
        instantiate(section, {"_target_": target, "command": "true"})


@pytest.mark.parametrize(
    ("section", "target"),
    [
        ("dataset", f"{HERE}.Net"),
        ("optimizer", f"{HERE}.Net"),
        ("task", f"{HERE}.Net"),
        ("callbacks.mine", f"{HERE}.Net"),
        ("logger", f"{HERE}.Net"),
    ],
)
def test_a_model_is_none_of_the_others(section, target):
    with pytest.raises(RequestError, match=rf"{section}\._target_={target} is not possible. Allowed: a class "):
        instantiate(section, {"_target_": target, "width": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": "a"}, r"^model\.width=a is not possible\. Allowed: a whole number\.$"),
        ({"width": True}, r"^model\.width=true is not possible"),
        ({"width": 1.0}, r"^model\.width=1\.0 is not possible"),
        ({"width": None}, r"^model\.width=null is not possible"),
        (
            {"width": 1, "pair": [1]},
            r"^model\.pair=\[1\] is not possible\. Allowed: \[a whole number, a whole number\]",
        ),
        ({"width": 1, "name": 1.5}, r"^model\.name=1\.5 is not possible\. Allowed: text"),
        ({"width": -3}, r"^model: .*negative dimension -3.*\nIt was given width=-3\.$"),
        ({"width": 10**30}, r"^model: .*\nIt was given width=1000000000000000000000000000000\.$"),
        ({"width": 10**5000}, r"^model: .*\nIt was given width=a number of many digits\.$"),
    ],
)
def test_values_that_cannot_be(values, message):
    with pytest.raises(RequestError, match=message):
        instantiate("model", {"_target_": f"{HERE}.Net", **values})


def test_errors_of_arithmetic_and_memory_are_requests_too():
    with pytest.raises(RequestError, match=r"^model: .*\nIt was given power=400\.$"):
        instantiate("model", {"_target_": f"{HERE}.overflowing", "power": 400})
    with pytest.raises(RequestError, match=r"^model: MemoryError$"):
        instantiate("model", {"_target_": f"{HERE}.starved"})


def test_a_number_is_text_where_text_is_asked_for():
    assert instantiate("model", {"_target_": f"{HERE}.Net", "width": 1, "name": 7}).name == "7"


def test_the_nearest_name_is_named():
    with pytest.raises(RequestError, match=rf"no class or function {HERE}\.Nett .*Did you mean Net\?"):
        locate(f"{HERE}.Nett")


def test_an_optimizer_is_partial():
    optimizer = instantiate("optimizer", {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 1})
    assert isinstance(optimizer([torch.zeros(1, requires_grad=True)]), torch.optim.SGD)
