"""Transfer learning: pretrained weights are read, matched to a model, and optionally frozen."""

import pickle
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError, listing
from sensorium.files import meant, not_a_file
from sensorium.nn.safetensors import SUFFIX, read_safetensors

# What torch.load was seen to raise for random, altered and cut files; each means "not a checkpoint".
DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
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

    loaded: number of tensors loaded. notes: sentences about those that were changed on the way. skipped: names that
    are in both file and model and were not loaded; reasons: a sentence for each of them. missing: names only in the
    model. unused: names only in the file.
    """

    loaded: int
    notes: tuple[str, ...]
    skipped: tuple[str, ...]
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report in sentences, the most important first."""
        total = self.loaded + len(self.skipped) + len(self.missing)
        lines = [f"{self.loaded} of the model's {total} tensors loaded.", *self.notes, *self.reasons]
        if self.missing:
            lines.append(f"Not in the file, left as initialized: {listing(self.missing, 5)}.")
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


def check_loaded(report: WeightReport) -> None:
    """Refuse to freeze a backbone of which the file had not every weight: the rest would stay random for good."""
    fresh = [
        name
        for name in (*report.skipped, *report.missing)
        if name.split(".")[0] != "head" and not name.endswith("num_batches_tracked")
    ]
    if fresh:
        raise RequestError(
            f"model.freeze=backbone would freeze weights that model.init did not load: {listing(fresh, 5)}.\n"
            "Leave model.freeze out, or give a file of weights for this very model."
        )


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
        return f"{name}: belongs to a head of another shape: left as initialized"
    if name.rpartition(".")[0] == classifier and theirs.shape[1:] == ours.shape[1:] and theirs.ndim == ours.ndim:
        return f"{name}: {len(theirs)} classes in the file, {len(ours)} here: left as initialized"
    return f"{name}: {_shape(theirs)} in the file, {_shape(ours)} here: left as initialized"


def load_weights(
    model: nn.Module, state: Mapping[str, Tensor], *, left: Mapping[str, str] | None = None
) -> WeightReport:
    """Copy into the model every tensor whose name and shape match, and report the others.

    The head is loaded as a atomically: if any of its tensors differs in shape, all of it is unchanged. If
    more names match when the beginning of the file's is exchanged ("backbone.body." for "backbone."), it is. A first
    convolution of other channels or of a smaller kernel takes the file's filters as `_fit_stem` brings them there.

    state: name to tensor, as `read_weights` returns it. left: name of a tensor that is not to be loaded, and why.

    Errors: RequestError if not one parameter matches.
    """
    ours, left = model.state_dict(), left or {}
    state, notes = _under_our_names(ours, state)
    state = dict(state)
    if (stem := _first_convolution(model)) in state and (note := _fit_stem(stem, state, ours[stem])):
        notes.append(note)
    common = [name for name in ours if name in state]
    heads = [name for name in ours if name.split(".")[0] == "head"]
    classifier = heads[-1].rpartition(".")[0] if heads else ""
    head_fits = all(state[name].shape == ours[name].shape for name in heads if name in state)
    fitting = {
        name: state[name]
        for name in common
        if name not in left and state[name].shape == ours[name].shape and (head_fits or name not in heads)
    }
    if not any(name in fitting for name, _ in model.named_parameters()):
        raise RequestError(
            f"These weights do not fit {type(model).__name__}: no parameter has the same name and shape.\n"
            f"The file has {listing(state, 3)}; the model has {listing(ours, 3)}."
        )
    model.load_state_dict(fitting, strict=False)
    skipped = tuple(name for name in common if name not in fitting)
    reasons = (
        f"{name}: {left[name]}: left as initialized"
        if name in left
        else _reason(name, state[name], ours[name], classifier)
        for name in skipped
    )
    return WeightReport(
        loaded=len(fitting),
        notes=tuple(notes),
        skipped=skipped,
        reasons=tuple(reasons),
        missing=tuple(name for name in ours if name not in state),
        unused=tuple(name for name in state if name not in ours),
    )


def _beginnings(names: Iterable[str]) -> list[str]:
    """What names begin with, one or two parts of them, in order and ending with a dot; nothing first."""
    parts = [name.split(".") for name in names]
    begun = (".".join(part[:size]) + "." for size in (1, 2) for part in parts if len(part) > size)
    return ["", *dict.fromkeys(begun)]


