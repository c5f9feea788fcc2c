"""Shards larger than memory: time of the index, memory while training, throughput beside the mapped cache.

Usage: python scripts/bench_shards.py images|text|audio FOLDER [--count N] [--steps N]

Writes synthetic shards into FOLDER/KIND unless they are there (images: a million PNG of 8 x 8, 2 GB; text: ten million
lines in a thousand documents, 0.6 GB; audio: 200 hours at 8 kHz in clips of 10 s, 12 GB), trains a small model on them
for some steps and prints the resident memory in between; then reads the same batches from the shards and, but for
audio of 12 GB and more, from the mapped cache in turn. SENSORIUM_CACHE is FOLDER/cache. Delete FOLDER afterwards.
"""

import argparse
import itertools
import os
import resource
import struct
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarking import alternate, compose, show
from sensorium.audio.features import Features
from sensorium.build import build_model, load_data, make_loader
from sensorium.data.base import Data

COUNTS = {"images": 1_000_000, "text": 1_000, "audio": 72_000}
PER_SHARD = {"images": 10_000, "text": 10, "audio": 1_000}
LINES = 10_000  # of a document
RATE, SECONDS = 8_000, 10
CPU = torch.device("cpu")


def header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT)


def write(folder: Path, kind: str, count: int, samples: Iterator[dict[str, bytes]]) -> None:
    """Shards of these samples; the last twentieth of them are val and test."""
    folder.mkdir(parents=True)
    shards = -(-count // PER_SHARD[kind])
    held = max(1, shards // 40)
    for number in range(shards):
        split = "test" if number >= shards - held else "val" if number >= shards - 2 * held else "train"
        with (folder / f"{split}-{number:06d}.tar").open("wb") as file:
            for place, fields in enumerate(itertools.islice(samples, PER_SHARD[kind])):
                for extension, content in fields.items():
                    file.write(header(f"{place:06d}.{extension}", len(content)))
                    file.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
            file.write(bytes(2 * tarfile.BLOCKSIZE))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def images(count: int) -> Iterator[dict[str, bytes]]:
    """Gray PNG of 8 x 8 in two classes, one brighter than the other."""
    numbers = np.random.default_rng(0)
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    for number in range(count):
        rows = numbers.integers(0, 128, (8, 8), dtype=np.uint8) + np.uint8(number % 2 * 100)
        data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
        yield {"png": head + chunk(b"IDAT", data) + chunk(b"IEND", b""), "cls": b"%d" % (number % 2)}


def text(count: int) -> Iterator[dict[str, bytes]]:
    """Documents of LINES lines of ten words."""
    numbers = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(2000)])
    for _ in range(count):
        lines = words[numbers.integers(0, len(words), (LINES, 10))].tolist()
        yield {"txt": "".join(f"{' '.join(line)}\n" for line in lines).encode()}


def audio(count: int) -> Iterator[dict[str, bytes]]:
    """16-bit WAV of noise and one of two tones."""
    numbers = np.random.default_rng(0)
    noise = numbers.normal(0, 2000, RATE * SECONDS * 4)
    times = np.arange(RATE * SECONDS) / RATE
    tones = [8000 * np.sin(2 * np.pi * pitch * times) for pitch in (300, 900)]
    for number in range(count):
        start = 3 * number % (len(noise) - len(times))  # no clip is there twice
        samples = (noise[start : start + len(times)] + tones[number % 2]).astype("<i2").tobytes()
        head = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt "
        head += struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) + b"data" + struct.pack("<I", len(samples))
        yield {"wav": head + samples, "cls": b"%d" % (number % 2)}


