"""Weights of another training: what of them means the same here."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.initial import start_from_weights
from sensorium.specs import ImageClassificationSpec, LanguageModelingSpec, Spec, TextClassificationSpec, TranslationSpec

SIZES: dict[str, Any] = {"in_channels": 1, "image_size": (8, 8), "mean": (0.5,), "std": (0.25,)}


def vocabulary(*characters: str) -> dict[str, Any]:
    return {"kind": "char", "characters": list(characters), "lowercase": False}


def text_spec(*characters: str, classes: tuple[str, ...] = ("bad", "good")) -> TextClassificationSpec:
    """pad, unk, bos and eos come before the characters."""
    size = 4 + len(characters)
    return TextClassificationSpec(
        class_names=classes, tokenizer=vocabulary(*characters), vocab_size=size, pad_id=0, max_length=9
    )


def language_spec(*characters: str) -> LanguageModelingSpec:
    return LanguageModelingSpec(tokenizer=vocabulary(*characters), vocab_size=4 + len(characters), context=8)


class Reader(nn.Module):
    def __init__(self, words: int, outputs: int, *, tied: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 3)
        self.body = nn.Linear(3, 3)
        self.head = nn.Linear(3, outputs)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body(self.embedding(tokens)))


def started(path: Path, theirs: nn.Module, their_spec: Spec | None, ours: nn.Module, our_spec: Spec) -> list[str]:
    """What is told when ours starts from theirs."""
    state = {f"model.{name}": value for name, value in theirs.state_dict().items()}
    about = {"sensorium": {"spec": their_spec.to_dict()}} if their_spec else {}
    torch.save({"state_dict": state, **about}, path / "best.ckpt")
    told: list[str] = []
    start_from_weights(ours, our_spec, path / "best.ckpt", told.append)
    return told


def test_a_head_for_as_many_other_classes_begins_anew(tmp_path: Path) -> None:
    """Ten digits are not ten garments."""
    digits = ImageClassificationSpec(class_names=("0", "1", "2", "3"), **SIZES)
    clothes = ImageClassificationSpec(class_names=("shirt", "coat", "bag", "boot"), **SIZES)

    def net() -> nn.Module:
        return nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 4)})

    theirs, ours = net(), net()
    head = ours["head"].weight.clone()
    assert started(tmp_path, theirs, digits, ours, clothes) == [
        "2 of the model's 4 tensors loaded.",
        "head.weight: for 0, 1, 2 ... and 1 more in the file: left as initialized",
        "head.bias: for 0, 1, 2 ... and 1 more in the file: left as initialized",
    ]
    assert torch.equal(ours["head"].weight, head)
    assert torch.equal(ours["body"].weight, theirs["body"].weight)
    assert started(tmp_path, theirs, digits, ours, digits) == ["4 of the model's 4 tensors loaded."]
    ours = net()
    # A plain state dict does not say what its classes are.
    assert started(tmp_path, theirs, None, ours, clothes) == ["4 of the model's 4 tensors loaded."]


def test_words_that_both_vocabularies_have_keep_their_vectors(tmp_path: Path) -> None:
    theirs, ours = Reader(7, 2), Reader(8, 2)
    before = ours.embedding.weight.detach().clone()
    told = started(tmp_path, theirs, text_spec("a", "b", "c"), ours, text_spec("c", "x", "a", "y"))
    assert told == [
        "5 of the model's 5 tensors loaded.",
        "embedding.weight: 6 of 8 words are in the file; the others start random.",
    ]
    expected = before.clone()
    expected[:4], expected[4], expected[6] = (theirs.embedding.weight.detach()[rows] for rows in (slice(4), 6, 4))
    assert torch.equal(ours.embedding.weight, expected)
    assert torch.equal(ours.head.weight, theirs.head.weight)  # of the same classes


@pytest.mark.parametrize("tied", [True, False])
def test_the_head_of_a_language_model_goes_by_word_too(tmp_path: Path, tied: bool) -> None:
    theirs, ours = Reader(6, 6, tied=tied), Reader(6, 6, tied=tied)
    before = ours.head.bias.detach().clone()
    told = started(tmp_path, theirs, language_spec("a", "b"), ours, language_spec("b", "c"))
    assert told[0] == "5 of the model's 5 tensors loaded."
    assert len(told) == 4
    assert torch.equal(ours.head.weight[4], theirs.head.weight[5])
    assert torch.equal(ours.head.bias, torch.cat([theirs.head.bias[:4], theirs.head.bias[5:], before[5:]]))


def test_a_classifier_starts_from_a_language_model(tmp_path: Path) -> None:
    theirs, ours = Reader(6, 6), Reader(6, 6)
    classes = ("1", "2", "3", "4", "5", "6")
    told = started(tmp_path, theirs, language_spec("a", "b"), ours, text_spec("a", "b", classes=classes))
    assert told == [
        "3 of the model's 5 tensors loaded.",
        "head.weight: for no classes in the file: left as initialized",
        "head.bias: for no classes in the file: left as initialized",
    ]


def test_of_two_vocabularies_nothing_is_guessed(tmp_path: Path) -> None:
    def spec(source: str) -> TranslationSpec:
        return TranslationSpec(
            source_tokenizer=vocabulary(source), target_tokenizer=vocabulary("b"), source_vocab_size=5,
            target_vocab_size=5, pad_id=0, max_length=9,
        )  # fmt: skip

    told = started(tmp_path, Reader(5, 5), spec("a"), Reader(5, 5), spec("c"))
    assert told[0] == "2 of the model's 5 tensors loaded."
    assert told[1] == "embedding.weight: other words in the file: left as initialized"


def test_a_folder_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"model\.init takes a file"):
        start_from_weights(Reader(5, 2), text_spec("a"), tmp_path, None)
