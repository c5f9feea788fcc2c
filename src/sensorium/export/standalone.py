"""The program beside an exported model, which needs no PyTorch: one file, made of the parts in the folder `program`."""

import ast
from itertools import takewhile
from pathlib import Path

_FOLDER = Path(__file__).with_name("program")
_PARTS = ("start", "images", "audio", "tokenizer", "answers", "writing", "results", "model", "command")
_PROVIDED = ("sensorium", "numpy")  # by the first part, and by the others


def run_script() -> str:
    """Its text: the imports of all parts, then what each of them defines, under the first line of its docstring."""
    texts = [(_FOLDER / f"{name}.py").read_text(encoding="utf-8") for name in _PARTS]
    about = ast.get_docstring(ast.parse(texts[0]), clean=False)
    first, *others = [_definitions(text) for text in texts]
    titled = [f"# -- {_title(text)}\n\n\n{body}" for text, body in zip(texts[1:], others, strict=True)]
    return f'"""{about}"""\n\n{_imports(texts)}\n' + "\n\n".join([first, *titled])


def _imports(texts: list[str]) -> str:
    """A line for each module, but for those of _PROVIDED."""
    plain, named = set[str](), dict[str, set[str]]()
    for node in (node for text in texts for node in ast.parse(text).body):
        if isinstance(node, ast.Import):
            plain |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            named.setdefault(node.module or "", set()).update(alias.name for alias in node.names)
    lines = [f"import {module}" for module in sorted(plain) if module not in _PROVIDED]
    lines += [
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in sorted(named.items())
        if module.partition(".")[0] not in _PROVIDED
    ]
    return "\n".join(lines) + "\n"


def _title(text: str) -> str:
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0].rstrip(".")


def _definitions(text: str) -> str:
    """What is behind the docstring and the imports."""
    *_, last = takewhile(lambda node: isinstance(node, ast.Expr | ast.Import | ast.ImportFrom), ast.parse(text).body)
    return "\n".join(text.splitlines()[last.end_lineno :]).strip("\n") + "\n"
