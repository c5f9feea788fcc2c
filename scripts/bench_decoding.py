"""Sentences a second of beam search, alone and in batches, with a trained checkpoint or with random weights.

Usage: python scripts/bench_decoding.py [CHECKPOINT FILE_OF_SENTENCES]
"""

import sys
import time
from pathlib import Path

import torch

from sensorium.build import load_model
from sensorium.decoding.beam import beam_search
from sensorium.models.text.rnn_seq2seq import RNNSeq2Seq
from sensorium.models.text.transformer_seq2seq import TransformerSeq2Seq
from sensorium.tasks.base import PredictOptions
from sensorium.tasks.translation.predict import TranslationPredictor

SENTENCES, ROUNDS = 1000, 3


def random_weights() -> None:
    """256 wide, 5,000 tokens, sentences of 13 tokens on average; each is searched to its greatest length."""
    words = {"source_vocab_size": 5000, "target_vocab_size": 5000, "pad_id": 0}
    for name, kind in (("rnn_seq2seq", RNNSeq2Seq), ("transformer_seq2seq", TransformerSeq2Seq)):
        torch.manual_seed(0)
        model = kind(**words).eval()
        lengths = torch.randint(6, 21, (SENTENCES,)).sort().values
        source = torch.randint(4, 5000, (SENTENCES, 20))
        for width in (5, 1):
            seconds = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                for first in range(0, SENTENCES, 100):
                    part = lengths[first : first + 100]
                    with torch.inference_mode():
                        memory, state = model.encode(source[first : first + 100, : int(part.max())], part)
                        beam_search(
                            model, memory, state, bos=2, eos=3, pad=0, beam_size=width, max_length=part, n_best=1
                        )
                seconds.append(time.perf_counter() - started)
            print(f"{name}, random weights, beam {width}: {SENTENCES / min(seconds):.0f} sentences a second")


def trained(checkpoint: Path, sentences: Path) -> None:
    """A real model on real sentences: in batches, and one at a time, with the same result."""
    texts = sentences.read_text(encoding="utf-8").splitlines()[:SENTENCES]
    model = load_model(checkpoint, accelerator="cpu")
    found = {}
    for batch_size in (64, 1):
        predictor = TranslationPredictor(model, PredictOptions(batch_size=batch_size))
        started = time.perf_counter()
        found[batch_size] = [prediction.translations[0][0] for prediction in predictor.predict(texts)]
        speed = len(texts) / (time.perf_counter() - started)
        print(f"{checkpoint}, batch {batch_size}: {speed:.0f} sentences a second")
    same = sum(a == b for a, b in zip(found[64], found[1], strict=True))
    print(f"{same} of {len(texts)} translations are the same either way")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        trained(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        random_weights()
