"""Checkpoints in shards: what several processes wrote is put together to the same tensors, or refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sensorium import checkpoint_shards as shards
from sensorium.errors import RequestError

WEIGHT = torch.arange(15.0).reshape(5, 3)
MOMENT = torch.arange(15.0).reshape(5, 3) + 100
ROWS = ((0, 2), (2, 4), (4, 5), (5, 5))  # of five, as four processes have them


def payload() -> dict[str, Any]:
    kept = {"step": torch.tensor(7.0), "exp_avg": MOMENT}
    return {
        "state_dict": {"model.weight": WEIGHT, "model.mean": torch.ones(3)},
        "optimizer_states": [{"state": {0: kept}, "param_groups": [{"params": [0], "betas": (0.9, 0.99)}]}],
        "epoch": 3,
    }


def saved(folder: Path) -> Path:
    """A checkpoint of four processes, each with its rows."""
    name = shards.new_folder()
    folder.mkdir(exist_ok=True)
    for rank, (first, last) in enumerate(ROWS):

        def rows(value: Any, first: int = first, last: int = last) -> torch.Tensor | None:
            return value[first:last].clone() if value is WEIGHT or value is MOMENT else None

        left, taken = shards.take_out(payload(), rows)
        shards.write(folder / name, taken, rank=rank, processes=4)
    path = folder / "last.ckpt"
    torch.save(left | {shards.SHARDS: {"folder": name, "processes": 4}}, path)
    return path


def raw(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def folder_of(path: Path) -> Path:
    return path.parent / raw(path)[shards.SHARDS]["folder"]


def test_the_whole_is_as_it_was(tmp_path: Path) -> None:
    path = saved(tmp_path)
    found = shards.join(raw(path), path)
    assert found.keys() == payload().keys()
    assert list(found["state_dict"]) == ["model.weight", "model.mean"]
    assert torch.equal(found["state_dict"]["model.weight"], WEIGHT)
    assert torch.equal(found["state_dict"]["model.mean"], torch.ones(3))
    (state,) = found["optimizer_states"]
    assert torch.equal(state["state"][0]["exp_avg"], MOMENT)
    assert state["state"][0]["step"] == 7
    assert state["param_groups"] == [{"params": [0], "betas": (0.9, 0.99)}]
    assert found["epoch"] == 3


def test_a_shard_holds_its_rows_alone(tmp_path: Path) -> None:
    files = sorted(folder_of(saved(tmp_path)).iterdir())
    assert [file.name for file in files] == [f"{rank:05d}-of-00004.pt" for rank in range(4)]
    assert [[len(one) for one in raw(file)["tensors"]] for file in files] == [[2, 2], [2, 2], [1, 1], [0, 0]]


@pytest.mark.parametrize(("first", "count"), [(0, 5), (1, 3), (0, 1), (4, 1), (3, 2), (5, 0), (2, 0)])
def test_rows_are_cut_across_shards(tmp_path: Path, first: int, count: int) -> None:
    path = saved(tmp_path)
    kept = shards.join(raw(path), path, whole=False)["optimizer_states"][0]["state"][0]["exp_avg"]
    assert isinstance(kept, shards.ShardedTensor)
    assert kept.shape == (5, 3)
    assert torch.equal(kept.rows(first, count), MOMENT[first : first + count])


def test_a_payload_without_shards_stays_itself(tmp_path: Path) -> None:
    whole = payload()
    assert shards.join(whole, tmp_path / "last.ckpt") is whole
    assert shards.mapped(whole, lambda value: value) is whole


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path)
    (folder_of(path) / "00002-of-00004.pt").unlink()
    with pytest.raises(RequestError, match=r"00002-of-00004\.pt is missing.*\nKeep the folder of shards beside it"):
        shards.join(raw(path), path)


@pytest.mark.parametrize("size", [0, 10, 700])
def test_a_shard_that_was_cut_short_is_named(tmp_path: Path, size: int) -> None:
    path = saved(tmp_path)
    shard = folder_of(path) / "00001-of-00004.pt"
    shard.write_bytes(shard.read_bytes()[:size])
    with pytest.raises(RequestError, match=r"is incomplete: .*00001-of-00004\.pt is damaged, or of another checkpoint"):
        shards.join(raw(path), path)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    """By the checksums of the file: the tensors would be of the right shapes."""
    path = saved(tmp_path)
    shard = folder_of(path) / "00001-of-00004.pt"
    content = bytearray(shard.read_bytes())
    place = content.index(torch.tensor([6.0, 7.0, 8.0]).numpy().tobytes())  # in the third row of WEIGHT
    content[place] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(RequestError, match=r"00001-of-00004\.pt is damaged"):
        shards.join(raw(path), path)


@pytest.mark.parametrize("taken", ["00000-of-00004.pt", "other"])
def test_a_shard_of_another_process_or_checkpoint_is_refused(tmp_path: Path, taken: str) -> None:
    path, folder = saved(tmp_path / "one"), saved(tmp_path / "two")
    source = folder_of(folder) / "00001-of-00004.pt" if taken == "other" else folder_of(path) / taken
    shutil.copy(source, folder_of(path) / "00001-of-00004.pt")
    with pytest.raises(RequestError, match=r"00001-of-00004\.pt is damaged, or of another checkpoint"):
        shards.join(raw(path), path)


def altered(path: Path, tensors: list[torch.Tensor]) -> None:
    """Gives the second shard of a checkpoint other rows."""
    shard = folder_of(path) / "00001-of-00004.pt"
    torch.save(raw(shard) | {"tensors": tensors}, shard)


@pytest.mark.parametrize(
    "tensors",
    [[torch.zeros(1, 3), torch.zeros(2, 3)], [torch.zeros(2, 3, dtype=torch.int64)] * 2, [torch.zeros(2, 3)], []],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, tensors: list[torch.Tensor]) -> None:
    path = saved(tmp_path)
    altered(path, tensors)
    with pytest.raises(RequestError, match="its shards do not fit it"):
        shards.join(raw(path), path)


@pytest.mark.parametrize("processes", [float("inf"), float("nan"), "many", None, 0])
def test_a_number_of_processes_that_is_none_is_refused(tmp_path: Path, processes: Any) -> None:
    path = saved(tmp_path)
    content = raw(path)
    content[shards.SHARDS]["processes"] = processes
    with pytest.raises(RequestError, match="its shards do not fit it"):
        shards.join(content, path)


@pytest.mark.parametrize("folder", ["..", "/tmp", "last-00000000.shards/../..", "", None, 3])
def test_shards_elsewhere_are_not_opened(tmp_path: Path, folder: Any) -> None:
    about = payload() | {shards.SHARDS: {"folder": folder, "processes": 1}}
    with pytest.raises(RequestError, match="its shards do not fit it"):
        shards.join(about, tmp_path / "last.ckpt")


def test_a_tensor_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    """A small file could otherwise become a large memory."""
    path = saved(tmp_path)
    content = raw(path)
    content["state_dict"]["copy"] = content["state_dict"]["model.weight"]
    with pytest.raises(RequestError, match="its shards do not fit it"):
        shards.join(content, path)


def test_shards_go_when_no_checkpoint_names_them(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.rename(tmp_path / "previous.ckpt")
    second = folder_of(saved(tmp_path))
    left_over, other = tmp_path / shards.new_folder(), tmp_path / "mine.shards"
    left_over.mkdir()
    other.mkdir()
    shards.remove_unnamed(tmp_path)
    first = folder_of(tmp_path / "previous.ckpt")
    assert {one for one in tmp_path.iterdir() if one.is_dir()} == {first, second, other}
    (tmp_path / "previous.ckpt").rename(tmp_path / "keep.ckpt")
    shards.remove_unnamed(tmp_path)
    assert first.exists()
    (tmp_path / "keep.ckpt").unlink()
    shards.remove_unnamed(tmp_path)
    assert {one for one in tmp_path.iterdir() if one.is_dir()} == {second, other}


def test_a_copy_without_its_folder_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    copy = Path(shutil.copy(path, tmp_path.joinpath("elsewhere.ckpt")))
    shutil.move(folder_of(path), tmp_path / "gone")
    with pytest.raises(RequestError, match=r"elsewhere\.ckpt is incomplete: .*00000-of-00004\.pt is missing"):
        shards.join(raw(copy), copy)


def test_shards_stay_while_a_checkpoint_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that does not answer for a moment; of a damaged one nothing would be left to open."""
    path = saved(tmp_path)
    folder = folder_of(path)

    def failing(*given: Any, **options: Any) -> None:
        raise OSError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(shards, "open_as_data", failing)
        shards.remove_unnamed(tmp_path)
    assert folder.exists()
    path.write_bytes(b"PK damaged")
    shards.remove_unnamed(tmp_path)
    assert not folder.exists()
