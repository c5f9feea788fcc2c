"""From config to objects: what is built, what is offered, and what is refused with which words."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.build import (
    Misfit,
    build_model,
    device_of,
    fits,
    instantiate,
    load_data,
    locate,
    make_loader,
)
from sensorium.data.vision.splits import ImageSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.errors import RequestError
from sensorium.initial import initialise_from_data
from sensorium.models.vision.mlp import MLP
from sensorium.specs import ImageClassificationSpec, TextClassificationSpec
from trainings import bare_config

HERE = __name__
SPEC = ImageClassificationSpec(class_names=("a", "b", "c"), in_channels=1, image_size=(8, 8), mean=(0.5,), std=(0.2,))
MODEL = {"_target_": "sensorium.models.vision.mlp.MLP", "hidden": [4], "backbone_lr_scale": 1.0, "freeze": None}


class Part:
    def __init__(self, *, size: int, run: object = None, inner: object = None) -> None:
        if size < 0:
            raise ValueError("size is below 0\nand so on")
        if size > 9:
            raise TypeError("size is above 9")
        self.size, self.run, self.inner = size, run, inner


def anything(**options: object) -> dict[str, object]:
    return options


def part(**keys: object) -> dict[str, object]:
    return {"_target_": f"{HERE}.Part", **keys}


# -- instantiate


def test_it_gets_its_keys_and_of_what_is_offered_what_it_asks_for() -> None:
    built = instantiate("x", part(size=3), run="the run", about="not asked for")
    assert (built.size, built.run) == (3, "the run")
    assert instantiate("x", part(size=3, run=None), run="the run").run is None  # the config goes first


def test_what_is_nested_is_built_too() -> None:
    built = instantiate("x", part(size=1, inner={"a": [part(size=2), 7], "b": {"c": part(size=3)}}))
    assert built.inner["a"][0].size == 2
    assert built.inner["a"][1] == 7
    assert built.inner["b"]["c"].size == 3


def test_partial_waits_for_the_rest() -> None:
    waiting = instantiate("x", {"_target_": f"{HERE}.Part", "_partial_": True, "inner": 1}, run=2)
    assert isinstance(waiting, partial)
    built = waiting(size=5)
    assert (built.size, built.inner, built.run) == (5, 1, 2)


def test_a_misspelt_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"There is no key in x \(Part\) 'sise'. Did you mean size\?") as caught:
        instantiate("x", part(sise=3), run=1)
    assert "run" not in str(caught.value).partition("Allowed")[2]  # nobody types what is offered
    with pytest.raises(RequestError, match=r"key in x.inner \(Part\) 'sise'"):
        instantiate("x", part(size=1, inner=part(sise=3)))
    assert instantiate("x", {"_target_": f"{HERE}.anything", "whatever": 1}) == {"whatever": 1}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (part(size=-1), "^x: size is below 0$"),
        (part(size=10), "^x: size is above 9$"),
        (part(), "^x: .*missing 1 required keyword-only argument: 'size'"),
        ({"size": 1}, "^x has no _target_"),
        (None, "^x has no _target_"),
        ({"_target_": "sensorium.nothing.Here"}, "^There is no class or function sensorium.nothing.Here"),
        ({"_target_": f"{HERE}.Absent"}, f"^There is no class or function {HERE}.Absent"),
    ],
)
def test_what_goes_wrong_is_said_in_words(config: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        instantiate("x", config)


def test_locate_finds_functions_and_classes() -> None:
    assert locate("sensorium.models.vision.mlp.MLP") is MLP
    assert locate("sensorium.build.locate") is locate


# -- model


def test_a_model_is_told_the_sizes_of_the_data() -> None:
    model = build_model(MODEL, SPEC, seed=0)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert model.training


def test_the_seed_decides_the_weights_alone() -> None:
    def weight(seed: int) -> Tensor:
        torch.rand(seed + 1)  # whatever was drawn before
        return build_model(MODEL, SPEC, seed=seed).head.weight

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))


class Strange(nn.Module):
    """A model that does not do as it should."""

    def __init__(self, *, num_classes: int, outputs: int, inputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


def test_a_model_that_does_not_fit_the_data_is_refused() -> None:
    target = {"_target_": f"{HERE}.Strange"}
    with pytest.raises(RequestError, match=r"Strange gives \(1, 5\) for one image, not \(1, 3\)"):
        build_model(target | {"outputs": 5, "inputs": 64}, SPEC, seed=0)
    with pytest.raises(RequestError, match="cannot work on images of 8x8 with 1 channel, 3 classes: "):
        build_model(target | {"outputs": 3, "inputs": 65}, SPEC, seed=0)


def test_pictures_that_are_too_small_for_a_published_model_are_refused() -> None:
    section = {"_target_": "sensorium.models.vision.torchvision.TorchvisionClassifier", "name": "squeezenet1_0"}
    tiny = replace(SPEC, image_size=(2, 2))
    with pytest.raises(Misfit, match=r"squeezenet1_0 cannot work on images of 2x2 .*: .*too small"):
        build_model(section, tiny, seed=0, name="squeezenet1_0")


class Asserting(Strange):
    """A model that refuses its input with an assertion that says nothing, as timm's do."""

    def forward(self, images: Tensor) -> Tensor:
        raise AssertionError


def test_an_assertion_of_a_model_is_a_refusal() -> None:
    target = {"_target_": f"{HERE}.Asserting", "outputs": 3, "inputs": 64}
    with pytest.raises(Misfit, match="cannot work on images of 8x8 with 1 channel, 3 classes: AssertionError"):
        build_model(target, SPEC, seed=0)


