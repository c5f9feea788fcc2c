"""What "auto" comes to: from the machine and the model alone."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from sensorium.data.base import Data
from sensorium.errors import RequestError
from sensorium.specs import ImageClassificationSpec, LanguageModelingSpec, Spec
from sensorium.tasks import registry
from sensorium.training import settings
from trainings import bare_config


@pytest.fixture(autouse=True)
def eight_idle_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The number of torch threads is of the whole process: it is put back."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(settings, "cores", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    yield
    torch.set_num_threads(before)


def spec_of(side: int) -> ImageClassificationSpec:
    return ImageClassificationSpec(
        class_names=("a", "b"), in_channels=1, image_size=(side, side), mean=(0.5,), std=(0.2,)
    )


def chosen(model: nn.Module, *, side: int = 8, **given: Any) -> tuple[str, str]:
    """(memory format, precision)"""
    return resolved(model, spec_of(side), **given)


def resolved(model: nn.Module, spec: Spec, *, memory_format: str = "auto", precision: str = "auto") -> tuple[str, str]:
    config = bare_config(trainer={"accelerator": "cpu", "precision": precision}, memory_format=memory_format)
    data = Data(spec, *(None,) * 3)  # type: ignore[arg-type]
    found = settings.resolve(config, data=data, model=model, say=print)
    return found.memory_format, found.trainer["precision"]


def flat(outputs: int) -> nn.Module:
    """2 * 100 * 100 * outputs operations for an image of 100 x 100."""
    return nn.Sequential(nn.Flatten(), nn.Linear(10_000, outputs))


def test_convolutions_run_with_their_channels_last() -> None:
    assert chosen(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2)))[0] == "channels_last"
    assert chosen(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)))[0] == "contiguous"


def test_what_is_given_stays() -> None:
    assert chosen(flat(2), side=100, memory_format="channels_last", precision="bf16-mixed") == (
        "channels_last",
        "bf16-mixed",
    )
    with pytest.raises(RequestError, match="Did you mean channels_last"):
        chosen(flat(2), side=100, memory_format="channel_last")


@pytest.mark.parametrize(
    ("outputs", "fast", "expected"),
    [(1000, True, "bf16-mixed"), (999, True, "32-true"), (1000, False, "32-true"), (2, False, "32-true")],
)
def test_bfloat16_where_the_device_is_fast_at_it_and_the_model_large(
    monkeypatch: pytest.MonkeyPatch, outputs: int, fast: bool, expected: str
) -> None:
    assert settings.BF16_PAYS_FROM_FLOPS == 2 * 100 * 100 * 1000
    monkeypatch.setattr(settings, "has_fast_bf16", lambda device: fast)
    assert chosen(flat(outputs), side=100)[1] == expected


@pytest.mark.parametrize(("fast", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_texts_train_in_bfloat16_however_small_the_model_and_are_judged_in_float32(
    monkeypatch: pytest.MonkeyPatch, fast: bool, expected: str
) -> None:
    monkeypatch.setattr(settings, "has_fast_bf16", lambda device: fast)
    spec = LanguageModelingSpec(tokenizer={}, vocab_size=5, context=8)
    assert resolved(nn.Embedding(5, 5), spec)[1] == expected
    assert registry.of(spec).eval_precision("bf16-mixed") == "32-true"
    assert registry.of(spec_of(8)).eval_precision("bf16-mixed") == "bf16-mixed"


def test_the_model_is_left_in_the_mode_it_was_in() -> None:
    model = flat(2).train()
    model.append(nn.Dropout().eval())  # as a frozen part
    chosen(model, side=100)
    assert [model.training, model[-1].training] == [True, False]


@pytest.mark.parametrize(
    ("threads", "processes", "environment", "expected"),
    [
        ("auto", 1, None, 8),
        ("auto", 2, None, 4),
        ("auto", 16, None, 1),
        ("auto", 1, "3", 3),
        (2, 1, "3", 2),
        (1, 4, None, 1),
    ],
)
def test_threads(
    monkeypatch: pytest.MonkeyPatch, threads: object, processes: int, environment: str | None, expected: int
) -> None:
    if environment is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    assert settings.set_threads(threads, processes=processes) is None
    assert torch.get_num_threads() == expected


@pytest.mark.parametrize("threads", [0, -1, "all", 1.5])
def test_impossible_threads(threads: object) -> None:
    with pytest.raises(RequestError, match=f"threads={threads} is not possible. Take auto or a number from 1 to 8."):
        settings.set_threads(threads, processes=1)


@pytest.mark.parametrize(("load", "threads", "advised"), [(7.0, 8, True), (5.9, 8, False), (30.0, 1, False)])
def test_advice_when_the_machine_is_busy(
    monkeypatch: pytest.MonkeyPatch, load: float, threads: int, advised: bool
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    advice = settings.set_threads(threads, processes=1)
    expected = f"Other programs keep this machine busy (load {load} on 8 cores); threads=1 may be faster."
    assert advice == (expected if advised else None)


def test_the_cpu_says_itself_whether_it_is_fast_at_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda answer=answer: answer)
        assert settings.has_fast_bf16(torch.device("cpu")) is answer
    assert not settings.has_fast_bf16(torch.device("mps"))


def scale_of(**model: Any) -> float:
    config = bare_config(
        trainer={"accelerator": "cpu", "precision": "32-true"}, model={"backbone_lr_scale": "auto"} | model
    )
    data = Data(spec_of(8), *(None,) * 3)  # type: ignore[arg-type]
    return float(settings.resolve(config, data=data, model=nn.Linear(1, 1), say=print).model["backbone_lr_scale"])


def test_given_weights_learn_at_a_tenth_of_the_rate() -> None:
    assert scale_of() == 1
    assert scale_of(init="a.ckpt") == scale_of(pretrained=True) == 0.1
    assert scale_of(init="a.ckpt", layer_lr_decay=0.8) == 1  # which lowers their rates itself
    assert scale_of(init="a.ckpt", backbone_lr_scale=0.5) == 0.5
