"""Folders of images of more than 8 bits: the range chosen, stored, told and used; folders of 8 bits as ever."""

import json

import numpy as np
import pytest
from PIL import Image

from images import write_picture_folder
from sensorium.data.vision import store
from sensorium.data.vision.image_folder import ImageFolder
from sensorium.data.vision.pixel_range import range_of
from sensorium.errors import RequestError
from sensorium.specs import spec_from_dict
from sensorium.vision.decode import decode_image, list_images

SETTINGS = {
    "image_size": None,
    "resize": "crop",
    "channels": "auto",
    "val_fraction": 0.25,
    "test_fraction": 0.25,
    "split_seed": 0,
    "on_conflict": "drop",
    "cache_bytes": 1 << 30,
    "pixel_range": "auto",
}


def load(root, **changes):
    return ImageFolder(root=str(root), **(SETTINGS | changes)).load(on_bad="fail")


def write_twelve_bits(root, *, per_class=8):
    """root/{dim,bright}/*.png: 12 bits in 16, values 10 to 3500 in every image."""
    random = np.random.default_rng(0)
    for label in ("dim", "bright"):
        (root / label).mkdir(parents=True)
        for number in range(per_class):
            pixels = random.integers(10, 600 if label == "dim" else 3501, (16, 16)).astype(np.uint16)
            pixels[0, :2] = 10, 3500
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


def test_the_range_is_chosen_from_the_training_images(tmp_path):
    data = load(write_twelve_bits(tmp_path / "cells"))
    assert data.spec.pixel_range == (10, 3500)
    assert data.reading == (
        "pixel_range: 10 to 3,500, chosen from 16 images of more than 8 bits inspected; dataset.pixel_range=[low,high]"
        " sets another",
    )
    assert set(data.reading) <= set(data.notes)
    again = spec_from_dict(json.loads(json.dumps(data.spec.to_dict())))
    assert again == data.spec
    assert again.dataset_settings["pixel_range"] == [10, 3500]


@pytest.mark.parametrize("cache_bytes", [0, 30_000, 1 << 30], ids=["no cache", "a part", "all"])
def test_16_bits_are_kept_and_batched_as_floats(tmp_path, cache_bytes):
    data = load(write_twelve_bits(tmp_path / "cells"), cache_bytes=cache_bytes)
    joined = data.train.joined([data.val, data.test])
    rows = np.arange(len(joined))
    pixels = joined.images.read(rows)
    assert pixels.dtype == joined.images.read(np.arange(1)).dtype == np.uint16
    for name, image in zip(joined.names, pixels, strict=True):
        values = np.asarray(Image.open(name)).astype(float)
        np.testing.assert_allclose(image[0], (values - 10) * (65535 / 3490), atol=0.51)
    batch = joined.read(rows)
    np.testing.assert_allclose(batch.images.numpy(), pixels / 65535, rtol=1e-6)
    np.testing.assert_array_equal(joined.displayed(rows), np.rint(pixels / 257).astype(np.uint8))
    train = data.train.read(np.arange(len(data.train))).images.double()
    assert data.spec.mean == pytest.approx((float(train.mean()),))
    assert data.spec.std == pytest.approx((float(train.std(correction=0)),))


def test_images_of_8_bits_are_what_they_were(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=12)
    data, before = load(root), load(root, pixel_range=None)
    assert data.notes == before.notes
    assert data.reading == ()
    assert data.spec.to_dict() == before.spec.to_dict()
    assert "pixel_range" not in data.spec.to_dict()
    for split in ("train", "val", "test"):
        found, expected = getattr(data, split), getattr(before, split)
        assert found.names == expected.names
        batch = found.read(np.arange(len(found)))
        assert str(batch.images.dtype) == "torch.uint8"
        for name, image in zip(found.names, batch.images.numpy(), strict=True):
            np.testing.assert_array_equal(image.transpose(1, 2, 0), np.asarray(Image.open(name)))


def test_null_takes_the_full_range_and_says_so(tmp_path):
    data = load(write_twelve_bits(tmp_path / "cells"), pixel_range=None)
    assert data.spec.pixel_range is None
    assert data.train.images.read(np.arange(4)).max() == 14  # 3500 / 257
    (note,) = data.reading
    assert "full range of their files, 0 to 65,535 of 16 bits" in note
    assert "run from 10 to 3,500" in note


def test_a_given_range_is_used_and_what_it_clips_is_told(tmp_path):
    data = load(write_twelve_bits(tmp_path / "cells"), pixel_range=[0, 2000])
    assert data.spec.pixel_range == (0, 2000)
    (note,) = data.reading
    assert note.startswith("pixel_range: 0 to 2,000; 16 images of more than 8 bits inspected, whose values run from 10")
    assert "% of them are clipped" in note


def test_both_kinds_in_one_folder_keep_their_own_ranges(tmp_path):
    root = write_twelve_bits(tmp_path / "cells")
    Image.fromarray(np.full((16, 16), 100, np.uint8)).save(root / "dim" / "eight.png")
    (note,) = load(root).reading
    assert "; 1 image of 8 bits taken as 0 to 255;" in note
    files = list_images(root)
    row = [path.name for path in files].index("eight.png")
    settings = {"image_size": (16, 16), "in_channels": 1, "resize": "crop"}
    assert (decode_image(files[row], **settings, pixel_range=(10, 3500)) == 25700).all()


def test_a_range_for_images_of_8_bits_means_nothing_and_that_is_told(tmp_path):
    paths = list_images(write_picture_folder(tmp_path / "photos", per_class=2))
    assert range_of("auto", paths) == (None, [])
    given, notes = range_of([0, 4095], paths)
    assert given == (0, 4095)
    assert notes == ["pixel_range: the 4 images inspected have 8 bits and keep their own range, 0 to 255"]


NO_NUMBERS = [[0, float("nan")], [0, float("inf")], [True, 5], [0, 10**400]]


@pytest.mark.parametrize("value", ["aut", [0], [1, 1], [5, 2], 7, [0, 1e-310], *NO_NUMBERS])
def test_what_is_no_range_is_refused(tmp_path, value):
    with pytest.raises(RequestError, match=r"dataset\.pixel_range=.*give \[low,high\]"):
        load(tmp_path, pixel_range=value)


def test_statistics_of_8_bits_are_those_of_256_levels(tmp_path):
    root = write_picture_folder(tmp_path / "photos", per_class=4, channels=1)
    data = load(root)
    pixels = data.train.images.read(np.arange(len(data.train))) / 255
    mean, std = store.channel_statistics(data.train.images)
    assert (mean, std) == (pytest.approx((pixels.mean(),)), pytest.approx((pixels.std(),)))
