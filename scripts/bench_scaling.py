"""What bounds a training on many devices, measured here: reading, all-reduce, writing checkpoints (docs/scaling.md).

    python scripts/bench_scaling.py

Prints images read and decoded a second, seconds of an all-reduce between two processes by its size with the latency and
bandwidth that fit them, and seconds of writing a checkpoint; then what docs/scaling.md computes from such figures.
"""

import multiprocessing
import os
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
import torchvision
from PIL import Image
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from sensorium import checkpoint_shards
from sensorium.checkpoint import save_atomically
from sensorium.training.sharding import gathered
from sensorium.vision.decode import decode_image

ROUNDS = 5
SIZES = (4, 2**16, 2**20, 2**23, 2**25, 2**27)  # bytes of an all-reduce
GIGABIT = 1e9 / 8


def median(work: Callable[[], object]) -> float:
    """Seconds, of some rounds behind one that does not count."""
    work()
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def photos(folder: Path, count: int = 64) -> list[Path]:
    """JPEG files as those of ImageNet: 500x375, about 100 kB."""
    random = np.random.default_rng(0)
    paths = [folder / f"{place:03}.jpg" for place in range(count)]
    for path in paths:
        coarse = Image.fromarray(random.integers(0, 256, (40, 52, 3), dtype=np.uint8)).resize((500, 375))
        noise = random.normal(0, 12, (375, 500, 3))
        Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def reading(folder: Path) -> None:
    """Images a second on one core: from files, and cut from a memory map of decoded ones."""
    paths = photos(folder)
    size = sum(path.stat().st_size for path in paths) / len(paths) / 1e3
    files = median(
        lambda: [decode_image(path, image_size=(224, 224), in_channels=3, resize="crop") for path in paths]
    ) / len(paths)
    mapped = np.lib.format.open_memmap(folder / "a.npy", mode="w+", dtype=np.uint8, shape=(2048, 3, 224, 224))
    rows = np.sort(np.random.default_rng(0).permutation(2048)[:256])
    cached = median(lambda: mapped[rows]) / len(rows)
    print(f"reading to 224x224, one core: {1 / files:,.0f} JPEG files of {size:.0f} kB a second; ", end="")
    print(f"{1 / cached:,.0f} images of a memory map")


def _reduce(rank: int, port: int, answer: "multiprocessing.Queue[list[float]]") -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    found = []
    for size in SIZES:
        values = torch.zeros(max(1, size // 4))
        found.append(median(lambda values=values: torch.distributed.all_reduce(values)))
    if rank == 0:
        answer.put(found)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def by_two(work: Callable[..., None], *arguments: object) -> Any:
    """What the first of two processes answers, each of which is called with its rank and a port to meet at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    members = [context.Process(target=work, args=(rank, port, *arguments, answer)) for rank in range(2)]
    for member in members:
        member.start()
    found = answer.get(timeout=600)
    for member in members:
        member.join()
    return found


def reducing() -> None:
    """Seconds by size, and the line through them."""
    found = by_two(_reduce)
    print("all-reduce of two processes, gloo on the loopback: ", end="")
    print(
        ", ".join(
            f"{size / 2**20:,.3g} MiB {seconds * 1e3:,.2f} ms" for size, seconds in zip(SIZES, found, strict=True)
        )
    )
    latency, bandwidth = found[0], SIZES[-1] / (found[-1] - found[0])
    print(f"  latency {latency * 1e6:,.0f} us, bandwidth {bandwidth / GIGABIT:,.1f} Gbit/s")


def writing(folder: Path) -> None:
    """Seconds of last.ckpt with AdamW's two moments, and of best.ckpt with the weights alone."""
    models = {
        "resnet18": torchvision.models.resnet18,
        "resnet50": torchvision.models.resnet50,
        "vit_b_16": torchvision.models.vit_b_16,
    }
    for name, build in models.items():
        weights = build(weights=None).state_dict()
        moments = {f"{kind}.{key}": value.clone() for kind in ("m", "v") for key, value in weights.items()}
        parameters = sum(value.numel() for value in weights.values()) / 1e6
        for file, payload in (("best", weights), ("last", weights | moments)):
            path = folder / f"{file}.ckpt"
            taken = median(lambda payload=payload, path=path: save_atomically({"state_dict": payload}, path))
            size = path.stat().st_size / 1e6
            print(
                f"{name} ({parameters:.1f} M), {file}.ckpt: {size:,.0f} MB in {taken:.2f} s, {size / taken:,.0f} MB/s"
            )


def _save_together(rank: int, port: int, folder: Path, answer: "multiprocessing.Queue[tuple[float, ...]]") -> None:
    """A model of two processes: seconds of gathering last.ckpt in the first one, and of writing it in shards."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    model = torchvision.models.vit_b_16(weights=None)
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
    weights = model.state_dict()
    moments = {f"{kind}.{key}": value.clone() for kind in ("m", "v") for key, value in weights.items()}
    payload, path = {"state_dict": weights | moments}, folder / "last.ckpt"

    def gather() -> None:
        whole = checkpoint_shards.mapped(payload, lambda one: gathered(one, keep=rank == 0))
        if rank == 0:
            save_atomically(whole, path)
        torch.distributed.barrier()

    def write() -> None:
        rest, rows = checkpoint_shards.take_out(payload, lambda one: one.to_local())
        checkpoint_shards.write(folder / "last.shards", rows, rank=rank, processes=2)
        torch.distributed.barrier()
        if rank == 0:
            save_atomically(rest, path)

    in_shards, before = median(write), _peak()
    whole, after = median(gather), _peak()
    if rank == 0:
        answer.put((in_shards, whole, after - before))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def saving_together(folder: Path) -> None:
    """With strategy=fsdp, where no process holds the whole model."""
    in_shards, whole, more = by_two(_save_together, folder)
    print(f"vit_b_16 on two processes, last.ckpt: in shards {in_shards:.2f} s; ", end="")
    print(f"gathered by the first one {whole:.2f} s, with {more:,.0f} MB more of its memory")


def ring(parameters: float, devices: int, *, gigabits: float, latency: float) -> float:
    """Seconds of a ring all-reduce of float32 gradients."""
    steps = 2 * (devices - 1)
    return steps * latency + steps / devices * 4 * parameters / (gigabits * GIGABIT)


def expected() -> None:
    """Shares of the step that stay computation, by the formulas of docs/scaling.md."""
    print("\nefficiency of a step of 0.25 s, 64 images a device, if the all-reduce overlaps with half of it")
    print("model       devices  10 Gbit/s  100 Gbit/s  400 Gbit/s")
    for name, parameters in (("resnet50", 25.6e6), ("vit_b_16", 86.6e6)):
        for devices in (8, 64, 512):
            shares = []
            for gigabits in (10, 100, 400):
                waits = max(0.0, ring(parameters, devices, gigabits=gigabits, latency=20e-6) - 0.125)
                shares.append(0.25 / (0.25 + waits))
            print(f"{name:<10} {devices:>8} " + " ".join(f"{share:>10.0%}" for share in shares))


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        reading(Path(name))
        reducing()
        writing(Path(name))
        saving_together(Path(name))
    expected()


if __name__ == "__main__":
    main()
