"""What a dotted `_target_` takes, read from its source: nothing is imported, so that a wrong value is answered at once.

Whatever cannot be derived from the source (a compiled module, a name made at run time, a decorated class) is left open;
`sensorium.build.instantiate` checks the same from the object itself before it builds it.
"""

import ast
import collections.abc
import functools
import sys
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

import sensorium
from sensorium.errors import RequestError, nearest
from sensorium.import_path import find_named

_PLAIN: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "Path": Path,
    "list": list,
    "List": list,
    "dict": dict,
    "Dict": dict,
    "tuple": tuple,
    "Tuple": tuple,
    "Sequence": collections.abc.Sequence,
    "Iterable": collections.abc.Iterable,
    "Mapping": collections.abc.Mapping,
}
_STAND_INS = ("str", "int", "float", "Enum", "StrEnum", "IntEnum", "Protocol", "NamedTuple", "TypedDict")
_DEEPEST = 12  # names that are followed from module to module


class Object:
    """Stands for a class in an annotation: what a parameter takes is an object of it."""


@dataclass(frozen=True)
class Definition:
    """A class or function in the source of a module."""

    module: str
    node: ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Signature:
    """name -> annotation of each parameter; takes_any: whether there is a **rest as well."""

    parameters: dict[str, Any]
    takes_any: bool


def signature_of(target: str, key: str) -> Signature | None:
    """What the class or function at a dotted path takes; None when its source does not tell. key: where it is named.

    Raises RequestError for a path that leads to nothing, or into Python's standard library, where no part of a model
    or dataset is.
    """
    find_named(target)
    found = _resolve(target, f"{key}={target}", 0)
    return _signature(found, 0) if found is not None else None


# -- from a dotted path to its definition


def _resolve(target: str, given: str, depth: int) -> Definition | None:
    parts = target.split(".")
    if parts[0] in sys.stdlib_module_names:
        raise RequestError(f"{given} is not possible: it is part of Python's standard library.")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        if (tree := _tree(module)) is not None and depth < _DEEPEST:
            return _in_module(module, tree, parts[length:], given, depth)
    return None


def _in_module(module: str, tree: ast.Module, names: list[str], given: str, depth: int) -> Definition | None:
    node, whole = _names(module).get(names[0]), [module, *names]
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return Definition(module, node) if len(names) == 1 else None
    if isinstance(node, str):  # imported from there
        return _resolve(".".join([node, *names[1:]]), given, depth + 1)
    if node is not None or _is_open(tree) or _tree(".".join(whole[:2])) is not None:
        return None
    defined = [name for name, what in _names(module).items() if isinstance(what, ast.ClassDef | ast.FunctionDef)]
    guess = nearest(names[0], defined)
    hint = f" Did you mean {guess}?" if guess else ""
    raise RequestError(f"{given}: there is no class or function {'.'.join(whole)}.{hint}")


def _is_open(tree: ast.Module) -> bool:
    """Whether a module may have names that its source does not show."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return True
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            return True
        if isinstance(node, ast.Name) and node.id in ("globals", "setattr", "exec"):
            return True
    return False


@functools.cache
def _names(module: str) -> dict[str, Any]:
    """Names of a module: a class's or function's node, the dotted path that it is imported from, or another node."""
    tree = _tree(module)
    found: dict[str, Any] = {}
    for node in _statements(tree.body if tree is not None else []):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            found |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {name.id: node for name in node.targets if isinstance(name, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a module, with those inside `if` and `try`."""
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            found += _statements([*node.body, *node.orelse])
        else:
            found.append(node)
    return found


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    path = _path(module)
    package = module.split(".")
    package = package[: len(package) - node.level + (path is not None and path.name == "__init__.py")]
    return ".".join([*package, *([node.module] if node.module else [])])


@functools.cache
def _tree(module: str) -> ast.Module | None:
    path = _path(module)
    try:
        return ast.parse(path.read_text(encoding="utf-8")) if path is not None else None
    except (OSError, SyntaxError, ValueError):
        return None


