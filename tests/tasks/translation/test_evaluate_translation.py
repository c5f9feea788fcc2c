"""TranslationEvaluation of a model that copies: texts in order, with what they cost."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchPlan
from sensorium.data.text.splits import TranslationSplit
from sensorium.specs import TranslationSpec
from sensorium.tasks.decoding_settings import BeamSettings
from sensorium.tasks.translation.evaluate import Translator, evaluate
from sensorium.text.build_tokenizer import train_tokenizer
from token_stores import store_of

pytest.importorskip("sacrebleu")
LETTERS = train_tokenizer("char", ["abc"], vocab_size=10, min_count=1, lowercase=False)
SPEC = TranslationSpec(
    source_tokenizer=LETTERS.to_dict(),
    target_tokenizer=LETTERS.to_dict(),
    source_vocab_size=LETTERS.vocab_size,
    target_vocab_size=LETTERS.vocab_size,
    pad_id=0,
    max_length=20,
)


class Copy(nn.Module):
    """Writes its source again: each next token with probability 1/2, the rest shared by the others."""

    def _logits(self, wanted: Tensor) -> Tensor:
        others = LETTERS.vocab_size - 1
        return math.log(others) * torch.nn.functional.one_hot(wanted, LETTERS.vocab_size).float()

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        return self._logits(source[:, : target_in.shape[1]])

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[tuple[Tensor], tuple[Tensor]]:
        return (source,), (torch.zeros(len(source), dtype=torch.int64),)

    def step(self, tokens: Tensor, memory: tuple[Tensor], state: tuple[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        source = memory[0].repeat_interleave(len(tokens) // len(memory[0]), dim=0)
        place = state[0].clamp(max=source.shape[1] - 1)
        return self._logits(source.gather(1, place[:, None])[:, 0]), (state[0] + 1,)


def test_texts_come_back_in_order_with_their_cost() -> None:
    texts = ["abc", "a", "cccc", "ba"]
    store = store_of([LETTERS.encode(text) for text in texts])
    split = TranslationSplit(store, store, [str(n) for n in range(4)], texts, ["abc", "a", "cccb", "ba"])
    translator = Translator(
        model=Copy(), spec=SPEC, device=torch.device("cpu"), precision="32-true", settings=BeamSettings(beam_size=3)
    )
    order = split.order(BatchPlan(size=2, shuffle=False, seed=0))
    found = evaluate(translator, BatchLoader(split=split, order=order, readers=0))
    assert found.hypotheses == texts
    assert found.tokens.tolist() == [len(text) + 1 for text in texts] == [4, 2, 5, 3]
    assert found.nats == pytest.approx(found.tokens * math.log(2))
    metrics = found.metrics
    assert metrics["exact"] == pytest.approx(3 / 4)
    assert metrics["perplexity"] == pytest.approx(2)
    assert "tok:13a" in found.signatures()[0]
    assert np.isfinite(metrics["bleu"])
