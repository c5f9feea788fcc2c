"""Downloads, made once and kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensorium.data.cache import locked
from sensorium.errors import RequestError


@contextmanager
def fetched(name: str, folder: Path) -> Iterator[None]:
    """Around a download of torchvision's into a folder: one process at a time, and its failure as a RequestError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock"):
            yield
    except (OSError, RuntimeError) as error:
        raise RequestError(
            f"{name} cannot be fetched into {folder}: {(str(error).splitlines() or [repr(error)])[0]}\n"
            "Without a network, put its files there by hand; dataset.download=false lists them."
        ) from error
