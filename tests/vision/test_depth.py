"""Images of more than 8 bits: every stored value is read, and brought to a range checked by hand."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sensorium.vision.decode import (
    UnreadableImage,
    decode_image,
    displayed_image,
    is_grey,
    measured_image,
    read_values,
)
from sensorium.vision.depth import chosen_range

TWELVE = (0.0, 4095.0)


def png(pixels):
    """(H, W, C) uint16 as a PNG of 16 bits a channel, which Pillow cannot write. C from 1 to 4."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def tiff(pixels, *, order, packed=False):
    """(H, W, 3) uint16 as a TIFF in a byte order, "<" or ">"."""
    height, width, _ = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if packed else data
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 134), (259, 3, 1, 8 if packed else 1)]
    entries += [(262, 3, 1, 2), (273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data))]
    entries += [(284, 3, 1, 1)]
    found = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(entries))
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        found += struct.pack(f"{order}HHI", tag, kind, count)
        found += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    return io.BytesIO(found + struct.pack(f"{order}I3H", 0, 16, 16, 16) + data)


def saved(array, name="png"):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=name)
    file.seek(0)
    return file


def decoded(file, *, channels=1, size, pixel_range):
    return decode_image(file, image_size=size, in_channels=channels, resize="crop", pixel_range=pixel_range)


COLORS = np.random.default_rng(0).integers(0, 65536, (5, 7, 3)).astype(np.uint16)


@pytest.mark.parametrize(
    "file",
    [
        png(COLORS),
        tiff(COLORS, order="<"),
        tiff(COLORS, order=">"),
        tiff(COLORS, order="<", packed=True),
        tiff(COLORS, order=">", packed=True),
    ],
    ids=["png", "little", "big", "little packed", "big packed"],
)
def test_all_16_bits_of_color_are_read(file):
    np.testing.assert_array_equal(read_values(file), COLORS)
    whole = decoded(file, channels=3, size=(5, 7), pixel_range=(0, 65535))
    assert whole.dtype == np.uint16
    np.testing.assert_array_equal(whole, COLORS.transpose(2, 0, 1))


def test_transparent_parts_are_white():
    gray = np.array([[[1000, 65535], [1000, 0], [500, 32768]]], np.uint16)
    expected = [65535, 65535, round(32767.5 * 32768 / 65535 + 65535 - 32768)]
    assert decoded(png(gray), size=(1, 3), pixel_range=(0, 1000)).ravel().tolist() == expected
    color = np.array([[[0, 500, 1000, 65535], [0, 500, 1000, 0]]], np.uint16)
    found = decoded(png(color), channels=3, size=(1, 2), pixel_range=(0, 1000))
    assert found.transpose(1, 2, 0).tolist() == [[[0, 32768, 65535], [65535] * 3]]


def test_values_are_scaled_to_the_range_and_clipped():
    file = saved(np.array([[0, 5, 10, 15, 20, 60000]], np.uint16))
    found, used = measured_image(file, image_size=(1, 6), in_channels=1, resize="crop", pixel_range=(5, 20))
    assert found.ravel().tolist() == [0, 0, 21845, 43690, 65535, 65535]
    assert used == (0, 60000, 2 / 6)


@pytest.mark.parametrize(
    ("array", "pixel_range"),
    [
        (np.array([[-1000, 0, 1000, 3000]], np.int32), (-1000, 3000)),
        (np.array([[0, 100000, 200000, 400000]], np.int32), (0, 400000)),
        (np.array([[0.0, 0.25, 0.5, 1.0]], np.float32), (0, 1)),
        (np.array([[-2.0, -1.0, 0.0, 2.0]], np.float32), (-2, 2)),
    ],
    ids=["signed", "32 bits", "float to 1", "negative float"],
)
def test_32_bit_integers_and_floats_take_the_same_way(array, pixel_range):
    found = decoded(saved(array, "tiff"), size=(1, 4), pixel_range=pixel_range)
    assert found.ravel().tolist() == [0, 16384, 32768, 65535]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad):
    file = saved(np.array([[0, bad]], np.float32), "tiff")
    with pytest.raises(UnreadableImage, match="NaN or infinite in 1 of 2 values"):
        decoded(file, size=(1, 2), pixel_range=(0, 1))


