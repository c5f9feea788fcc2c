"""Start from weights that were trained on something else: read them, fit them to a model, freeze the rest."""

import pickle
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError, listing
from sensorium.files import meant

# What torch.load was seen to raise for random, altered and cut files; each means "not a checkpoint".
DAMAGED = (
    pickle.UnpicklingError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
)


@dataclass(frozen=True, kw_only=True)
class WeightReport:
    """What `load_weights` did.

    loaded: number of tensors loaded. skipped: names that are in both file and model and were not loaded; reasons: a
    sentence for each of them. missing: names only in the model. unused: names only in the file.
    """

    loaded: int
    skipped: tuple[str, ...]
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report in sentences, the most important first."""
        total = self.loaded + len(self.skipped) + len(self.missing)
        lines = [f"{self.loaded} of the model's {total} tensors loaded.", *self.reasons]
        if self.missing:
            lines.append(f"Not in the file, left as initialised: {listing(self.missing, 5)}.")
        if self.unused:
            lines.append(f"In the file, not used by this model: {listing(self.unused, 5)}.")
        return lines


def freeze_backbone(model: nn.Module) -> None:
    """Stop training all parameters but those under the attribute `head`; see also `frozen_modules_eval`."""
    if not any(name.split(".")[0] == "head" for name, _ in model.named_parameters()):
        raise RequestError(
            f"The backbone of {type(model).__name__} cannot be frozen: it has no parameters under 'head'."
        )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.split(".")[0] == "head")


def frozen_modules_eval(model: nn.Module) -> None:
    """Put every part whose parameters are all frozen in eval mode; to be called after each `model.train()`.

    Else a frozen batch norm would still change its running statistics, and dropout would disturb frozen features. A
    part without parameters of its own follows the part it stands in.
    """
    for module in model.modules():
        trainable = [parameter.requires_grad for parameter in module.parameters()]
        if trainable and not any(trainable):
            module.eval()


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "one number"


def _reason(name: str, theirs: Tensor, ours: Tensor, classifier: str) -> str:
    if theirs.shape == ours.shape:
        return f"{name}: belongs to a head of another shape: left as initialised"
    if name.rpartition(".")[0] == classifier and theirs.shape[1:] == ours.shape[1:] and theirs.ndim == ours.ndim:
        return f"{name}: {len(theirs)} classes in the file, {len(ours)} here: left as initialised"
    return f"{name}: {_shape(theirs)} in the file, {_shape(ours)} here: left as initialised"


def load_weights(model: nn.Module, state: Mapping[str, Tensor]) -> WeightReport:
    """Copy into the model every tensor whose name and shape match, and report the others.

    The head is loaded as a whole or not at all: if any of its tensors differs in shape, all of it stays as it is.

    state: name to tensor, as `read_weights` returns it.

    Errors: RequestError if not one parameter matches.
    """
    ours = model.state_dict()
    common = [name for name in ours if name in state]
    heads = [name for name in ours if name.split(".")[0] == "head"]
    classifier = heads[-1].rpartition(".")[0] if heads else ""
    head_fits = all(state[name].shape == ours[name].shape for name in heads if name in state)
    fitting = {
        name: state[name]
        for name in common
        if state[name].shape == ours[name].shape and (head_fits or name not in heads)
    }
    if not any(name in fitting for name, _ in model.named_parameters()):
        raise RequestError(
            f"These weights do not fit {type(model).__name__}: no parameter has the same name and shape.\n"
            f"The file has {listing(state, 3)}; the model has {listing(ours, 3)}."
        )
    model.load_state_dict(fitting, strict=False)
    skipped = tuple(name for name in common if name not in fitting)
    return WeightReport(
        loaded=len(fitting),
        skipped=skipped,
        reasons=tuple(_reason(name, state[name], ours[name], classifier) for name in skipped),
        missing=tuple(name for name in ours if name not in state),
        unused=tuple(name for name in state if name not in ours),
    )


def _open(path: Path) -> Any:
    if path.is_dir():
        raise RequestError(f"{path} is a folder; model.pretrained takes a file such as {path}/checkpoints/best.ckpt.")
    if not path.is_file():
        raise RequestError(f"There is no file of weights {path}.{meant(path)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # guesses about the pickle protocol of damaged files
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise RequestError(f"{path} may not be read by you: {error.strerror}.") from error
    except DAMAGED as error:
        if "Unsupported global" in str(error):
            raise RequestError(
                f"{path} holds Python objects besides tensors; opening them can run code, so it was not opened.\n"
                "Where it was made, save the tensors alone: torch.save(model.state_dict(), path)."
            ) from error
        raise RequestError(
            f"{path} is not a checkpoint of PyTorch, or it is damaged or cut short ({path.stat().st_size} bytes)."
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name to tensor (on the CPU), from a plain state dict or from a checkpoint of Sensorium, Lightning or torchvision.

    In a checkpoint the weights are under "state_dict" or "model". Of Lightning's names, only those that begin with
    "model." are taken, without this beginning. What DataParallel ("module.") and torch.compile ("_orig_mod.") put
    before names is removed.

    Errors: RequestError for a file that is missing, is damaged, is no checkpoint, holds code, or holds no tensors.
    """
    content = _open(path)
    if not isinstance(content, Mapping):
        raise RequestError(f"{path} holds a {type(content).__name__}, not the weights of a model by name.")
    wrapper = next((key for key in ("state_dict", "model") if isinstance(content.get(key), Mapping)), None)
    named = content[wrapper] if wrapper else content
    state = {str(name).replace("_orig_mod.", "").removeprefix("module."): value for name, value in named.items()}
    if wrapper and any(name.startswith("model.") for name in state):
        inner = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
        state = {name.removeprefix("module."): value for name, value in inner.items()}
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise RequestError(f"{path} holds no weights by name; its keys are: {listing(map(str, content), 5)}.")
    return tensors