def _under_our_names(ours: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], list[str]]:
    """The file's tensors, the beginning of their names exchanged where more match then, and a line about it."""

    def renamed(theirs: str, mine: str) -> dict[str, Tensor]:
        return {mine + name[len(theirs) :] if name.startswith(theirs) else name: state[name] for name in state}

    def matches(pair: tuple[str, str]) -> int:
        found = renamed(*pair)
        return sum(name in ours and found[name].shape == ours[name].shape for name in found)

    if matches(("", "")) == len(ours):
        return state, []
    pairs = product(_beginnings(state), _beginnings(ours))  # the first changes nothing, and wins among equals
    theirs, mine = max(pairs, key=matches)
    if theirs == mine:
        return state, []
    kept = f"names that begin with {theirs} in the file" if theirs else "the file's names"
    return renamed(theirs, mine), [f"{kept[0].upper()}{kept[1:]} begin with {mine or 'nothing'} here."]


def _first_convolution(model: nn.Module) -> str:
    """The name of the weight that meets the images; "" when there is none."""
    layers = (name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d) and layer.groups == 1)
    name = next(layers, None)
    return "" if name is None else f"{name}.weight".lstrip(".")


def _fit_stem(name: str, state: dict[str, Tensor], ours: Tensor) -> str | None:
    """Brings the filters of a first convolution, in place, to our channels and kernel; says so when it does.

    As torchvision's models do with model.pretrained=true: a smaller kernel takes the middle of the larger one, other
    channels share the sum evenly. On gray images filters that keep their kernel give what they gave before.
    """
    theirs = state[name]
    if theirs.ndim != 4 or theirs.shape[0] != ours.shape[0] or theirs.shape == ours.shape:
        return None
    cuts = [there - here for there, here in zip(theirs.shape[2:], ours.shape[2:], strict=True)]
    if min(cuts) < 0 or any(cut % 2 for cut in cuts):
        return None
    notes = []
    if any(cuts):
        notes.append(f"{_shape(theirs[0, 0])} in the file, {_shape(ours[0, 0])} here: the middle of its kernels")
        (top, left), (height, width) = (cut // 2 for cut in cuts), ours.shape[2:]
        theirs = theirs[:, :, top : top + height, left : left + width]
    there, here = theirs.shape[1], ours.shape[1]
    if there != here:
        done = "their filters added up" if here == 1 else "its filters shared out among them"
        notes.append(f"{there} channel{'s' * (there > 1)} in the file, {here} here: {done}")
        theirs = (theirs.sum(1, keepdim=True) / here).expand_as(ours)
    state[name] = theirs
    return f"{name}: {'; '.join(notes)}"


def _open(path: Path) -> Any:
    if path.is_dir():
        raise RequestError(f"{path} is a folder; model.init takes a file such as {path}/checkpoints/best.ckpt.")
    if wrong := not_a_file(path):
        raise RequestError(f"{path} is {wrong}; a file of weights is needed.")
    if not path.is_file():
        raise RequestError(f"There is no file of weights {path}.{meant(path)}")
    if path.suffix == SUFFIX:
        return read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # guesses about the pickle protocol of damaged files
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}.") from error
    except DAMAGED as error:
        if "Unsupported global" in str(error):
            raise RequestError(
                f"{path} holds Python objects besides tensors; opening them can run code, so it was not opened.\n"
                "Where it was made, save the tensors alone: torch.save(model.state_dict(), path)."
            ) from error
        raise RequestError(
            f"{path} is not a checkpoint of PyTorch, or it is damaged or truncated ({path.stat().st_size} bytes)."
        ) from error


class Weights(NamedTuple):
    """tensors: by name, on the CPU. spec: of the data they were trained on (`Spec.to_dict`), where the file has it."""

    tensors: dict[str, Tensor]
    spec: Mapping[str, Any]


def read_weights(path: Path) -> Weights:
    """What a plain state dict, a file of safetensors, or a checkpoint of Sensorium, Lightning or torchvision holds.

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
    about = content.get("sensorium")
    spec = about.get("spec") if isinstance(about, Mapping) else None
    return Weights(tensors, spec if isinstance(spec, Mapping) else {})