def test_an_image_of_8_bits_keeps_its_own_range():
    array = np.array([[0, 100, 255]], np.uint8)
    found, used = measured_image(
        saved(array), image_size=(1, 3), in_channels=1, resize="crop", pixel_range=(1000, 4000)
    )
    assert (found.ravel().tolist(), used) == ([0, 25700, 65535], None)


def test_12_bits_look_as_the_same_image_of_8_bits(tmp_path):
    eight = np.random.default_rng(0).integers(0, 256, (24, 24)).astype(np.uint8)
    Image.fromarray(eight).save(tmp_path / "eight.png")
    Image.fromarray(eight.astype(np.uint16) * 16).save(tmp_path / "twelve.png")
    settings = {"image_size": (16, 16)}
    expected = displayed_image(tmp_path / "eight.png", pixel_range=None, **settings).astype(int)
    found = displayed_image(tmp_path / "twelve.png", pixel_range=(0, 255 * 16), **settings)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 1  # rounded once, not twice
    dark = displayed_image(tmp_path / "twelve.png", pixel_range=None, **settings)
    assert dark.max() <= 16


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_it_is_fitted_as_an_image_of_8_bits(resize):
    eight = np.random.default_rng(1).integers(0, 256, (30, 20)).astype(np.uint8)
    settings = {"image_size": (12, 12), "in_channels": 3, "resize": resize}
    expected = decode_image(saved(eight), **settings).astype(int)
    found = decode_image(saved(eight.astype(np.uint16) * 257), **settings, pixel_range=(0, 65535))
    assert np.abs(found / 257 - expected).max() <= 1


def test_the_rotation_of_the_camera_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    file = io.BytesIO()
    Image.fromarray(np.array([[1, 2, 3]], np.uint16)).save(file, format="png", exif=exif)
    assert decoded(file, size=(3, 1), pixel_range=(0, 65535)).ravel().tolist() == [1, 2, 3]


def test_color_is_recognized_by_its_low_bytes():
    gray = np.repeat(np.arange(12, dtype=np.uint16).reshape(2, 6, 1), 3, axis=2)
    assert is_grey(png(gray))
    gray[0, 0, 2] = 7
    assert not is_grey(png(gray))


def test_the_range_holds_every_value_where_none_lies_far():
    random = np.random.default_rng(0)
    samples = [random.integers(100, 4000, 1000).astype(float) for _ in range(8)]
    every = np.concatenate(samples)
    assert chosen_range(samples) == (every.min(), every.max())


def test_a_hot_pixel_does_not_take_the_range():
    values = np.arange(10_001.0) / 10  # 0 to 1000
    first, last = np.percentile([*values, 65535.0], (0.1, 99.9))
    assert chosen_range([np.array([*values, 65535.0])]) == (0, pytest.approx(last + (last - first)))
    assert last + (last - first) < 2000


def test_the_range_of_constant_and_of_sparse_images():
    assert chosen_range([np.full(100, 7.0)]) == (7, 8)
    sparse = np.zeros(100_000)
    sparse[:10] = 300
    assert chosen_range([sparse]) == (0, 300)


def test_a_constant_image_of_large_floats_has_a_range():
    low, high = chosen_range([np.full(4, 1e20)])
    assert low == 1e20 < high


def test_a_tiff_in_which_0_is_white_is_turned_around():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 65535], [1000, 400]], np.uint16)).save(file, format="tiff", tiffinfo={262: 0})
    settings = {"image_size": (2, 2), "in_channels": 1, "resize": "crop"}
    file.seek(0)
    assert decode_image(file, **settings).tolist() == [[[255, 0], [251, 253]]]
    file.seek(0)
    assert decode_image(file, **settings, pixel_range=(0, 65535)).tolist() == [[[65535, 0], [64535, 65135]]]
