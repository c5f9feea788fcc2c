"""Quaint words and British spelling stay out of messages, comments of configs and documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORDS = (
    "a person",
    "colours?",
    "goes on",
    "grey",
    "heard",
    "judged",
    "left out",
    "mirrored",
    "nobody",
    "pictures?",
    "told",
    "whoever",
)
# American usage: no space before a percent sign.
FORBIDDEN = re.compile(rf"\b({'|'.join(WORDS)})\b|(?<=\d) %(?![\w(])", re.IGNORECASE)
# What keeps its spelling: code in documents, the key dataset.colours, and the augmentation `colour`.
NAMES = re.compile(r"`[^`]*`|dataset\.colours|augment=colour|^colour or none$")
DATA = ("synthetic/contrast_reviews.py",)  # sentences of film reviews


def forbidden(text: str) -> list[str]:
    return [found.group() for found in FORBIDDEN.finditer(NAMES.sub("", text))]


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Strings with more than one word, without docstrings: what a user can read."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, documented)]
    docstrings = {body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings
        if is_text and len(node.value.split()) > 1:
            yield node.lineno, node.value


def found_in_source(files: dict[str, str]) -> list[str]:
    suspects = {name: source for name, source in files.items() if forbidden(source)}
    lines = ((name, line, text) for name, source in suspects.items() for line, text in messages(source))
    return [f"{name}:{line}: {word}" for name, line, text in lines for word in forbidden(text)]


def prose(name: str, text: str) -> str:
    """The comments of a yaml, or a document without its code."""
    if name.endswith(".yaml"):
        return "\n".join(line.partition("#")[2] for line in text.splitlines())
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def found_in_prose(files: dict[str, str]) -> list[str]:
    return [f"{name}: {word}" for name, text in files.items() for word in forbidden(prose(name, text))]


def test_messages_use_the_words_of_the_field():
    source = ROOT / "src/sensorium"
    files = {str(path.relative_to(source)): path.read_text() for path in source.rglob("*.py")}
    assert len(files) > 100
    assert found_in_source({name: text for name, text in files.items() if name not in DATA}) == []


def test_documents_and_config_comments_use_the_words_of_the_field():
    paths = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs/tasks").glob("*.md"),
        *(ROOT / "configs").rglob("*.yaml"),
    ]
    assert len(paths) > 100
    assert found_in_prose({str(path.relative_to(ROOT)): path.read_text() for path in paths}) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the colour is grey", ["colour", "grey"]),
        ("Two Pictures, left out", ["Pictures", "left out"]),
        ("95 % of 5%, row % 3", [" %"]),
        ("dataset.colours names a color; augment=colour, `model.flip_tta` and left_out.csv stay", []),
    ],
)
def test_what_is_forbidden(text, words):
    assert forbidden(text) == words
    assert found_in_source({"a.py": f'"""Docstring: {text}."""\nraise ValueError(f"{{x}} {text}")\n'}) == [
        f"a.py:2: {word}" for word in words
    ]
    assert found_in_prose({"a.yaml": f"flip_tta: 1  # {text}", "a.md": f"{text}\n```\ngrey\n```\n"}) == [
        f"{name}: {word}" for name in ("a.yaml", "a.md") for word in words
    ]
