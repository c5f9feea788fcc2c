"""Color augmentation of a batch of images, with random amounts per image.

Images are (B, C, H, W) float in [0, 1] and stay so, amounts are (B,). An image without three channels has no
saturation and no hue: it comes back as it is. Each function equals its counterpart adjust_... or namesake in
torchvision.transforms.v2.functional, which takes one amount for the whole batch.
"""

import torch
from torch import Tensor, nn

from sensorium.randomness import ExampleRandom
from sensorium.vision.checks import number

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601, rounded as torchvision and Pillow have it


def _spread(amounts: Tensor) -> Tensor:
    return amounts[:, None, None, None]


def _blend(images: Tensor, others: Tensor, weight: Tensor) -> Tensor:
    """weight = 1 is the image, 0 the other one, above 1 beyond the image."""
    return (others + (images - others) * _spread(weight)).clamp_(0, 1)


def gray(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, H, W): luma of three channels, the mean of any other number."""
    channels = images.shape[1]
    weights = _LUMA if channels == 3 else (1 / channels,) * channels
    luma = images[:, :1] * weights[0]
    for channel in range(1, channels):
        luma = luma + images[:, channel : channel + 1] * weights[channel]
    return luma


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """factor: 0 is black, 1 the image."""
    return (images * _spread(factor)).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """factor: 0 is even gray of the image's mean luma, 1 the image."""
    luma = gray(images)
    # A sum of integers has no rounding, hence no order: a float mean may differ with the batch and the device.
    total = (luma * 2**24).long().sum((1, 2, 3), keepdim=True)
    return _blend(images, total.float() / (luma[0].numel() * 2.0**24), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """factor: 0 is gray, 1 the image."""
    return _blend(images, gray(images), factor) if images.shape[1] == 3 else images


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """turn: share of the color circle, -0.5 to 0.5; red to green is 1/3."""
    if images.shape[1] != 3:
        return images
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    divisor = torch.where(chroma == 0, 1.0, chroma)
    # The circle in sixths: 0 red, 2 green, 4 blue.
    angle = torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor)
    angle = torch.where(value == red, (green - blue) / divisor, angle)
    angle = (angle + 6 * turn[:, None, None]) % 6
    ramps = ((angle - 3).abs() - 1, 2 - (angle - 2).abs(), 2 - (angle - 4).abs())
    return torch.stack([value - chroma * (1 - ramp.clamp(0, 1)) for ramp in ramps], dim=1)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the first bits, (B,) rounded to whole ones, of each value."""
    levels = _spread((1 << bits.round().long()).float())
    return (images * levels).floor_().minimum(levels - 1) / levels


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Inverts the values from the threshold on."""
    return torch.where(images >= _spread(threshold), 1 - images, images)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """factor: 0 is smoothed by a 3x3 kernel (middle 5/13, others 1/13), 1 the image; the outermost pixels stay."""
    height, width = images.shape[-2:]
    if min(height, width) < 3:
        return images
    # Sums of shifted images: a convolution may choose another algorithm, and rounding, for another batch size.
    columns = images[..., :-2] + images[..., 1:-1] + images[..., 2:]
    square = columns[..., :-2, :] + columns[..., 1:-1, :] + columns[..., 2:, :]
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = (square + 4 * images[..., 1:-1, 1:-1]) / 13
    return _blend(images, smooth, factor)


class ColourJitter(nn.Module):
    """Brightness, contrast, saturation and hue, in this order, each changed by a random amount.

    brightness, contrast, saturation: b draws a factor evenly from max(0, 1 - b) to 1 + b. hue: h draws a turn of the
    color circle evenly from -h to h, at most 0.5. An amount of 0 leaves the step out.
    """

    def __init__(self, *, brightness: float, contrast: float, saturation: float, hue: float) -> None:
        super().__init__()
        self.brightness = number("brightness", brightness, 0.0)
        self.contrast = number("contrast", contrast, 0.0)
        self.saturation = number("saturation", saturation, 0.0)
        self.hue = number("hue", hue, 0.0, 0.5)

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        draws = random.uniform(4).unbind(1)
        steps = ((brightness, self.brightness), (contrast, self.contrast), (saturation, self.saturation))
        for (change, amount), draw in zip(steps, draws, strict=False):
            if amount:
                low = max(0.0, 1 - amount)
                images = change(images, low + (1 + amount - low) * draw)
        return hue(images, self.hue * (2 * draws[3] - 1)) if self.hue else images
