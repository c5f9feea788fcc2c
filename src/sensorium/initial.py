"""Initial weights other than random ones: pretrained weights, published word vectors, those a model fits to data."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.data.base import Split
from sensorium.data.order import BatchPlan
from sensorium.errors import RequestError, listing
from sensorium.models.exported import is_exported
from sensorium.models.protocols import StartsFromData
from sensorium.nn.transfer import WeightReport, load_weights, read_weights
from sensorium.specs import Spec
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.vectors import read_vectors

Say = Callable[[str], None]
_ANSWERS = ("class_names", "target_names")
_TOKENIZERS = ("tokenizer", "source_tokenizer", "target_tokenizer")


def start_from_weights(model: nn.Module, spec: Spec, path: Path, say: Say | None) -> WeightReport:
    """Loads what fits of a file of weights, and tells what was and what was not loaded.

    Where the file says what data it was trained on, a head for other classes or targets is not loaded, though it may
    have as many of them, and of a vocabulary the words that both have keep their rows. Raises RequestError as
    `read_weights` and `load_weights` do.
    """
    if is_exported(path):
        raise RequestError(f"model.init={path} is an exported model; give the checkpoint that it came from.")
    tensors, theirs = read_weights(path)
    ours, state = spec.to_dict(), model.state_dict()
    left: dict[str, str] = {}
    notes: list[str] = []
    heads = [name for name in state if name.split(".")[0] == "head"]
    of_words = [f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Embedding)]
    answers = next((key for key in _ANSWERS if key in ours), None)
    if answers is None:
        of_words += heads
    elif theirs and theirs.get(answers) != ours[answers]:
        classes = next((theirs[key] for key in _ANSWERS if key in theirs), None)
        left |= dict.fromkeys(heads, f"{f'for {listing(classes, 3)}' if classes else 'for no classes'} in the file")
    if theirs and any(theirs.get(key) != ours.get(key) for key in _TOKENIZERS):
        words = _words(theirs), _words(ours)
        for name in [name for name in of_words if name in tensors]:
            if (found := _by_word(tensors[name], state[name], *words)) is None:
                left[name] = "other words in the file"
            else:
                tensors[name], shared = found
                notes.append(f"{name}: {shared:,} of {len(words[1]):,} words are in the file; the others start random.")
    # Where shapes differ, they say more.
    left = {name: why for name, why in left.items() if name in tensors and tensors[name].shape == state[name].shape}
    report = load_weights(model, tensors, left=left)
    if say is not None:
        for line in (*report.lines(), *notes):
            say(line)
    return report


def _words(spec: Mapping[str, Any]) -> Sequence[str]:
    """The vocabulary, of data that has one for all."""
    return tokenizer_from_dict(spec["tokenizer"]).tokens if "tokenizer" in spec else ()


def _by_word(
    theirs: Tensor, ours: Tensor, their_words: Sequence[str], our_words: Sequence[str]
) -> tuple[Tensor, int] | None:
    """Our rows with theirs instead of words that both have, and how many; None where a row is no word."""
    if not our_words or len(theirs) != len(their_words) or len(ours) != len(our_words):
        return None
    if theirs.shape[1:] != ours.shape[1:]:
        return None
    number = {word: row for row, word in enumerate(their_words)}
    shared = [row for row, word in enumerate(our_words) if word in number]
    found = ours.clone()
    found[shared] = theirs[[number[our_words[row]] for row in shared]].to(found.dtype)
    return found, len(shared)


def start_from_vectors(model: nn.Module, spec: Spec, path: Path, say: Say | None) -> None:
    """Puts published vectors into the model's embedding, for the words that have one."""
    table = next((m for m in model.modules() if isinstance(m, nn.Embedding)), None)
    if spec.embedded_tokenizer is None or table is None:
        raise RequestError("model.vectors is for text models with word embeddings; omit it here.")
    vectors = read_vectors(path, tokenizer_from_dict(spec.embedded_tokenizer).tokens)
    if vectors.matrix.shape[1] != table.embedding_dim:
        raise RequestError(
            f"{path} has vectors of {vectors.matrix.shape[1]} numbers, the model of {table.embedding_dim}.\n"
            f"Set model.embedding_size={vectors.matrix.shape[1]}."
        )
    with torch.no_grad():
        table.weight[vectors.found] = torch.from_numpy(vectors.matrix[vectors.found])
    if say:
        say(f"vectors: {100 * vectors.coverage:.1f}% of the vocabulary is in {path}")


def initialise_from_data(model: nn.Module, split: Split, prepare: nn.Module, *, seed: int) -> None:
    """Gives a model that begins from data (`initialize`) a fixed sample of the training split: 1,024 examples, or as
    many as its `initialize_examples` says.
    """
    if isinstance(model, StartsFromData):
        size = min(len(split), getattr(model, "initialize_examples", 1024))
        order = split.order(BatchPlan(size=size, shuffle=True, seed=seed))
        batch = split.read(next(order.batches()))
        with torch.no_grad():
            model.initialize(*prepare(*batch.inputs))
