"""Writes the checkpoints and expected numbers of tests/test_old_checkpoints.py. Run it with the code of that format.

Usage: PYTHONPATH=OLD/src python scripts/make_old_checkpoints.py [KIND ...], where OLD is a copy of the commit whose
checkpoints are to be kept (format 2: up to dca3823; format 1, which knew images only: 63352c9). A later one writes
its own format, and takes other overrides. Each kind is trained in seconds on one core, and then asked what the test
asks.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from command import run_command
from old_checkpoints import FOLDER, PREDICT, answers
from sensorium.checkpoint import FORMAT, KEY
from tiny_data import write_data

COMMON = ["threads=1", "accelerator=cpu", "workers=0", "test=false", "trainer.precision=32-true", "batch_size=8"]
LOWEST_LOSS = ["callbacks.checkpoints.monitor=val/loss", "callbacks.checkpoints.mode=min"]
# A few thousand weights each, trained until answers differ by much more than the last digits of arithmetic.
TRAIN = {
    "image": "dataset=image_csv dataset.path=stripes.csv model.width=4 augment=none trainer.max_epochs=15 lr=0.01",
    "boxes": "dataset=yolo dataset.root=boxes model.width=2 model.blocks=1 augment=none trainer.max_epochs=50 lr=0.02",
    "masks": "dataset=segmentation_folder dataset.root=masks model.width=4 model.depth=1 augment=none"
    " trainer.max_epochs=20 lr=0.01",
    "text": "dataset=text_csv dataset.path=reviews.csv dataset.max_length=8 model.embedding_size=8 model.hidden_size=8"
    " trainer.max_epochs=15 lr=0.02",
    "language": "dataset=text_file dataset.path=text.txt dataset.tokenizer=char dataset.context=32"
    " model=transformer_lm model.width=16 model.depth=2 model.heads=2 trainer.max_epochs=15 lr=0.02",
    "translation": "dataset=parallel_tsv dataset.path=pairs_train.tsv dataset.val_path=pairs_val.tsv"
    " dataset.test_path=pairs_test.tsv dataset.tokenizer=word dataset.min_count=1 model.embedding_size=8"
    " model.hidden_size=12 model.dropout=0 trainer.max_epochs=40 lr=0.02",
    "sound": "dataset=speech_folder dataset.root=tones dataset.features.num_mels=8 model=keyword_rnn"
    " model.hidden_size=8 model.num_layers=1 augment=none trainer.max_epochs=5 lr=0.01",
    "speech": "dataset=speech_manifest dataset.path=speech.csv dataset.features.num_mels=8 model.hidden_size=12"
    " model.num_layers=1 model.dropout=0 augment=none trainer.max_epochs=40 lr=0.02",
}


def make(kind: str) -> None:
    """FOLDER/format_N/KIND.ckpt, and what it answers beside it."""
    folder = FOLDER / f"format_{FORMAT}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write_data(home)
        chosen_by = [] if kind == "boxes" else LOWEST_LOSS  # a detector has no loss on validation data
        done = run_command(["train", *COMMON, *TRAIN[kind].split(), *chosen_by], home)
        assert done.status == 0, done.stderr
        (best,) = home.glob("runs/*/*/checkpoints/best.ckpt")
        payload = torch.load(best, weights_only=True)
        needed = {key: payload[key] for key in (KEY, "epoch", "global_step")}
        path = folder / f"{kind}.ckpt"
        torch.save(needed | {"state_dict": packed(payload["state_dict"])}, path)
        asked = json.dumps(answers(path, kind, home), indent=1, ensure_ascii=False)
        path.with_suffix(".json").write_text(f"{asked}\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size:,} bytes, {sum(v.numel() for v in payload['state_dict'].values()):,} weights")


def packed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors as views of one for each type: the file has two entries instead of hundreds, half its size."""
    views = {}
    for dtype in {value.dtype for value in state.values()}:
        alike = {name: value for name, value in state.items() if value.dtype == dtype}
        whole = torch.cat([value.flatten() for value in alike.values()])
        pieces = whole.split([value.numel() for value in alike.values()])
        views |= {name: piece.view(alike[name].shape) for name, piece in zip(alike, pieces, strict=True)}
    return {name: views[name] for name in state}


if __name__ == "__main__":
    for chosen in sys.argv[1:] or list(PREDICT):
        make(chosen)