def test_freezing() -> None:
    frozen = build_model(MODEL | {"freeze": "backbone"}, SPEC, seed=0)
    assert {name for name, value in frozen.named_parameters() if value.requires_grad} == {"head.weight", "head.bias"}
    with pytest.raises(RequestError, match=r"part to freeze \(model.freeze\) 'backbon'. Did you mean backbone"):
        build_model(MODEL | {"freeze": "backbon"}, SPEC, seed=0)


def test_published_weights_that_nobody_published() -> None:
    with pytest.raises(RequestError, match="this model has no published weights"):
        build_model(MODEL | {"pretrained": True}, SPEC, seed=0)


class Measured(nn.Module):
    """Computes its first filters from images."""

    def initialize(self, pictures: Tensor) -> None:
        self.pictures = pictures


class AsTuple(nn.Module):
    """Prepares nothing."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs


def split_of(count: int) -> ImageSplit:
    pixels = np.arange(count * 64, dtype=np.uint8).reshape(count, 1, 8, 8)
    return ImageSplit(
        ArrayStore(pixels, image_size=None, channels="auto", resize="crop"), np.zeros(count, np.int64), ["x"] * count
    )


def test_a_model_may_look_at_some_training_pictures_first() -> None:
    models = [Measured(), Measured(), Measured()]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        initialise_from_data(model, split_of(2000), AsTuple(), seed=seed)
    assert models[0].pictures.shape == (1024, 1, 8, 8)
    assert torch.equal(models[0].pictures, models[1].pictures)
    assert not torch.equal(models[0].pictures, models[2].pictures)
    initialise_from_data(nn.Identity(), split_of(3), AsTuple(), seed=0)


# -- data


def test_training_and_evaluation_have_their_own_batch_sizes() -> None:
    config = bare_config(batch_size=4, eval_batch_size=16, seed=0, workers=0)
    cpu = torch.device("cpu")
    train, evaluation = (make_loader(config, split_of(20), shuffle=flag, device=cpu) for flag in (True, False))
    assert [len(batch.labels) for batch in train] == [4] * 5
    assert [len(batch.labels) for batch in evaluation] == [16, 4]
    with pytest.raises(RequestError, match="has no examples"):
        make_loader(config, split_of(0), shuffle=False, device=cpu)


def test_a_dataset_is_loaded_as_on_bad_says() -> None:
    config = {
        "_target_": "sensorium.data.vision.digits.Digits",
        "image_size": None,
        "resize": "crop",
        "channels": "auto",
    }
    config |= {"test_fraction": 0.2, "val_fraction": 0.1, "split_seed": 0}
    assert load_data(config, on_bad="fail").spec.num_classes == 10
    with pytest.raises(RequestError, match="skip"):
        load_data(config, on_bad="skipp")


# -- which model takes which data


class Reader(nn.Module):
    def __init__(self, *, vocab_size: int, pad_id: int, num_classes: int, width: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width, padding_idx=pad_id)
        self.head = nn.Linear(width, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.head(self.embedding(tokens).sum(1) / lengths[:, None])


class Own(nn.Module):
    """Of a person who calls inputs what they like."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), self.num_classes)


def test_a_model_fits_by_the_names_of_what_it_asks_for() -> None:
    text = TextClassificationSpec(class_names=("a", "b"), tokenizer={}, vocab_size=9, pad_id=0, max_length=5)
    reader, own = {"_target_": f"{HERE}.Reader"}, {"_target_": f"{HERE}.Own"}
    assert (fits(reader, text), fits(reader, SPEC)) == (True, False)
    assert (fits(MODEL, SPEC), fits(MODEL, text)) == (True, False)
    assert fits(own, SPEC)
    with pytest.raises(Misfit, match="Reader does not take images of 8x8 with 1 channel, 3 classes"):
        build_model(reader, SPEC, seed=0)
    built = build_model(reader, text, seed=0)
    assert built(torch.tensor([[1, 2]]), torch.tensor([2])).shape == (1, 2)


def test_vectors_take_the_place_of_the_embedding_of_known_words(tmp_path: Path) -> None:
    words = {"kind": "word", "words": ["cat", "dog"], "lowercase": False}
    text = TextClassificationSpec(class_names=("a", "b"), tokenizer=words, vocab_size=6, pad_id=0, max_length=5)
    (tmp_path / "vectors.txt").write_text("dog 1 2 3 4\nbird 5 6 7 8\n")
    section = {"_target_": f"{HERE}.Reader", "vectors": str(tmp_path / "vectors.txt")}
    told: list[str] = []
    model = build_model(section, text, seed=0, say=told.append)
    assert model.embedding.weight[5].tolist() == [1, 2, 3, 4]
    assert "vectors: 50.0% of the vocabulary" in told[0]
    with pytest.raises(RequestError, match=r"vectors of 4 numbers, the model of 3\.\nSet model\.embedding_size=4"):
        build_model(section | {"width": 3}, text, seed=0)
    with pytest.raises(RequestError, match=r"model\.vectors is for text models"):
        build_model(MODEL | {"vectors": str(tmp_path / "vectors.txt")}, SPEC, seed=0)


# -- device


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu"), (True, False, "cuda")],
)
def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str) -> None:
    _there(monkeypatch, cuda=cuda, mps=mps)
    assert device_of("auto").type == expected
    assert device_of("cpu").type == "cpu"


def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _there(monkeypatch, cuda=False, mps=False)
    for name in ("gpu", "mps"):
        with pytest.raises(RequestError, match=f"accelerator={name}: .*\nTake accelerator=cpu or accelerator=auto"):
            device_of(name)
    with pytest.raises(RequestError, match="Did you mean gpu"):
        device_of("gpus")


def _there(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    answer: Callable[[bool], Callable[[], bool]] = lambda value: lambda: value  # noqa: E731
    monkeypatch.setattr(torch.cuda, "is_available", answer(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", answer(mps))
