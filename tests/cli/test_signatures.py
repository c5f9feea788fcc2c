"""What a _target_ takes, read from its source, is what Python says of the object itself."""

import inspect
import subprocess
import sys
import typing

import pytest

from sensorium.annotations import fits
from sensorium.build import locate
from sensorium.cli import configs
from sensorium.cli.signatures import signature_of
from sensorium.errors import RequestError
from sensorium.targets import hints_of

NAMED = {
    line.partition("_target_:")[2].partition("#")[0].strip()
    for path in configs.FOLDER.rglob("*.yaml")
    for line in path.read_text().splitlines()
    if "_target_:" in line
}
TARGETS = sorted(NAMED - {"null", "???"})
# Values of each kind; what takes them must be the same from the source as from the object.
VALUES = (0, -1, 1.5, True, None, "a", "crop", [1, 2], ["a"], {}, {"a": 1}, [])
MODULE = '''
from __future__ import annotations
import os
from typing import Literal
from nets_base import Base, Mode as Way
Pair = tuple[int, int]
class Net(Base):
    """Takes what its parent takes."""
class Own(Base):
    def __init__(self, *, mode: Way, pair: "Pair | None" = None, parent: Base | None = None, other: Strange = 1): ...
if True:
    def make(width: int, **rest) -> Net: ...
'''
BASE = "from typing import Literal\nMode = Literal['a', 'b']\nclass Base:\n    def __init__(self, width: int): ...\n"


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(MODULE)
    (tmp_path / "nets_base.py").write_text(BASE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_most_of_what_the_configs_name_is_understood():
    assert len(TARGETS) > 80
    unknown = [target for target in TARGETS if signature_of(target, "x") is None]
    assert len(unknown) < 10, unknown  # without a constructor of their own, or with several parents


@pytest.mark.parametrize("target", TARGETS)
def test_the_source_refuses_nothing_that_the_object_takes(target):
    found = locate(target)
    signature = signature_of(target, "x")
    if signature is None:
        return
    asked = inspect.signature(found).parameters
    assert [name for name in asked if asked[name].kind is not asked[name].VAR_KEYWORD] == list(signature.parameters)
    hints = hints_of(found.__init__ if inspect.isclass(found) else found)
    for name, wanted in signature.parameters.items():
        if name not in hints:
            continue  # its annotations name what is there for a type checker alone
        taken = [value for value in VALUES if fits(hints[name], value)]
        assert [value for value in taken if not fits(wanted, value)] == [], name
        if wanted in (bool, int, float, str) or typing.get_origin(wanted) is typing.Literal:
            assert [value for value in VALUES if fits(wanted, value)] == taken, name


def test_a_module_of_ones_own(nets):
    own = signature_of("nets.Own", "x").parameters
    assert own["mode"] == typing.Literal["a", "b"]
    assert own["pair"] == typing.Optional[tuple[int, int]]  # noqa: UP045
    assert fits(own["parent"], None)
    assert not fits(own["parent"], 3)
    assert own["other"] is typing.Any
    assert signature_of("nets.Net", "x").parameters == {"width": int}
    made = signature_of("nets.make", "x")
    assert (made.parameters, made.takes_any) == ({"width": int}, True)
    assert signature_of("not.there", "x") is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nets.Nett", r"^model\._target_=nets\.Nett: there is no class or function nets\.Nett\. Did you mean Net\?$"),
        ("os.system", r"^model\._target_=os\.system is not possible: it is part of Python's standard library"),
        (
            "nets.os.system",
            r"^model\._target_=nets\.os\.system is not possible: it is part of Python's standard library",
        ),
        ("builtins.exec", "it is part of Python's standard library"),
    ],
)
def test_what_leads_nowhere_or_elsewhere(target, message, nets):
    with pytest.raises(RequestError, match=message):
        signature_of(target, "model._target_")


def test_nothing_is_imported(nets):
    (nets / "loud.py").write_text("print('imported')\nclass Net: ...\n")
    code = (
        "import sys\nfrom sensorium.cli.signatures import signature_of\n"
        "signature_of('loud.Net', 'x'), signature_of('torch.optim.AdamW', 'x')\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=nets)
    assert done.stdout == "False\n"
