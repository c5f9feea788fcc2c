"""Pixels checked by hand for every kind of image, and a clear refusal of everything else."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import RequestError
from sensorium.vision.decode import (
    UnreadableImage,
    accept_large_images,
    decode_image,
    fit_pixels,
    is_grey,
    list_images,
    probe_size,
)


def saved(image, name="image.png", **options):
    file = io.BytesIO()
    image.save(file, format=None if "." not in name else Image.registered_extensions()[Path(name).suffix], **options)
    file.seek(0)
    return file


def decoded(image, channels, name="image.png", **options):
    """(C, H, W) at the size it has, through a file."""
    size = (image.height, image.width)
    return decode_image(saved(image, name, **options), image_size=size, in_channels=channels, resize="crop")


def row(*values, mode):
    """An image of one row with these pixel values."""
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return image


COLOURS = row((255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 20, 30), mode="RGB")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.webp"])
def test_colour_is_read_exactly(name):
    options = {"lossless": True, "exact": True} if name == "a.webp" else {}
    pixels = decoded(COLOURS, 3, name, **options)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert pixels.tolist() == [[[255, 0, 0, 10]], [[0, 255, 0, 20]], [[0, 0, 255, 30]]]


def test_colour_becomes_grey_by_its_luma():
    # 0.299 red + 0.587 green + 0.114 blue
    assert decoded(COLOURS, 1).tolist() == [[[76, 150, 29, 18]]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (row(0, 128, 255, mode="L"), [0, 128, 255]),
        (row(0, 255, 0, mode="1"), [0, 255, 0]),
        (row((0, 255), (0, 128), (200, 0), mode="LA"), [0, 127, 255]),  # on white: 0 * a + 255 * (1 - a)
        (row(0, 25700, 65535, mode="I;16"), [0, 100, 255]),  # 257 steps of 16 bit are one of 8
    ],
    ids=["gray", "one bit", "gray with transparency", "16 bit"],
)
def test_grey_of_every_kind(image, expected, channels):
    assert decoded(image, channels).tolist() == [[expected]] * channels
    assert decoded(image, channels).flags.writeable


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_numbers_beyond_eight_bits_are_scaled_in_tiff_too(mode):
    assert decoded(row(0, 257, 25700, 65535, mode=mode), 1, "a.tif").tolist() == [[[0, 1, 100, 255]]]


def test_big_endian_16_bit_is_not_swapped():
    pixels = np.array([[0, 25700, 65535]], dtype=">u2")
    header = b"P5 3 1 65535\n"
    file = io.BytesIO(header + pixels.tobytes())
    assert decode_image(file, image_size=(1, 3), in_channels=1, resize="crop").tolist() == [[[0, 100, 255]]]


@pytest.mark.parametrize(("values", "expected"), [((0.0, 0.2, 1.0), [0, 51, 255]), ((0.0, 51.0, 255.0), [0, 51, 255])])
def test_float_tiff_from_0_to_1_or_to_255(values, expected):
    assert decoded(row(*values, mode="F"), 1, "a.tiff").tolist() == [[expected]]


@pytest.mark.parametrize(
    ("values", "mode"),
    [((0.0, float("nan")), "F"), ((-0.5, 1.0), "F"), ((0.0, 256.0), "F"), ((0, 70000), "I"), ((-1, 5), "I")],
)
def test_numbers_out_of_range_are_refused_not_clipped(values, mode):
    with pytest.raises(UnreadableImage, match=r"image: not a readable image \(its values run from"):
        decoded(row(*values, mode=mode), 1, "a.tif")


def test_palette():
    image = row(0, 1, 2, mode="P")
    image.putpalette([255, 0, 0, 0, 255, 0, 9, 8, 7])
    assert decoded(image, 3).tolist() == [[[255, 0, 9]], [[0, 255, 8]], [[0, 0, 7]]]
    assert decoded(image, 3, transparency=1).tolist() == [[[255, 255, 9]], [[0, 255, 8]], [[0, 255, 7]]]


def test_transparent_is_white():
    image = row((255, 0, 0, 255), (255, 0, 0, 128), (255, 0, 0, 0), mode="RGBA")
    assert decoded(image, 3).tolist() == [[[255, 255, 255]], [[0, 127, 255]], [[0, 127, 255]]]
    assert decoded(COLOURS, 3, transparency=(0, 0, 255))[:, 0, 2].tolist() == [255, 255, 255]


def test_cmyk():
    image = row((0, 255, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0), mode="CMYK")
    assert decoded(image, 3, "a.tif").tolist() == [[[255, 0, 255]], [[0, 0, 255]], [[0, 0, 255]]]
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(decoded(red, 3, "a.jpg").astype(int) - np.array([255, 0, 0])[:, None, None]).max() <= 3


def test_jpeg_is_close():
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    pixels = decoded(image, 3, "a.jpg").astype(int)
    assert np.abs(pixels - np.array([200, 100, 50])[:, None, None]).max() <= 3


def test_of_an_animation_the_first_frame():
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    pixels = decoded(frames[0], 3, "a.gif", save_all=True, append_images=frames[1:])
    assert pixels[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(name, orientation):
    # Four blocks of 8 x 8 in a row, so that JPEG keeps them apart; the first is white.
    stored = Image.new("L", (32, 8))
    stored.paste(255, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(stored.convert("RGB"), name, exif=exif)
    turned = orientation >= 5
    assert probe_size(file) == ((32, 8) if turned else (8, 32))
    file.seek(0)
    pixels = decode_image(file, image_size=(32, 8) if turned else (8, 32), in_channels=1, resize="crop")[0]
    line = pixels[:, 4] if turned else pixels[4]
    # By the EXIF standard the first column as stored is shown left (1, 4), right (2, 3), top (5, 6) or bottom (7, 8).
    first = orientation in (1, 4, 5, 6)
    assert (line[4] > 250, line[28] > 250) == (first, not first)


def test_orientation_tells_top_from_bottom():
    stored = Image.new("L", (8, 16))
    stored.paste(255, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = decode_image(saved(stored, exif=exif), image_size=(16, 8), in_channels=1, resize="crop")[0]
    assert pixels[0, 0] == 0
    assert pixels[15, 0] == 255


def half(width=4, height=2):
    """Left half black, right half white."""
    image = Image.new("L", (width, height))
    image.paste(255, (width // 2, 0, width, height))
    return saved(image)


def test_crop_keeps_the_middle():
    assert decode_image(half(), image_size=(2, 2), in_channels=1, resize="crop").tolist() == [[[0, 255], [0, 255]]]
    tall = saved(Image.fromarray(np.arange(6, dtype=np.uint8).reshape(6, 1)))
    assert decode_image(tall, image_size=(2, 1), in_channels=1, resize="crop").ravel().tolist() == [2, 3]


def test_pad_keeps_everything_on_black():
    pixels = decode_image(half(), image_size=(4, 4), in_channels=1, resize="pad")
    assert pixels.tolist() == [[[0, 0, 0, 0], [0, 0, 255, 255], [0, 0, 255, 255], [0, 0, 0, 0]]]
    thin = saved(Image.new("RGB", (1000, 1), "white"))
    assert decode_image(thin, image_size=(4, 4), in_channels=3, resize="pad")[0].sum(axis=1).tolist() == [0, 1020, 0, 0]


def test_stretch_is_antialiased():
    # Triangle of width 2 over source pixels at distance 0.5, 0.5, 1.5: weights 3/7, 3/7, 1/7; 255 / 7 = 36.4.
    pixels = decode_image(half(), image_size=(2, 2), in_channels=1, resize="stretch")
    assert pixels.tolist() == [[[36, 219], [36, 219]]]


def test_a_large_jpeg_is_shrunk_well():
    ramp = np.add.outer(np.arange(800) % 200, np.arange(800) // 16).astype(np.uint8)
    file = saved(Image.fromarray(ramp), "a.jpg", quality=95)
    pixels = decode_image(file, image_size=(32, 32), in_channels=1, resize="crop").astype(float)
    exact = ramp.reshape(32, 25, 32, 25).mean(axis=(1, 3))
    inside = np.s_[1:7, 1:-1]  # where the ramp does not jump
    assert np.abs(pixels[0] - exact)[inside].max() < 2


def test_array_is_fitted_like_a_file():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 9, 12), dtype=np.uint8)
    file = saved(Image.fromarray(pixels.transpose(1, 2, 0)))
    for channels in (1, 3):
        expected = decode_image(file, image_size=(5, 5), in_channels=channels, resize="crop")
        file.seek(0)
        fitted = fit_pixels(pixels, image_size=(5, 5), in_channels=channels, resize="crop")
        np.testing.assert_array_equal(fitted, expected)
    grey = fit_pixels(pixels[:1], image_size=(9, 12), in_channels=3, resize="pad")
    np.testing.assert_array_equal(grey, np.repeat(pixels[:1], 3, axis=0))


def test_unknown_resize_names_the_nearest():
    with pytest.raises(RequestError, match=r"no resize 'croop'. Did you mean crop\?\nAllowed: crop, pad, stretch"):
        decode_image(half(), image_size=(2, 2), in_channels=1, resize="croop")


def damaged(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jpg", b"", "the file is empty"),
        ("text.png", b"I am not an image", "its content is none of JPEG, PNG, WEBP, BMP, TIFF, GIF, PPM"),
        ("program.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "its content is none of"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, name, content, reason):
    path = damaged(tmp_path, name, content)
    with pytest.raises(UnreadableImage, match=rf"{name}: not a readable image \({reason}") as caught:
        decode_image(path, image_size=(8, 8), in_channels=3, resize="crop")
    assert str(caught.value) == f"{path}: {caught.value.what}"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif", "a.gif", "a.ppm"])
def test_a_file_cut_short_is_refused(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), name).getvalue()
    path = damaged(tmp_path, name, whole[: len(whole) // 2])
    with pytest.raises(UnreadableImage, match=f"{name}: not a readable image"):
        decode_image(path, image_size=(64, 64), in_channels=3, resize="crop")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UnreadableImage, match=r"gone.png: not a readable image \(no such file"):
        decode_image(tmp_path / "gone.png", image_size=(8, 8), in_channels=3, resize="crop")
    with pytest.raises(UnreadableImage, match="is a directory"):
        probe_size(tmp_path)


def test_a_picture_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    file = saved(Image.new("1", (100, 100)))
    with pytest.raises(UnreadableImage, match="more than 2,000 pixels"):
        decode_image(file, image_size=(8, 8), in_channels=3, resize="crop")


def test_grey_is_seen_in_any_mode():
    assert is_grey(saved(Image.new("L", (8, 8), 7)))
    assert is_grey(saved(Image.new("RGB", (300, 300), (7, 7, 7)), "a.jpg"))
    assert not is_grey(saved(Image.new("RGB", (300, 300), (7, 70, 7)), "a.jpg"))


def test_pictures_of_a_folder(tmp_path):
    for name in (
        "b.PNG",
        "a.jpeg",
        "sub/c.webp",
        ".hidden.png",
        ".git/d.png",
        "Thumbs.db",
        "notes.txt",
        "__MACOSX/e.png",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in list_images(tmp_path)] == ["a.jpeg", "b.PNG", "sub/c.webp"]


def test_a_large_image_is_no_attack():
    head = bytearray(saved(Image.new("1", (1, 1)), "a.bmp").getvalue())
    head[18:26] = (10_000).to_bytes(4, "little") * 2  # width and height: 100 million pixels
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        accept_large_images()
        assert probe_size(io.BytesIO(head)) == (10_000, 10_000)
    assert not warned
