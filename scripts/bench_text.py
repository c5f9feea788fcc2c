"""Training on texts against the loop that everybody writes by hand: random batches and packed sequences.

Usage: python scripts/bench_text.py ROOT_OF_MOVIE_REVIEWS [ROOT_OF_MULTI30K]

Same network, same number of examples in a batch. The plain loop takes batches in random order, fills them up to their
longest text and packs them for torch's LSTM, which is how tutorials have it.
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarking import Contender, alternate, show
from sensorium.batches import IGNORED

ROUNDS = 3


class Packed(nn.Module):
    """torch's own LSTM over packed sequences, in the place of a `Recurrent`."""

    def __init__(self, *, input_size: int, hidden_size: int, num_layers: int, bidirectional: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        assert lengths is not None
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, state = self.lstm(packed)
        outputs = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])[0]
        shape = (self.lstm.num_layers, -1, *state[0].shape[1:])  # layers, directions, B, hidden_size
        return outputs, tuple(part.view(shape).permute(2, 0, 1, 3).flatten(2) for part in state)


def plain(contender: Contender, model: nn.Module, loss_of: Callable[[nn.Module, object], Tensor]) -> float:
    """Seconds of one epoch over random batches."""
    split, size = contender.data.train, contender.config.step_size
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    order = torch.randperm(len(split)).numpy()
    model.train()
    started = time.perf_counter()
    for first in range(0, len(order), size):
        loss = loss_of(model, split.read(order[first : first + size]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - started


def classifier_loss(model: nn.Module, batch: object) -> Tensor:
    return nn.functional.cross_entropy(model(batch.tokens, batch.lengths), batch.labels)  # type: ignore[attr-defined]


def translation_loss(model: nn.Module, batch: object) -> Tensor:
    logits = model(*batch.inputs)  # type: ignore[attr-defined]
    return nn.functional.cross_entropy(
        logits.flatten(0, 1),
        batch.target_out.flatten(),
        ignore_index=IGNORED,  # type: ignore[attr-defined]
    )


def compare(title: str, overrides: list[str], part: str, loss_of: Callable[[nn.Module, object], Tensor]) -> None:
    """An epoch of each in turn. part: attribute of the model that holds its `Recurrent`."""
    contender = Contender(*overrides, "trainer.max_epochs=1", "trainer.limit_val_batches=0", "accelerator=cpu")
    model = contender.fresh_model(contender.config)
    section = contender.config.model
    packed = Packed(
        input_size=section["embedding_size"],
        hidden_size=section["hidden_size"],
        num_layers=section["num_layers"],
        bidirectional=section.get("bidirectional", True),
    )
    setattr(model, part, packed)
    name = "plain loop, random batches, packed"
    seconds = alternate({name: lambda: plain(contender, model, loss_of), "Sensorium": contender.epoch}, rounds=ROUNDS)
    show(title, seconds, baseline=name)


def main() -> None:
    if len(sys.argv) < 2:
        print("bench_text.py needs the folder of the movie reviews (rt-polarity.pos, .neg); left out.")
        return
    compare(
        "movie reviews, lstm_classifier, one epoch",
        ["experiment=mr_lstm", f"dataset.root={sys.argv[1]}"],
        "recurrent",
        classifier_loss,
    )
    if len(sys.argv) > 2:
        compare(
            "Multi30k, rnn_seq2seq, one epoch",
            ["experiment=multi30k_rnn", f"dataset.root={sys.argv[2]}"],
            "encoder",
            translation_loss,
        )


if __name__ == "__main__":
    main()
