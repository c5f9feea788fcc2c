"""The shape of the source: who imports whom (docs/decisions/0001), nothing hidden, nothing swallowed, nothing too long.

The checks work on text (path inside src -> source), so each is first shown a planted violation.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from sensorium.tasks.registry import TASKS

SOURCE = Path(__file__).parents[1] / "src"
ROWS = (
    (
        *("errors", "annotations", "batches", "specs", "randomness", "files", "startup", "signals", "import_path"),
        *("output", "distributed", "run_config", "run_folder", "suffixes", "parent", "group_place", "torch_file"),
        *("report_sections", "metric_titles", "migration"),
    ),
    ("vision", "text", "audio", "nn", "losses", "optim", "synthetic"),
    ("models", "data", "metrics", "decoding", "attribution"),
    ("inspection",),
    ("tasks",),
    ("build", "targets", "initial", "runs", "checkpoint", "checkpoint_shards", "bounded", "verdict"),
    ("training", "evaluation", "history_plot", "neighbors", "launchers"),
    ("robustness", "explain", "export", "serve", "reports", "search"),
    ("cli",),
    ("trained_model",),
    ("api",),
    ("__main__",),
)
ROW = {name: number for number, names in enumerate(ROWS) for name in names}
# Inside one row, only these: the importer and what it may import.
BESIDE = {
    ("files", "errors"),
    ("distributed", "errors"),
    ("group_place", "errors"),
    ("randomness", "errors"),
    ("build", "bounded"),
    ("build", "checkpoint"),
    ("checkpoint", "bounded"),
    ("checkpoint", "checkpoint_shards"),
    ("build", "initial"),
    ("build", "targets"),
    ("output", "errors"),
    ("output", "files"),
    ("run_config", "errors"),
    ("run_folder", "errors"),
    ("targets", "annotations"),
    ("evaluation", "history_plot"),
    ("verdict", "runs"),
    ("search", "reports"),
    ("api", "cli"),
    ("", "api"),  # for type checkers; at run time its names are imported when they are asked for
}
LIGHT_ROWS = 3  # up to this row nothing knows of Lightning or Hydra
HEAVY = ("lightning", "hydra", "omegaconf", "pytorch_lightning")
OPTIONAL_EXTRAS = {
    ("sensorium/models/vision/timm.py", "timm"),
    ("sensorium/text/bpe.py", "tokenizers"),
    ("sensorium/metrics/translation.py", "sacrebleu"),
    ("sensorium/synthetic/number_words.py", "num2words"),
    ("sensorium/data/io/tables.py", "pyarrow.parquet"),
    ("sensorium/data/text/hub.py", "datasets"),
    ("sensorium/data/shards/addresses.py", "fsspec"),
    ("sensorium/data/shards/addresses.py", "aiohttp"),
    ("sensorium/metrics/recognition.py", "jiwer"),
    ("sensorium/audio/espeak.py", "espeakng_loader"),
    ("sensorium/tasks/audio_inputs.py", "sounddevice"),
    ("sensorium/metrics/calibration.py", "scipy.optimize"),  # half a second, and only a training's end needs it
    ("sensorium/metrics/conformal.py", "scipy.special"),
    ("sensorium/attribution/methods.py", "captum.attr"),
    ("sensorium/models/exported.py", "onnx"),
    ("sensorium/models/exported.py", "onnxruntime"),
    ("sensorium/export/program/images.py", "PIL"),  # that program needs only one of the two
    ("sensorium/export/program/model.py", "PIL"),
    ("sensorium/export/program/audio.py", "soundfile"),
    ("sensorium/export/onnx_file.py", "onnx"),
    ("sensorium/export/translations.py", "onnxscript"),
    ("sensorium/export/int8.py", "onnx"),
    ("sensorium/export/int8.py", "onnxruntime"),
    ("sensorium/export/int8.py", "onnxruntime.quantization"),
    ("sensorium/cli/serve.py", "sensorium.serve.run"),  # fastapi and uvicorn, and half a second
    ("sensorium/cli/search.py", "sensorium.search.run"),  # Optuna, an extra
    ("sensorium/launchers/slurm.py", "submitit"),
    ("sensorium/launchers/slurm.py", "submitit.core.utils"),
    ("sensorium/launchers/slurm.py", "submitit.helpers"),
    ("sensorium/launchers/ray.py", "ray"),
    ("sensorium/launchers/ray_actor.py", "ray"),
    ("sensorium/inspection/texts.py", "sklearn.feature_extraction.text"),  # a second that only `check` needs
    ("sensorium/inspection/texts.py", "sklearn.pipeline"),
    ("sensorium/metrics/uncertainty.py", "scipy.stats"),  # always there; a second of CPU that only compare= needs
}
# Import by name: the Python API, the map of verbs, what measures a model, the table of tasks, torchmetrics.
LAZY = (
    "sensorium/__init__.py",
    "sensorium/cli/main.py",
    "sensorium/cli/list.py",
    "sensorium/cli/report.py",
    "sensorium/tasks/registry.py",
    "sensorium/startup.py",
    "sensorium/launchers/warm.py",  # becomes the command, as a new interpreter would
    "sensorium/serve/loader.py",  # torch is for the processes of the models
)
# What may differ by task is here and nowhere else; the program beside an exported model has no registry to ask.
KNOW_TASKS = ("sensorium/tasks/", "sensorium/specs/", "sensorium/export/program/")
OLD_NAMES = ("sensorium/migration.py", "TASK_OF_KIND")  # the one table of tasks elsewhere: to migrate old checkpoints
COMPOSES = "sensorium/cli/composition.py"  # where a config is still Hydra's
TASK_TYPES = ("Spec", "Evaluation", "Prediction")
LONGEST = 350
Files = dict[str, str]


def name_of(path: str) -> str:
    """sensorium/data/base.py -> sensorium.data.base; a package's __init__ is the package."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def part_of(module: str) -> str:
    """sensorium.data.vision.mnist -> data; the package itself is ""."""
    return ".".join(module.split(".")[1:2])


