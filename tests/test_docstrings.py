"""What docstrings name must exist: documented arguments ("name: ...", "one, other: ...") and what is in backticks."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# At the start of a line or of a sentence in it.
ARGUMENTS = re.compile(r"(?:^[ ]*|[.;] )((?:[a-z_][a-z0-9_]*, )*[a-z_][a-z0-9_]*): (?=\S)", re.MULTILINE)
IN_BACKTICKS = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)(?:\(\))?`(?!`)")
# Of other packages, an example of a wrong path, and a placeholder.
ELSEWHERE = {"pack_padded_sequence", "affine", "torchaudio.datasets.YESNO", "sensorium.runs.os.system", "model.PART"}
Files = dict[str, str]


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    spec = function.args
    every = (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg)
    return {argument.arg for argument in every if argument is not None}


def members(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> set[str]:
    """Fields, attributes, methods and the constructor's arguments, those of bases in the project included."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name | ast.Attribute) and isinstance(inner.ctx, ast.Store):
            found.add(inner.id if isinstance(inner, ast.Name) else inner.attr)
        elif isinstance(inner, FUNCTIONS):
            found |= {inner.name} | (arguments(inner) if inner.name in ("__init__", "__call__", "forward") else set())
    for base in node.bases:
        name = ast.unparse(base).split(".")[-1]
        found |= members(classes[name], classes) if classes.get(name, node) is not node else set()
    return found


def documented(files: Files) -> Iterator[tuple[str, str, bool]]:
    """(place, name, whether it exists) of each argument that a class or function documents."""
    trees = {path: ast.parse(text) for path, text in files.items()}
    classes = {node.name: node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                known = members(node, classes) if isinstance(node, ast.ClassDef) else arguments(node)
                for names in ARGUMENTS.findall(ast.get_docstring(node) or ""):
                    yield from ((f"{path}: {node.name}", name, name in known) for name in names.split(", "))


def mentioned(files: Files) -> Iterator[tuple[str, str, bool]]:
    """(place, name, whether it occurs in code, docstrings left out) of each identifier in backticks."""
    texts, words = [], {Path(path).stem for path in files}
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Module)) and (docstring := ast.get_docstring(node)):
                texts.append((path, docstring))
                node.body[0].value.value = ""
            for _, value in ast.iter_fields(node):
                values = value if isinstance(value, list) else [value]
                words |= {word for one in values if isinstance(one, str) for word in re.findall(r"\w+", one)}
    for path, docstring in texts:
        yield from ((path, name, name.split(".")[-1] in words) for name in IN_BACKTICKS.findall(docstring))


def lies(found: Iterable[tuple[str, str, bool]]) -> list[str]:
    return [f"{place}: {name}" for place, name, exists in found if not exists and name not in ELSEWHERE]


def test_what_docstrings_name_exists() -> None:
    files = {str(path.relative_to(SOURCE)): path.read_text() for path in SOURCE.rglob("*.py")}
    for found, count in ((list(documented(files)), 1000), (list(mentioned(files)), 300)):
        assert lies(found) == []
        assert len(found) > count


PLANTED = '''
class Base:
    def __init__(self, *, size: int) -> None:
        self.rows = [size]


class Table(Base):
    """Rows.

    size, width: in pixels. rows: all of them.
    on_row: called with each. `step_time` is kept, `size` too.
    """


def area(width: int, *others: int) -> int:
    """Pixels, `len(others)` times.

    widths: of the table. others: of more.
    """
'''


def test_planted_lies_are_found() -> None:
    files = {"planted.py": PLANTED}
    assert lies(documented(files)) == [
        "planted.py: Table: width",
        "planted.py: Table: on_row",
        "planted.py: area: widths",
    ]
    assert lies(mentioned(files)) == ["planted.py: step_time"]
