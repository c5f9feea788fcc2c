"""What can be said about any data set of picture files, and what is told of it."""

from collections.abc import Sequence

from sensorium.data.cache import CachedImages
from sensorium.data.vision.store import Channels, check_settings, parse_size
from sensorium.errors import RequestError
from sensorium.specs import Resize


class PictureSettings:
    """The settings, checked."""

    def __init__(
        self,
        *,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        check_settings(resize=resize, channels=channels, val_fraction=val_fraction, test_fraction=test_fraction)
        if not isinstance(cache_bytes, int) or cache_bytes < 0:
            raise RequestError(f"dataset.cache_bytes={cache_bytes}: give a whole number of bytes; 0 keeps nothing.")
        self._image_size, self._resize, self._channels = parse_size(image_size), resize, channels
        self._cache_bytes, self._split_seed = cache_bytes, split_seed
        self._fractions = {"test": test_fraction, "val": val_fraction}


def choose_channels(grey: Sequence[bool]) -> tuple[int, str]:
    """How many channels pictures get of which these are grey or not, and why."""
    told = "all" if all(grey) else "not all"
    channels = 1 if all(grey) else 3
    return channels, f"channels: {channels}, for the {len(grey)} pictures looked at are {told} grey"


def room_note(images: CachedImages) -> list[str]:
    """What the cache had no room for, if anything."""
    if images.cached == len(images.store):
        return []
    return [
        f"{images.cached:,} of {len(images.store):,} pictures are kept decoded; dataset.cache_bytes has no room for the"
        " others, which are decoded at each read"
    ]
