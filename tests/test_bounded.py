"""What a checkpoint may ask for: its weights, and what is known of data, bound it; nothing large is ever allocated."""

import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sensorium import checkpoint
from sensorium.bounded import check_decoding
from sensorium.build import load_model, model_of
from sensorium.errors import RequestError, RunError, SensoriumError
from sensorium.tasks.decoding_settings import BeamSettings, CTCSettings, settings_from

KEPT = Path(__file__).parent / "fixtures" / "checkpoints" / "format_2"
MEMORY = 2e9  # bytes that refusing may take beside what the tests have


@pytest.fixture
def little_memory() -> Any:
    """Beyond so many bytes more than now, this process is refused memory."""
    (used,) = [int(line.split()[1]) * 1000 for line in Path("/proc/self/status").read_text().splitlines()
               if line.startswith("VmSize:")]  # fmt: skip
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(used + MEMORY), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def changed(kind: str, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A checkpoint whose description somebody has altered."""
    payload = torch.load(KEPT / f"{kind}.ckpt", weights_only=True)
    change(payload["sensorium"])
    torch.save(payload, folder / "altered.ckpt")
    return folder / "altered.ckpt"


def in_model(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda about: about["config"]["model"].update(values)


def in_spec(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda about: about["spec"].update(values)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("image", in_model(width=200_000), "asks for a larger model"),
        ("image", in_model(width=10**12), "asks for a size of 1000000000000"),
        ("text", in_model(hidden_size=200_000), "asks for a larger model"),
        ("text", in_model(num_layers=900_000), "asks for a larger model"),
        ("language", in_model(depth=900_000), "asks for a larger model"),
        ("translation", in_model(embedding_size=900_000), "asks for a larger model"),
        ("speech", in_model(hidden_size=2_000), "asks for a larger model"),
        ("image", in_spec(image_size=[100_000, 100_000]), r"image_size is \[100000,100000\]; at most 67,108,864 pix"),
        ("image", in_spec(in_channels=10**9), "in_channels is 1000000000; at most 10,000"),
        ("language", in_spec(context=10**12), "context is 1000000000000; at most 10,000,000"),
        ("sound", lambda about: about["spec"]["features"].update(sample_rate=10**12), "sample_rate is 1000000000000"),
        ("speech", lambda about: about["spec"]["features"].update(window=1e9), "window is 1000000000.0; at most 60"),
    ],
)
def test_what_is_too_large_is_refused(
    tmp_path: Path, kind: str, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(SensoriumError, match=message):
        load_model(changed(kind, tmp_path, change), accelerator="cpu")


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.ckpt")), ids=lambda path: path.stem)
def test_what_was_trained_is_within_the_bounds(path: Path) -> None:
    load_model(path, accelerator="cpu")


def test_a_slightly_larger_model_is_refused_by_its_shapes(tmp_path: Path) -> None:
    path = changed("image", tmp_path, in_model(width=5))
    with pytest.raises(RunError, match="its weights do not fit its config: "):
        model_of(checkpoint.read(path), trust=False)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(("size", "stride"), [((10**6, 10**6), (0, 0)), ((10**12,), (0,)), ((3, 10**9), (1, 0))])
def test_a_tensor_of_more_elements_than_are_stored(
    tmp_path: Path, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    payload = torch.load(KEPT / "image.ckpt", weights_only=True)
    name = next(iter(payload["state_dict"]))
    payload["state_dict"][name] = torch.ones(3).as_strided(size, stride)
    torch.save(payload, tmp_path / "strided.ckpt")
    with pytest.raises(RequestError, match="is incomplete: it cannot be opened as data"):
        checkpoint.read(tmp_path / "strided.ckpt")


@pytest.mark.usefixtures("little_memory")
def test_an_archive_that_unpacks_to_more_than_the_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(KEPT / "image.ckpt") as kept, zipfile.ZipFile(tmp_path / "bomb.ckpt", "w") as bomb:
        for entry in kept.infolist():
            bomb.writestr(entry.filename, kept.read(entry))
        bomb.writestr("archive/data/99", bytes(10**8), compress_type=zipfile.ZIP_DEFLATED)
    assert (tmp_path / "bomb.ckpt").stat().st_size < 10**6
    with pytest.raises(RequestError, match="is incomplete: it cannot be opened as data"):
        checkpoint.read(tmp_path / "bomb.ckpt")


def test_files_that_a_checkpoint_names_are_not_opened_unasked(tmp_path: Path) -> None:
    path = changed("speech", tmp_path, lambda about: about["config"].update(decoding={"lexicon": "/etc/passwd"}))
    with pytest.raises(RequestError, match=r"names a file .*: decoding.lexicon=/etc/passwd.\n.*trust=true"):
        load_model(path, accelerator="cpu")
    assert load_model(path, accelerator="cpu", trust=True).decoding["lexicon"] == "/etc/passwd"
    mine = load_model(path, accelerator="cpu", decoding={"lexicon": "words.txt"})
    assert mine.decoding["lexicon"] == "words.txt"
    for harmless in (None, "none", "own"):
        check_decoding({"language_model": harmless}, {}, path)


@pytest.mark.parametrize("kind", [BeamSettings, CTCSettings])
def test_a_beam_that_no_memory_holds(kind: Any) -> None:
    with pytest.raises(RequestError, match=r"beam_size=1000000000 is not possible. Allowed: .* from 1 to 10,000"):
        settings_from(kind, {"beam_size": 10**9})
    assert settings_from(kind, {"beam_size": 10_000}).beam_size == 10_000
