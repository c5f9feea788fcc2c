"""What the synthetic data sets are made for: a bag of words fails, a model of sequences does not."""

import json
from pathlib import Path

import pytest

from command import run_command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def metrics_of(folder: Path, *arguments: str) -> dict[str, float]:
    """Of `sensorium train ARGUMENTS` on one core."""
    folder.mkdir(exist_ok=True)
    result = run_command(["train", "threads=1", "accelerator=cpu", *arguments], folder)
    assert (result.status, result.stderr) == (0, "")
    (metrics,) = folder.glob("runs/*/*/metrics.json")
    return json.loads(metrics.read_text())


def test_word_order_decides_in_contrast_reviews(tmp_path: Path) -> None:
    sequence = metrics_of(tmp_path / "lstm", "experiment=contrast_reviews_lstm")
    bag = metrics_of(tmp_path / "bag", "dataset=contrast_reviews", "model=bag_of_embeddings", "optimizer.lr=0.01")
    assert sequence["test/accuracy"] >= 0.97
    assert 0.5 < bag["test/accuracy"] < 0.8


def test_number_words_are_learned_exactly(tmp_path: Path) -> None:
    assert metrics_of(tmp_path, "experiment=number_words_rnn")["test/exact"] >= 0.98