def _path(module: str) -> Path | None:
    """The source of a module, found as Python would, without importing the packages it is in."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    own = [str(Path(sensorium.__file__).parents[1])] if parts[0] == "sensorium" else []
    for entry in (*own, *sys.path):
        base = Path(entry).joinpath(*parts)
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                return path
    return None


# -- from a definition to what it takes


def _signature(found: Definition, depth: int) -> Signature | None:
    node = found.node
    if isinstance(node, ast.FunctionDef):
        return None if node.decorator_list else _parameters(found.module, node, skipped=0)
    if node.keywords:  # a metaclass's own ways
        return None
    if node.decorator_list:
        return _dataclass_signature(found, depth) if _is_dataclass(node) else None
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__new__":
            return None
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return _parameters(found.module, inner, skipped=1)
    if len(node.bases) != 1 or depth > _DEEPEST:
        return None
    base = ast.unparse(node.bases[0])
    parent = (
        _resolve(f"{found.module}.{base}", f"_target_={found.module}.{base}", depth + 1)
        if base.replace(".", "").isidentifier()
        else None
    )
    return _signature(parent, depth + 1) if parent is not None else None


def _is_dataclass(node: ast.ClassDef) -> bool:
    """Whether a class has the decorator `dataclass`, and no other."""
    names = [ast.unparse(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list]
    return len(names) == 1 and names[0].rpartition(".")[2] == "dataclass"


def _dataclass_signature(found: Definition, depth: int) -> Signature | None:
    """The fields of a dataclass and of those it inherits; None where a base is none, or has its own constructor."""
    node = found.node
    if not isinstance(node, ast.ClassDef) or not _is_dataclass(node) or depth > _DEEPEST:
        return None
    if any(isinstance(inner, ast.FunctionDef) and inner.name in ("__init__", "__new__") for inner in node.body):
        return None
    parameters: dict[str, Any] = {}
    for base in reversed(node.bases):
        name = ast.unparse(base)
        if not name.replace(".", "").isidentifier():
            return None
        parent = _resolve(f"{found.module}.{name}", f"_target_={found.module}.{name}", depth + 1)
        inherited = _dataclass_signature(parent, depth + 1) if parent is not None else None
        if inherited is None:
            return None
        parameters |= inherited.parameters
    for inner in node.body:
        if not isinstance(inner, ast.AnnAssign) or not isinstance(inner.target, ast.Name):
            continue
        if not ast.unparse(inner.annotation).startswith(("ClassVar", "typing.ClassVar")):
            parameters[inner.target.id] = annotation(found.module, inner.annotation)
    return Signature(parameters, takes_any=False)


def _parameters(module: str, node: ast.FunctionDef, *, skipped: int) -> Signature:
    positional = [*node.args.posonlyargs, *node.args.args][skipped:]
    parameters = {item.arg: annotation(module, item.annotation) for item in (*positional, *node.args.kwonlyargs)}
    return Signature(parameters, takes_any=node.args.kwarg is not None)


def annotation(module: str, node: ast.expr | None, depth: int = 0) -> Any:
    """An annotation as an object of `typing`; Any for what is not understood."""
    if node is None or depth > _DEEPEST:
        return Any
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return annotation(module, ast.parse(node.value, mode="eval").body, depth + 1)
        return None if node.value is None else Any
    if isinstance(node, ast.Name):
        return _named(module, node.id, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Union[annotation(module, node.left, depth + 1), annotation(module, node.right, depth + 1)]  # noqa: UP007
    if isinstance(node, ast.Subscript):
        return _subscript(module, node, depth)
    return Any


def _named(module: str, name: str, depth: int) -> Any:
    found = _names(module).get(name)
    if isinstance(found, ast.Assign | ast.AnnAssign):
        return annotation(module, found.value, depth + 1)
    if isinstance(found, str) and name not in _PLAIN:
        there, _, original = found.rpartition(".")
        if there.partition(".")[0] in sys.stdlib_module_names:
            return _PLAIN.get(original, Any)
        return _named(there, original, depth + 1) if _tree(there) is not None and depth < _DEEPEST else Any
    if isinstance(found, ast.ClassDef):
        return Any if found.bases and ast.unparse(found.bases[0]) in _STAND_INS else Object
    return _PLAIN.get(name, Any) if found is None or isinstance(found, str) else Any


def _subscript(module: str, node: ast.Subscript, depth: int) -> Any:
    outer = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if outer == "Literal":
        words = tuple(item.value for item in items if isinstance(item, ast.Constant))
        return Literal[words] if len(words) == len(items) else Any
    inner = tuple(
        Ellipsis if isinstance(item, ast.Constant) and item.value is Ellipsis else annotation(module, item, depth + 1)
        for item in items
    )
    if outer == "Optional":
        return typing.Optional[inner[0]]  # noqa: UP045
    if outer == "Union":
        return Union[inner]  # noqa: UP007
    kind = _PLAIN.get(outer)
    if kind in (list, collections.abc.Sequence, collections.abc.Iterable) and len(inner) == 1:
        return kind[inner[0]]
    return kind[inner] if kind in (tuple, dict, collections.abc.Mapping) and inner else Any
