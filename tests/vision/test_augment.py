"""The pipeline, every augment config, and what holds for all transforms."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.vision.augment import Augment, as_float
from sensorium.vision.automatic import RandAugment, TrivialAugment
from sensorium.vision.boxes import Cutout, Erasing
from sensorium.vision.colour import ColourJitter
from sensorium.vision.crop_flip import AlternatingFlip, RandomCrop, RandomFlip, RandomResizedCrop

CONFIGS = Path(__file__).parents[2] / "configs"


def target_of(name: str) -> str:
    """What an augment config builds: it says so itself, or goes by the config it changes."""
    config = OmegaConf.load(CONFIGS / "augment" / f"{name}.yaml")
    return config._target_ if "_target_" in config else target_of(config.defaults[0])


NAMES = sorted(
    path.stem for path in (CONFIGS / "augment").glob("*.yaml") if get_object(target_of(path.stem)) is Augment
)
SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))
TRANSFORMS = {
    "crop": RandomCrop(padding=0.125, mode="zeros"),
    "reflect": RandomCrop(padding=3, mode="reflect"),
    "flip": RandomFlip(horizontal=True, vertical=True),
    "alternating": AlternatingFlip(),
    "resized": RandomResizedCrop(scale=(0.08, 1), ratio=(0.75, 1.33)),
    "erasing": Erasing(probability=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), fill=0.5),
    "cutout": Cutout(size=0.5, fill=0),
    "colour": ColourJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "trivial": TrivialAugment(),
    "rand": RandAugment(operations=2, magnitude=9),
}


def random_of(indices, epoch=0, seed=0):
    return ExampleRandom(seed=seed, epoch=epoch, indices=torch.as_tensor(indices))


def pictures(count, shape=(3, 12, 10)):
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def load(*overrides):
    with initialize_config_dir(config_dir=str(CONFIGS), version_base=None):
        return instantiate(compose(overrides=list(overrides)).augment)


def test_there_are_configs():
    assert {"none", "crop"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_config_runs_on_every_size(name):
    augment = load(f"+augment={name}")
    targets = torch.eye(4).repeat(4, 1)
    shown = 0
    for shape in SHAPES:
        images, mixed = augment(pictures(16, shape), targets, random_of(range(16)))
        assert images.shape == (16, *shape)
        assert images.dtype == torch.float32
        assert 0 <= images.min() < images.max() <= 1
        assert torch.allclose(mixed.sum(1), torch.ones(16))
        assert torch.equal(images, as_float(pictures(16, shape))) == (name == "none")
        assert torch.equal(mixed, targets) == (name not in ("mixup", "cutmix"))
        shown += 1
    assert shown == 3


def test_a_transform_is_changed_or_left_out_by_name():
    augment = load("+augment=flip_crop", "augment.transforms.flip=null", "augment.transforms.crop.padding=4")
    assert list(augment.transforms) == ["crop"]
    assert augment.transforms["crop"].padding == 4
    assert list(load("+augment=cutout").transforms) == ["crop", "flip", "cutout"]


def test_stored_pixels_stay_uint8_until_a_transform_needs_float():
    class Spy(torch.nn.Module):
        def __init__(self, any_dtype):
            super().__init__()
            self.any_dtype, self.seen = any_dtype, None

        def forward(self, images, random):
            self.seen = images.dtype
            return images

    first, second, third = Spy(True), Spy(False), Spy(True)
    augment = Augment(transforms=[first, second, third], mix=None)
    images, _ = augment(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3), torch.eye(1), random_of([0]))
    assert (first.seen, second.seen, third.seen) == (torch.uint8, torch.float32, torch.float32)
    assert torch.equal(images.flatten(), torch.tensor([0.0, 0.2, 1.0]))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_example_does_not_depend_on_its_batch(name):
    transform, indices = TRANSFORMS[name], torch.arange(100, 137)
    images = as_float(pictures(37))
    together = transform(images, random_of(indices, epoch=3))
    for row in range(37):
        alone = transform(images[row : row + 1], random_of(indices[row : row + 1], epoch=3))
        assert torch.equal(alone[0], together[row])
    order = torch.randperm(37)
    assert torch.equal(transform(images[order], random_of(indices[order], epoch=3)), together[order])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_same_seed_epoch_and_index_give_the_same_picture_and_others_do_not(name):
    transform, images = TRANSFORMS[name], as_float(pictures(37))
    before = images.clone()
    once = transform(images, random_of(range(37), epoch=1, seed=5))
    assert torch.equal(transform(images, random_of(range(37), epoch=1, seed=5)), once)
    assert not torch.equal(transform(images, random_of(range(37), epoch=2, seed=5)), once)
    assert not torch.equal(transform(images, random_of(range(37), epoch=1, seed=6)), once)
    assert not torch.equal(transform(images, random_of(range(1, 38), epoch=1, seed=5)), once)
    assert torch.equal(images, before)  # the input is not changed in place


@pytest.mark.parametrize("name", [name for name, transform in TRANSFORMS.items() if hasattr(transform, "any_dtype")])
def test_stored_and_float_pixels_agree(name):
    stored = TRANSFORMS[name](pictures(37), random_of(range(37)))
    assert stored.dtype == torch.uint8
    floats = TRANSFORMS[name](as_float(pictures(37)), random_of(range(37)))
    # Paint of 0.5 is 127.5, which a stored pixel rounds to 128.
    assert (as_float(stored) - floats).abs().max() <= 0.5 / 255 + 1e-6
    assert ((as_float(stored) - floats) != 0).float().mean() < 0.3


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name not in ("trivial", "rand")])
def test_no_tensor_is_made_on_another_device(name):
    images = torch.rand(5, 3, 12, 10, device="meta")
    random = ExampleRandom(seed=0, epoch=0, indices=torch.arange(5, device="meta"))
    assert TRANSFORMS[name](images, random).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_pictures(name):
    augment, targets, indices = load(f"+augment={name}"), torch.eye(64), torch.arange(64)
    here = augment(pictures(64), targets, random_of(indices))
    there = augment(pictures(64).cuda(), targets.cuda(), random_of(indices.cuda()))
    assert torch.equal(there[1].cpu(), here[1]) or torch.allclose(there[1].cpu(), here[1], atol=1e-6)
    # A value on a step of posterize, solarize or equalize may fall to the other side.
    assert ((there[0].cpu() - here[0]).abs() < 1e-4).float().mean() > 0.999


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RandomCrop(padding=4, mode="mirror"), "There is no padding mode 'mirror'"),
        (lambda: RandomCrop(padding=1.5, mode="zeros"), "padding is 1.5: give a share of the side"),
        (lambda: RandomCrop(padding=-1, mode="zeros"), "padding is -1: give a share of the side"),
        (lambda: Cutout(size=0.5, fill=127), "fill is 127, which is not between 0.0 and 1.0"),
        (lambda: Erasing(probability=2, scale=(0, 1), ratio=(1, 1), fill=0), "probability is 2, which is not between"),
        (lambda: RandomResizedCrop(scale=(1, 0.5), ratio=(1, 1)), r"scale is \[1, 0.5\]: give two numbers between"),
        (lambda: RandomResizedCrop(scale=(0.5,), ratio=(1, 1)), r"scale is \[0.5\]: give two numbers between"),
        (lambda: ColourJitter(brightness=0, contrast=0, saturation=0, hue=0.7), "hue is 0.7, which is not between"),
        (lambda: RandAugment(operations=2, magnitude=31), "magnitude is 31, which is not between 0 and 30"),
    ],
)
def test_wrong_settings_are_refused(build, message):
    with pytest.raises(RequestError, match=message):
        build()
