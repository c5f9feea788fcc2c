"""Speech against the loop that everybody writes by hand, and the cost of features, evaluation and streaming.

Usage: python scripts/bench_speech.py ROOT_OF_FSDD

The plain loop: the same network over packed sequences, torchaudio's features file by file in DataLoader workers,
batches in random order. The files are written to a temporary folder first, so that it reads as a person's would.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from bench_text import Packed
from benchmarking import Contender, alternate, show
from sensorium.audio.features import Features
from sensorium.data.audio.splits import SpeechSplit

ROUNDS = 2
UTTERANCES = 500


class Recorded(Dataset[tuple[Tensor, Tensor]]):
    """Files and their tokens; the features of one file at a time."""

    def __init__(self, split: SpeechSplit, folder: Path, rate: int) -> None:
        self.split, self.files = split, [folder / f"{row}.wav" for row in range(len(split))]
        for row, file in enumerate(self.files):
            batch = split.read(np.array([row]))
            soundfile.write(file, batch.signal[0].numpy(), rate, subtype="FLOAT")
        self.mel = torchaudio.transforms.MelSpectrogram(
            rate, n_fft=round(0.025 * rate), hop_length=rate // 100, n_mels=40
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        samples, _ = soundfile.read(self.files[row], dtype="float32")
        features = self.mel(torch.from_numpy(samples)).clamp_min(1e-10).log().T  # (T, F)
        features = (features - features.mean(0)) / features.std(0).clamp_min(1e-5)
        targets, _ = self.split.targets.gather(np.array([row]))
        return features, torch.from_numpy(targets[0])


def together(examples: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    features, targets = zip(*examples, strict=True)
    lengths = torch.tensor([len(one) for one in features])
    target_lengths = torch.tensor([len(one) for one in targets])
    padded = nn.utils.rnn.pad_sequence(list(features), batch_first=True)
    return padded, lengths, nn.utils.rnn.pad_sequence(list(targets), batch_first=True), target_lengths


def plain(loader: DataLoader[tuple[Tensor, Tensor]], model: nn.Module) -> float:
    """Seconds of one epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    started = time.perf_counter()
    for features, lengths, targets, target_lengths in loader:
        log_probs, frames = model(features, lengths)
        loss = nn.functional.ctc_loss(log_probs.transpose(0, 1), targets, frames, target_lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - started


def training(root: str) -> None:
    contender = Contender(
        "experiment=connected_digits_rnn", f"dataset.root={root}", f"dataset.train_size={UTTERANCES}",
        "dataset.val_size=20", "dataset.test_size=20", "trainer.max_epochs=1", "trainer.limit_val_batches=0",
        "accelerator=cpu",
    )  # fmt: skip
    model = contender.fresh_model(contender.config)
    section = contender.config.model
    model.recurrent = Packed(
        input_size=model.subsampling.output_size,
        hidden_size=section["hidden_size"],
        num_layers=section["num_layers"],
        bidirectional=section["bidirectional"],
    )
    with tempfile.TemporaryDirectory() as folder:
        recorded = Recorded(contender.data.train, Path(folder), contender.data.spec.features["sample_rate"])
        loader = DataLoader(
            recorded, batch_size=contender.config.batch_size, shuffle=True, num_workers=2, collate_fn=together
        )
        name = "plain loop, random batches, packed"
        seconds = alternate({name: lambda: plain(loader, model), "Sensorium": contender.epoch}, rounds=ROUNDS)
        show("connected digits, deep_rnn, one epoch", seconds, baseline=name)
    features(contender.data.train, Features(**contender.data.spec.features))


def features(split: SpeechSplit, extractor: Features) -> None:
    """Files a second, one at a time and in batches of 32 of about one length."""
    order = np.argsort(split.frames)[:320]

    def seconds(size: int) -> float:
        batches = [split.read(order[first : first + size]) for first in range(0, len(order), size)]
        started = time.perf_counter()
        for batch in batches:
            extractor(batch.signal, batch.lengths)
        return time.perf_counter() - started

    name = "one at a time"
    times = alternate({name: lambda: seconds(1), "batches of 32": lambda: seconds(32)}, rounds=5)
    show("features of 320 utterances", times, baseline=name)


def main() -> None:
    if len(sys.argv) < 2:
        print("bench_speech.py needs the folder of the Free Spoken Digit Dataset; left out.")
        return
    training(sys.argv[1])


if __name__ == "__main__":
    main()
