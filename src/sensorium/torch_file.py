"""Files as torch.save writes them, opened as data: nothing in them is executed, and none is larger than it looks."""

import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch


def save(payload: dict[str, Any], file: BinaryIO) -> None:
    """torch.save. Raises the OSError (a full disk) that it hides behind a RuntimeError about a position in the file."""
    try:
        torch.save(payload, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def open_as_data(path: Path, *, mmap: bool = False, intact: bool = True) -> Any:
    """What was saved, on the CPU. Raises `nn.transfer.DAMAGED`.

    mmap: tensors are read when they are used. intact: whether checksums are compared, for which everything is read.
    """
    _check_entries(path, intact=intact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # guesses about the pickle protocol of other files
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)


def _check_entries(path: Path, *, intact: bool) -> None:
    """Refuses an archive that is larger once it is unpacked than as a file (torch stores tensors as they are), or of
    which a byte has changed since.
    """
    if starts_like_zip(path):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise ValueError("its entries are larger than the file")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("its entries are compressed")
            if intact and (changed := archive.testzip()) is not None:
                raise ValueError(f"the checksum of {changed} is wrong")


def check_tensors(value: Any) -> None:
    """Refuses a tensor of more elements than are stored for it: what is made from it would be as large."""
    if isinstance(value, torch.Tensor):
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError("a tensor has more elements than are stored")
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            check_tensors(inner)


def starts_like_zip(path: Path) -> bool:
    """Whether it begins as the archives of torch.save do."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"
