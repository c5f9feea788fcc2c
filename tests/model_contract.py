"""What every model keeps, whatever it is for. The tests of each kind of model call these over their yamls."""

import inspect
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from sensorium.models.protocols import Detector, Segmenter
from sensorium.specs import Spec
from sensorium.tasks.base import LoadedModel
from sensorium.training.sharding import shard

MODELS = Path(__file__).parents[1] / "configs" / "model"


def yamls_of(package: str, data: Iterable[str], *, without: Iterable[str] = ()) -> set[str]:
    """The yamls whose target lies in this package and asks for all that such data offer, for nothing of `without`."""
    near = {name: inspect.signature(target).parameters.keys() for name, target in _targets(package).items()}
    return {name for name, asked in near.items() if set(data) <= asked and not set(without) & asked}


def yamls_naming(protocol: type | None) -> set[str]:
    """The yamls of vision models that name Detector or Segmenter, or None: neither."""
    built = {
        name: target if inspect.isclass(target) else target.__annotations__["return"]
        for name, target in _targets("vision").items()
    }
    named = {name: {Detector, Segmenter} & set(target.__mro__) for name, target in built.items()}
    return {name for name, found in named.items() if found == ({protocol} if protocol else set())}


def _targets(package: str) -> dict[str, Any]:
    """What the yamls build that lies in this package, by their names."""
    targets = {path.stem: OmegaConf.load(path)._target_ for path in MODELS.glob("*.yaml")}
    return {name: get_object(target) for name, target in targets.items() if f".models.{package}." in target}


def assert_every_yaml_has_a_row(yamls: Iterable[str], rows: Iterable[str], *, table: str) -> None:
    """The models that were found in configs/model are those of a test's table; at least one was found.

    table: the name of the table and of its file, as in "CASES in tests/models/test_vision_models.py".
    """
    found, tested = set(yamls), set(rows)
    assert found, f"no yaml in {MODELS} is of a model for {table}"
    assert found - tested == set(), f"configs/model: {_files(found - tested)} lacks a row; add one to {table}"
    assert tested - found == set(), f"{table}: {_files(tested - found)} is not in configs/model; remove the row"


def _files(names: set[str]) -> str:
    return ", ".join(f"{name}.yaml" for name in sorted(names))


def assert_everything_learns(model: nn.Module) -> None:
    """After a backward pass every parameter has a gradient, a finite one, that is not zero everywhere."""
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


def assert_weights_are_all(model: nn.Module, copy: nn.Module, *inputs: Tensor) -> None:
    """A saved state is enough: another one of these, its own weights wiped out, then answers alike to the last bit."""
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    for values in (*copy.parameters(), *copy.buffers()):
        if values.is_floating_point() and any(values is kept for kept in copy.state_dict(keep_vars=True).values()):
            nn.init.zeros_(values)
    copy.load_state_dict(torch.load(file, weights_only=True))
    with torch.no_grad():
        mine, its = (found.eval()(*inputs) for found in (model, copy))
    assert torch.equal(*(found[0] if isinstance(found, tuple) else found for found in (mine, its)))


def assert_shards_answer_alike(model: nn.Module, *inputs: Tensor) -> None:
    """With strategy=fsdp, in a group of one process: no part is used whose weights have not been gathered."""
    answers = []
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        with torch.no_grad():
            for sharded in (False, True):
                if sharded:
                    shard(model, init_device_mesh("cpu", (1,)))
                found = model.eval()(*inputs)
                answers.append(found[0] if isinstance(found, tuple) else found)
    finally:
        torch.distributed.destroy_process_group()
    assert torch.allclose(*answers, rtol=1e-5, atol=1e-6)


def assert_defaults_agree(name: str, data: dict[str, Any], *, differing: tuple[str, ...] = ()) -> None:
    """A yaml shows every argument that data do not give, with the constructor's default; all go by keyword.

    differing: what the yaml is there to change.
    """
    config = OmegaConf.to_container(OmegaConf.load(MODELS / f"{name}.yaml"))
    assert isinstance(config, dict)
    config.pop("adamw_lr", None)  # for the optimizer
    parameters = inspect.signature(get_object(config.pop("_target_"))).parameters
    assert config.keys() == parameters.keys() - data.keys()
    for key, value in config.items():
        default = parameters[key].default
        assert key in differing or value == (list(default) if isinstance(default, tuple) else default), key
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters.values())


def assert_only_the_head_depends(build: Callable[..., nn.Module], name: str, *, on: str) -> None:
    """Of all that is kept, the layer called head alone has another shape for other data. on: the argument for it."""
    few, many = ({key: value.shape for key, value in build(name, **{on: n}).state_dict().items()} for n in (5, 9))
    assert {key for key in few if few[key] != many[key]} == {"head.weight", "head.bias"}


def on_the_cpu(model: nn.Module, spec: Spec, **about: Any) -> LoadedModel:
    """A model as its task takes it. about: fields of `LoadedModel` that matter to a test."""
    plain = {"precision": "32-true", "memory_format": "contiguous", "decoding": {}}
    return LoadedModel(spec=spec, model=model, device=torch.device("cpu"), **plain | about)
