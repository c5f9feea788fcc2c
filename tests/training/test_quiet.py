"""Which warnings a training hides: those it is known to give, by their text, and no others."""

import warnings

import pytest

from sensorium.training import fit

KNOWN = (
    "`isinstance(treespec, LeafSpec)` is deprecated, use `isinstance(treespec, TreeSpec)` and so on instead.",
    "You requested to overfit but enabled train dataloader shuffling. We are turning it off for you.",
    "GPU available but not used. You can set it by doing `Trainer(accelerator='gpu')`.",
    "Initializing zero-element tensors is a no-op",
)


def shown(message: str, module: str) -> bool:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit.quiet()
        warnings.warn_explicit(message, UserWarning, f"{module}.py", 1, module=module)
    return bool(found)


@pytest.mark.parametrize("message", KNOWN)
def test_what_every_training_says_is_hidden(message: str) -> None:
    assert not shown(message, "lightning.pytorch.trainer")


@pytest.mark.parametrize(
    "module", ["lightning.pytorch.trainer", "torch.optim.lr_scheduler", "torchmetrics", "my_model"]
)
def test_other_warnings_of_the_same_packages_are_shown(module: str) -> None:
    assert shown("The loss is computed in a way that may surprise you.", module)