MAKERS: dict[str, Callable[[int], Iterator[dict[str, bytes]]]] = {"images": images, "text": text, "audio": audio}
OVERRIDES = {
    "images": ("dataset=image_shards", "model=lenet", "batch_size=256", "dataset.image_size=8"),
    "text": ("dataset=document_shards", "dataset.tokenizer=word", "batch_size=32"),
    "audio": ("dataset=audio_shards", "batch_size=32", "dataset.sample_rate=8000"),
}
NEAR = {
    "images": ("dataset.cache_bytes=0", "dataset.shuffle_window=20000"),
    "text": (),
    "audio": ("dataset.cache=none", "dataset.shuffle_window=2000"),
}
MAPPED = {"images": ("dataset.cache_bytes=4000000000",), "text": (), "audio": ("dataset.cache=samples",)}


def memory() -> str:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"resident {pages * os.sysconf('SC_PAGE_SIZE') / 1e6:,.0f} MB, peak {peak:,.0f} MiB"


def batches(data: Data, config: Any, count: int) -> Iterator[Any]:
    loader = make_loader(config, data.train, shuffle=True, device=CPU)
    epoch = 0
    while count > 0:
        loader.sampler.set_epoch(epoch)
        for batch in itertools.islice(loader, count):
            count -= 1
            yield batch
        epoch += 1


def prepared(batch: Any, extract: Features | None) -> tuple[Any, ...]:
    """What the model is called with: features of recordings, images as floats."""
    if extract is not None:
        return tuple(extract(*batch.inputs))
    return tuple(given.float() / 255 if given.dtype == torch.uint8 else given for given in batch.inputs)


def train(data: Data, config: Any, steps: int) -> None:
    """Some steps of a small model, memory in between."""
    torch.manual_seed(0)
    model = build_model(config.model, data.spec, seed=0)
    extract = Features(**data.spec.features) if hasattr(data.spec, "features") else None
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    started = time.perf_counter()
    for number, batch in enumerate(batches(data, config, steps)):
        outputs = model(*prepared(batch, extract))
        loss = (outputs[0] if isinstance(outputs, tuple) else outputs).float().square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if number % max(1, steps // 5) == 0 or number == steps - 1:
            print(f"  step {number:>6}: {memory()}, {time.perf_counter() - started:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("kind", choices=tuple(MAKERS), help="what the shards hold")
    parser.add_argument("folder", type=Path, help="where shards and caches go")
    parser.add_argument("--count", type=int, help="samples (default: those above)")
    parser.add_argument("--steps", type=int, default=500, help="training steps (default: 500)")
    parser.add_argument("--no-compare", action="store_true", help="without the mapped cache")
    arguments = parser.parse_args()
    kind, root = arguments.kind, arguments.folder / arguments.kind
    os.environ["SENSORIUM_CACHE"] = str(arguments.folder / "cache")
    if not root.exists():
        started = time.perf_counter()
        count = arguments.count or COUNTS[kind]
        write(root, kind, count, MAKERS[kind](count))
        print(f"written in {time.perf_counter() - started:.0f} s")
    size = sum(file.stat().st_size for file in root.iterdir())
    print(f"{len(list(root.iterdir())):,} shards of {size / 1e9:.2f} GB; {memory()}")
    config = compose(*OVERRIDES[kind], *NEAR[kind], f"dataset.root={root}")
    for start in ("first", "second"):
        started = time.perf_counter()
        data = load_data(config.dataset, on_bad="fail")
        seconds = time.perf_counter() - started
        print(f"{start} start: {seconds:.1f} s for {len(data.train):,} training examples; {memory()}", flush=True)
    train(data, config, arguments.steps)
    if arguments.no_compare or not NEAR[kind]:
        return
    mapped = load_data(compose(*OVERRIDES[kind], *MAPPED[kind], f"dataset.root={root}").dataset, on_bad="fail")

    def reading(of: Data) -> Callable[[], float]:
        def run() -> float:
            started = time.perf_counter()
            for _ in batches(of, config, arguments.steps):
                pass
            return time.perf_counter() - started

        return run

    seconds = alternate({"mapped cache": reading(mapped), "shards": reading(data)}, rounds=5)
    show(f"{arguments.steps} batches of {config.step_size}", seconds, baseline="mapped cache")


if __name__ == "__main__":
    main()
