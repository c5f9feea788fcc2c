"""Which warnings a training hides: those it is known to give, by their text, and no others."""

import logging
import warnings

import pytest

from sensorium.training.quiet import quiet

KNOWN = (
    "`isinstance(treespec, LeafSpec)` is deprecated, use `isinstance(treespec, TreeSpec)` instead.",
    "The number of training batches (21) is smaller than the logging interval Trainer(log_every_n_steps=50).",
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later ...",
    "You requested to overfit but enabled train dataloader shuffling. We are turning it off for you.",
    "It is recommended to use `self.log('val/loss', ..., sync_dist=True)` when logging on epoch level.",
    "GPU available but not used. You can set it by doing `Trainer(accelerator='gpu')`.",
    "Initializing zero-element tensors is a no-op",
)


def shown(message: str, module: str) -> bool:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        quiet()
        warnings.warn_explicit(message, UserWarning, f"{module}.py", 1, module=module)
    return bool(found)


@pytest.mark.parametrize("message", KNOWN)
def test_what_every_training_says_is_hidden(message: str) -> None:
    assert not shown(message, "lightning.pytorch.trainer")


@pytest.mark.parametrize("module", ["lightning.pytorch", "torch.optim.lr_scheduler", "torchmetrics", "my_model"])
def test_other_warnings_of_the_same_packages_are_shown(module: str) -> None:
    assert shown("AMP with fp16 is not supported on CPU. Using `precision='bf16-mixed'` instead.", module)


@pytest.mark.parametrize(("rank", "expected"), [("0", ["a note"]), ("1", [])])
def test_notes_are_of_the_first_process_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rank: str, expected: list[str]
) -> None:
    """Such as those on the words of a lexicon, which every process reads."""
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr(logging.getLogger("sensorium"), "level", logging.NOTSET)
    log = logging.getLogger("sensorium.tasks.speech_recognition.task")
    monkeypatch.setattr(log, "_cache", {})
    quiet()
    log.warning("a note")
    assert caplog.messages == expected
