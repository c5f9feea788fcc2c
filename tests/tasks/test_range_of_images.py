"""What prediction does with images of more than 8 bits, from files and from memory, and what it says about them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from sensorium.specs import ImageClassificationSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions
from sensorium.tasks.image_inputs import DecodedImage, ImagesPredictor, range_for, stacked
from sensorium.vision.decode import UnreadableImage

EIGHT = (np.arange(64).reshape(8, 8) * 4).astype(np.uint8)
TWELVE = EIGHT.astype(np.uint16) * 16


class Reader(ImagesPredictor):
    """Reads alone."""

    def predict(self, inputs) -> list[Prediction]:
        raise NotImplementedError

    def all(self, *inputs):
        return [one for read in self.read_batches(inputs) for _, one in read]


def reader(trained=None, asked=None, channels=1):
    spec = ImageClassificationSpec(
        class_names=("a", "b"),
        in_channels=channels,
        image_size=(8, 8),
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        pixel_range=trained,
    )
    model = LoadedModel(spec, None, torch.device("cpu"), "32-true", "contiguous", {})
    return Reader(model, PredictOptions(pixel_range=asked))


def saved(image, name="png"):
    file = io.BytesIO()
    image.save(file, format=name)
    return file.getvalue()


def test_12_bits_in_16_say_that_they_use_little_of_the_range_and_how_to_change_it():
    found = reader()
    (dark,) = found.all(saved(Image.fromarray(TWELVE)))
    assert dark.pixels.dtype == np.uint8
    assert dark.pixels.max() == 16
    assert found.notes() == [
        "pixel_range: the values of 1 image of more than 8 bits run from 0 to 4,032, little of the 0 to 65,535 that is"
        " black to white: they look dark.\nFor 12 bits set pixel_range=[0,4095]"
    ]


def test_with_their_range_they_are_the_image_of_8_bits():
    found = reader(asked=[0, 255 * 16])
    twelve, eight = found.all(saved(Image.fromarray(TWELVE)), saved(Image.fromarray(EIGHT)))
    np.testing.assert_array_equal(twelve.pixels, eight.pixels)
    np.testing.assert_array_equal(twelve.pixels[0], EIGHT * np.uint16(257))
    images, sizes = stacked([("a", twelve), ("b", eight)])
    assert images.dtype == torch.float32
    np.testing.assert_allclose(images[:, 0].numpy() * 255, np.stack([EIGHT, EIGHT]), rtol=1e-6)
    assert sizes == [(8, 8), (8, 8)]
    assert found.notes() == ["pixel_range: 1 image of 8 bits taken as 0 to 255"]


def test_what_is_asked_for_comes_before_what_was_trained():
    assert range_for(reader((1, 5))._shape, PredictOptions()) == (1, 5)
    assert range_for(reader((1, 5))._shape, PredictOptions(pixel_range=[2, 9])) == (2, 9)
    assert range_for(reader()._shape, PredictOptions()) is None


def test_images_of_8_bits_are_bytes_and_say_nothing():
    found = reader()
    (image,) = found.all(saved(Image.fromarray(EIGHT)))
    assert image.pixels.dtype == np.uint8
    assert stacked([("a", image)])[0].dtype == torch.uint8
    assert found.notes() == []


@pytest.mark.parametrize("trained", [None, (0, 4080)])
def test_every_form_of_12_bits_is_the_same_image(trained):
    signed = TWELVE.astype(np.int32)
    forms = [
        saved(Image.fromarray(TWELVE)),
        saved(Image.fromarray(TWELVE), "tiff"),
        saved(Image.fromarray(signed), "tiff"),
        Image.fromarray(TWELVE),
        Image.fromarray(signed),
        TWELVE,
        TWELVE.astype(">u2"),
        TWELVE[:, :, None],
        torch.from_numpy(TWELVE)[None],
    ]
    if trained:
        forms += [TWELVE.astype(np.float32), TWELVE.astype(np.int64), torch.from_numpy(signed)[None].half()]
        forms += [Image.fromarray(TWELVE.astype(np.float32)), torch.from_numpy(signed)[None]]
    for image in reader(trained).all(*forms):
        assert isinstance(image, DecodedImage), image
        np.testing.assert_array_equal(image.pixels[0], EIGHT * np.uint16(257) if trained else np.rint(TWELVE / 257))


@pytest.mark.parametrize("trained", [None, (0, 65535)])
def test_color_of_16_bits(trained):
    pixels = np.random.default_rng(0).integers(0, 65536, (8, 8, 3)).astype(np.uint16)
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    for image in reader(trained, channels=3).all(pixels, tensor):
        found = image.pixels.transpose(1, 2, 0)
        np.testing.assert_array_equal(found, pixels if trained else pixels >> 8)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (np.array([[0.0, np.nan]]), "NaN or infinite in 1 of 2 values"),
        (np.zeros((2, 2), bool), "numbers in the units of pixel_range"),
        (np.zeros((2, 2, 4)), "transparency, which is read of uint8 and uint16 alone"),
        (torch.zeros(1, 2, 2, dtype=torch.complex64), "numbers in the units of pixel_range"),
    ],
)
def test_what_a_range_cannot_bring_to_pixels_is_refused(raw, words):
    (error,) = reader((0, 10)).all(raw)
    assert isinstance(error, UnreadableImage)
    assert words in str(error)


def test_integers_without_a_range_are_refused_as_ever():
    (error,) = reader().all(np.zeros((8, 8), np.int32))
    assert "int32 of shape (8, 8), while an array is (H, W)" in str(error)
    assert "uint8, uint16 or float from 0 to 1" in str(error)


def test_images_beyond_the_range_are_counted():
    found = reader((100, 200))
    inside, beyond = np.full((8, 8), 150, np.uint16), np.full((8, 8), 300, np.uint16)
    found.all(inside, beyond, beyond)
    assert found.notes() == [
        "pixel_range: 2 images of 3 have over 5% of their values outside of 100 to 200, where they are clipped; all"
        " values run from 150 to 300. pixel_range=[low,high] sets another range"
    ]
