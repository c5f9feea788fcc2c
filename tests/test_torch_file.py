"""Files of torch.save: what is no data, is larger than it looks or has changed is not opened."""

import zipfile
from pathlib import Path

import pytest
import torch

from sensorium.nn.transfer import DAMAGED
from sensorium.torch_file import check_tensors, open_as_data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.save({"weight": torch.arange(8.0)}, tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


@pytest.mark.parametrize("mmap", [False, True])
def test_what_was_saved_is_opened(path: Path, mmap: bool) -> None:
    assert open_as_data(path, mmap=mmap)["weight"].tolist() == list(range(8))


@pytest.mark.parametrize("mmap", [False, True])
def test_a_changed_byte_of_a_tensor_is_found(path: Path, mmap: bool) -> None:
    content = path.read_bytes()
    place = content.index(torch.arange(8.0).numpy().tobytes())
    path.write_bytes(content[:place] + b"\1" + content[place + 1 :])
    assert open_as_data(path, intact=False)["weight"][0] != 0
    with pytest.raises(ValueError, match=r"the checksum of .* is wrong"):
        open_as_data(path, mmap=mmap)


def rewritten(path: Path, compression: int) -> Path:
    """The same entries in an archive made by zipfile."""
    again = path.with_name("b.ckpt")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(again, "w", compression) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry) if entry.file_size else b"")
        target.writestr(f"{entry.filename.partition('/')[0]}/.data/more", bytes(range(256)) * 4)
    return again


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_compressed_entries_are_refused(path: Path, compression: int) -> None:
    """In words, whatever their content is: they are unpacked by nothing."""
    with pytest.raises(ValueError, match="entries are"):
        open_as_data(rewritten(path, compression))


@pytest.mark.parametrize("size", [0, 1, 30, 300])
def test_a_file_that_was_cut_short_is_damaged(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DAMAGED):
        open_as_data(path)


def test_a_tensor_of_more_elements_than_are_stored_is_refused() -> None:
    check_tensors({"a": [torch.zeros(3), (torch.zeros(2, 2),)]})
    with pytest.raises(ValueError, match="more elements than are stored"):
        check_tensors({"a": [torch.zeros(1).expand(10**9)]})