def imported(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """Dotted names of what a piece of source imports; `from package import module` is the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in modules else base


def rows(files: Files) -> list[str]:
    """Imports from a higher row, from the same row where that is not agreed, and of heavy packages in the low rows."""
    modules, found = {name_of(path) for path in files}, []
    for path, text in files.items():
        part = part_of(name_of(path))
        for target in imported(ast.parse(text), modules):
            other = part_of(target)
            if target.startswith("."):
                found.append(f"{path}: relative import of {target}")
            elif target.split(".")[0] in HEAVY and part and ROW[part] <= LIGHT_ROWS:
                found.append(f"{path}: {target} in row {ROW[part]}")
            elif target.startswith("sensorium.") and other != part:
                lower = (part != "" and ROW[other] < ROW[part]) or (part, other) in BESIDE
                found += [] if lower else [f"{path}: imports {target}, which is not below it"]
    return found


def executed(tree: ast.Module) -> ast.Module:
    """A module without its `if TYPE_CHECKING:`."""
    kept = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return ast.Module(kept, [])


def cycles(files: Files) -> list[str]:
    """A circle of imports, if there is one. What only type checkers import is in none."""
    modules = {name_of(path) for path in files}
    graph = {
        name_of(path): {name for name in imported(executed(ast.parse(text)), modules) if name in modules}
        for path, text in files.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def hidden_imports(files: Files) -> list[str]:
    """Imports inside a function, or by a name put together at run time."""
    found = []
    for path, text in files.items():
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                found += [
                    f"{path}: {target} in a function"
                    for target in imported(function, set())
                    if (path, target) not in OPTIONAL_EXTRAS
                ]
        called = ("import_module(", "__import__(")
        found += [f"{path}: {name}" for name in called if name in text and path not in LAZY]
    return found


def swallowing(files: Files) -> list[str]:
    """`**kwargs` in a constructor, and `except:` without a type."""
    found = []
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__" and node.args.kwarg:
                found.append(f"{path}:{node.lineno}: **{node.args.kwarg.arg}")
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                found.append(f"{path}:{node.lineno}: bare except")
    return found


def too_long(files: Files) -> list[str]:
    """Files of more lines than fit in a head."""
    counts = {path: len(text.splitlines()) for path, text in files.items()}
    return [f"{path}: {count} lines" for path, count in counts.items() if count > LONGEST]


def without_docstring(files: Files) -> list[str]:
    """Modules, and public classes and functions of a module, that do not say what they are."""
    found = []
    for path, text in files.items():
        tree = ast.parse(text)
        things = [tree] if tree.body and not path.endswith("__init__.py") else []
        things += [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        ]
        found += [f"{path}: {getattr(thing, 'name', 'module')}" for thing in things if not ast.get_docstring(thing)]
    return found


def task_switches(files: Files) -> list[str]:
    """What asks for the type of a spec or of a task's result, or for the name of a task, instead of asking the task."""
    found = []
    for path, text in files.items():
        if path.startswith(KNOW_TASKS):
            continue
        tree = ast.parse(text)
        found += [f"{path}:{node.lineno}: {ast.unparse(node)[:80]}" for node in _switches(tree, _excepted(path, tree))]
    return found


def _excepted(path: str, tree: ast.Module) -> set[ast.AST]:
    """The values assigned to a name that OLD_NAMES lets pass."""
    return {
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and (path, ast.unparse(node.targets[0])) == OLD_NAMES
    }


def _switches(tree: ast.Module, excepted: set[ast.AST]) -> list[ast.expr | ast.pattern]:
    own = _types_of_tasks(tree)
    return [
        node
        for node in ast.walk(tree)
        if (isinstance(node, ast.Compare) and _compares(node, own))
        or (isinstance(node, ast.Call) and _asks(node, own))
        or (isinstance(node, ast.Dict) and node not in excepted and any(_is_name(key) for key in node.keys))
        or (isinstance(node, ast.Subscript) and (_is_task(node.slice) or _is_name(node.slice)))
        or (isinstance(node, ast.MatchValue) and _is_name(node.value))
        or (isinstance(node, ast.MatchClass) and _is_task_type(node.cls, own))
    ]


def _compares(node: ast.Compare, own: set[str]) -> bool:
    sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
    by_type = "type(" in ast.unparse(node) and any(_is_task_type(part, own) for part in sides)
    return by_type or any(_is_name(part) or _is_task(part) for part in sides)


def _asks(node: ast.Call, own: set[str]) -> bool:
    called, types = ast.unparse(node.func), [part for argument in node.args[1:] for part in ast.walk(argument)]
    by_type = called in ("isinstance", "issubclass") and any(_is_task_type(part, own) for part in types)
    return by_type or (called == "dict" and any(keyword.arg in TASKS for keyword in node.keywords))


def _types_of_tasks(tree: ast.Module) -> set[str]:
    """Names imported from specs, and from what evaluates or predicts in a task's folder."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if f"{node.module}.".startswith("sensorium.specs.")
        or (str(node.module).startswith("sensorium.tasks.") and str(node.module).endswith((".evaluate", ".predict")))
    }


def _is_task_type(node: ast.AST, own: set[str]) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name.endswith(TASK_TYPES) or name in own


def _is_name(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in TASKS


def _is_task(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "task"


def edited_configs(files: Files) -> list[str]:
    """Items of a config set or taken away after the command line has composed it."""
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, text in files.items()
        if path != COMPOSES
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
        if isinstance(node.value, ast.Name) and node.value.id == "config"
    ]


CHECKS = (rows, cycles, hidden_imports, swallowing, too_long, without_docstring, task_switches, edited_configs)


@pytest.fixture(scope="module")
def source() -> Files:
    return {str(path.relative_to(SOURCE)): path.read_text() for path in sorted(SOURCE.rglob("*.py"))}


def test_every_file_is_in_a_row(source):
    assert len(source) > 90
    assert {part_of(name_of(path)) for path in source} - {""} <= set(ROW)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_source(check, source):
    assert check(source) == []


PLANTED = [
    (rows, {"sensorium/nn/a.py": "from sensorium.data.base import ImageSplit"}, 1),
    (rows, {"sensorium/nn/a.py": "import sensorium.tasks.training_module"}, 1),
    (rows, {"sensorium/data/a.py": "from sensorium import build", "sensorium/build.py": ""}, 1),
    (rows, {"sensorium/data/a.py": "from sensorium.models import vision"}, 1),
    (rows, {"sensorium/tasks/a.py": "def f():\n    from sensorium.cli import app"}, 1),
    (rows, {"sensorium/models/a.py": "import lightning.pytorch as pl"}, 1),
    (rows, {"sensorium/data/a.py": "from hydra.utils import instantiate"}, 1),
    (rows, {"sensorium/data/a.py": "from .base import x"}, 1),
    (rows, {"sensorium/__init__.py": "from sensorium.errors import RunError"}, 1),
    (
        rows,
        {"sensorium/tasks/a.py": "import lightning\nfrom sensorium.nn import b\nfrom sensorium.tasks.c import d"},
        0,
    ),
    (
        cycles,
        {
            "sensorium/data/a.py": "from sensorium.data import b",
            "sensorium/data/b.py": "import sensorium.data.c",
            "sensorium/data/c.py": "from sensorium.data.a import x",
        },
        1,
    ),
    (cycles, {"sensorium/data/a.py": "from sensorium.data import b", "sensorium/data/b.py": "import math"}, 0),
    (
        cycles,
        {
            "sensorium/__init__.py": "if TYPE_CHECKING:\n    from sensorium.api import load",
            "sensorium/api.py": "import sensorium",
        },
        0,
    ),
    (hidden_imports, {"sensorium/nn/a.py": "def f():\n    import math\n    from os import path"}, 2),
    (hidden_imports, {"sensorium/nn/a.py": "class A:\n    def f(self):\n        import timm"}, 1),
    (hidden_imports, {"sensorium/nn/a.py": "import importlib\nx = importlib.import_module('torch')"}, 1),
    (hidden_imports, {"sensorium/models/vision/timm.py": "def f():\n    import timm"}, 0),
    (swallowing, {"sensorium/nn/a.py": "class A:\n    def __init__(self, a, **rest): pass"}, 1),
    (swallowing, {"sensorium/nn/a.py": "try:\n    f()\nexcept:\n    pass"}, 1),
    (swallowing, {"sensorium/nn/a.py": "def f(**rest):\n    try:\n        g()\n    except OSError:\n        pass"}, 0),
    (too_long, {"sensorium/nn/a.py": "x = 1\n" * 351}, 1),
    (too_long, {"sensorium/nn/a.py": "x = 1\n" * 350}, 0),
    (without_docstring, {"sensorium/nn/a.py": "x = 1\ndef f(): pass\nclass A: pass\ndef _g(): pass"}, 3),
    (without_docstring, {"sensorium/nn/a.py": '"""A."""\ndef f():\n    """B."""', "sensorium/nn/__init__.py": ""}, 0),
    (
        task_switches,
        {"sensorium/cli/a.py": "if isinstance(spec, TextClassificationSpec | LanguageModelingSpec): pass"},
        1,
    ),
    (task_switches, {"sensorium/cli/a.py": "x = isinstance(found, (str, base.ClassificationEvaluation))"}, 1),
    (
        task_switches,
        {"sensorium/cli/a.py": "x = isinstance(one, ClassPrediction)\ny = type(spec) is AudioClassificationSpec"},
        2,
    ),
    (
        task_switches,
        {"sensorium/cli/a.py": "from sensorium.tasks.x.predict import Transcript\nx = isinstance(a, Transcript)"},
        1,
    ),
    (task_switches, {"sensorium/training/a.py": "if spec.task == other: pass\nx = data.spec.task in SOME"}, 2),
    (task_switches, {"sensorium/training/a.py": "x = TABLE[spec.task]\ny = TABLE['translation']"}, 2),
    (task_switches, {"sensorium/build.py": "x = 'translation' if name == 'translation' else ''"}, 1),
    (task_switches, {"sensorium/build.py": "x = name in ('text_classification', 'translation')"}, 1),
    (task_switches, {"sensorium/build.py": "X = {'object_detection': 1, 'b': 2}\nY = dict(translation=1)"}, 2),
    (
        task_switches,
        {"sensorium/build.py": "match name:\n    case 'translation': pass\n    case TextClassificationSpec(): pass"},
        2,
    ),
    (task_switches, {"sensorium/migration.py": "TASK_OF_KIND = {'translation': 'translation'}"}, 0),
    (task_switches, {"sensorium/checkpoint.py": "OTHER = {'translation': 'translation'}"}, 1),
    (task_switches, {"sensorium/build.py": "TASK_OF_KIND = {'translation': 'translation'}"}, 1),
    (task_switches, {"sensorium/tasks/a.py": "x = isinstance(spec, TextClassificationSpec)"}, 0),
    (edited_configs, {"sensorium/cli/a.py": "config['a'] = 1\nconfig['b'] |= {}\ndel config['c']\nx = config['d']"}, 3),
    (edited_configs, {"sensorium/cli/composition.py": "config['a'] = 1"}, 0),
    (task_switches, {"sensorium/data/a.py": "class A:\n    task = 'translation'\nx = isinstance(a, str)"}, 0),
]


@pytest.mark.parametrize(("check", "files", "violations"), PLANTED)
def test_a_planted_violation_is_found(check, files, violations):
    assert len(check(files)) == violations, check(files)
