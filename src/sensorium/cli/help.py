"""Help pages, made from the yaml files themselves: the config tree is the manual."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sensorium
from sensorium.cli import commented, configs
from sensorium.errors import unknown

SUMMARIES = {
    "train": "train a model, evaluate it on the test split, write a run folder",
    "eval": "evaluate a checkpoint on its own test split or on other data",
    "predict": "classify, detect, segment, translate, transcribe or generate with a checkpoint",
    "explain": "show where a prediction comes from, and whether to believe the explanation",
    "export": "write a model as ONNX, and prove that it answers as the checkpoint does",
    "serve": "serve models over HTTP: web page, JSON, batches across requests",
    "report": "write report.html for a run, or one page that compares several runs",
    "check": "check a dataset: duplicates, label errors, imbalance, outliers, leakage",
    "list": "datasets, models, experiments, optimizers and every other choice",
}

EXAMPLES = {
    "train": (
        "sensorium train",
        "sensorium train experiment=fashion_mnist_cnn seed=1",
        "sensorium train dataset=image_folder dataset.root=photos model=resnet18 trainer.max_epochs=20",
        "sensorium train -m seed=1,2,3 model=lenet,resnet8",
        "sensorium train -m search=tpe trials=40 'lr=tag(log,interval(1e-4,1e-1))'",
        "sensorium train resume=runs/digits_small_cnn/2026-01-31_12-00-00_ab12",
        "sensorium train dataset=image_folder --help",
    ),
    "eval": (
        "sensorium eval ckpt=best.ckpt",
        "sensorium eval ckpt=best.ckpt dataset.root=other_photos bootstrap=1000",
        "sensorium eval ckpt=best.ckpt compare=other.ckpt format=json",
    ),
    "predict": (
        "sensorium predict ckpt=best.ckpt input=cat.jpg",
        "sensorium predict ckpt=best.ckpt input='photos/*.png' top_k=3 format=csv output=labels.csv",
        "sensorium predict ckpt=best.ckpt text='What a film!'",
        "sensorium predict ckpt=best.ckpt input=- < english.txt > german.txt",
        "sensorium predict ckpt=best.ckpt prompt='ROMEO:' length=300 temperature=0.8 seed=1",
        "find photos -name '*.jpg' | sensorium predict ckpt=best.ckpt input=- format=jsonl",
    ),
    "check": (
        "sensorium check photos",
        "sensorium check dataset=text_csv dataset.path=reviews.csv output=clean.csv",
        "sensorium check dataset=fashion_mnist skip=[labels] folder=null",
    ),
    "list": (
        "sensorium list",
        "sensorium list datasets",
        "sensorium list models task=translation",
        "sensorium list runs",
        "sensorium list model=resnet18",
    ),
    "explain": (
        "sensorium explain ckpt=best.ckpt input=cat.jpg output=why.png",
        "sensorium explain ckpt=best.ckpt input=photos target=cat,dog folder=why",
        "sensorium explain ckpt=best.ckpt row=12 split=test method=occlusion",
        "sensorium explain ckpt=best.ckpt worst=10 folder=why_wrong",
    ),
    "export": (
        "sensorium export ckpt=best.ckpt",
        "sensorium export ckpt=best.ckpt format=onnx-int8 output=small",
        "sensorium eval ckpt=model.onnx",
    ),
    "serve": (
        "sensorium serve ckpt=best.ckpt",
        "sensorium serve ckpt=[digits.ckpt,speech.ckpt] names=[digits,speech] port=9000",
        "SENSORIUM_API_KEY=$(cat key) sensorium serve ckpt=best.ckpt host=0.0.0.0",
    ),
    "report": (
        "sensorium report runs/digits_small_cnn/2026-01-31_12-00-00_ab12",
        "sensorium report runs/digits_small_cnn/* output=seeds.html",
    ),
}

# The keys that a verb's help shows first. `--help all` has every key.
COMMON = {
    "train": (
        "lr",
        "batch_size",
        "trainer.max_epochs",
        "seed",
        "model.pretrained",
        "model.init",
        "model.freeze",
        "on_bad",
        "class_weights",
        "threads",
        "resume",
        "run_root",
    ),
    "eval": ("ckpt", "split", "folder", "predictions", "bootstrap", "compare", "format", "output", "trust"),
    "predict": (
        "ckpt",
        "input",
        "text",
        "prompt",
        "stream",
        "threshold",
        "top_k",
        "overlay",
        "masks",
        "format",
        "output",
        "trust",
    ),
    "check": ("dataset", "ckpt", "skip", "folder", "output", "overwrite"),
    "list": ("what", "task", "model", "run_root", "dataset", "metric", "since", "until", "format", "output"),
    "explain": (
        *("ckpt", "input", "text", "row", "worst", "method", "target", "top_k", "folder", "format", "output", "trust"),
    ),
    "export": ("ckpt", "format", "output", "tolerance", "overwrite", "trust"),
    "serve": ("ckpt", "names", "host", "port", "api_key", "max_batch", "max_wait_ms", "timeout", "threads", "trust"),
    "report": ("runs", "output", "overwrite"),
}
SEARCH = ("trials", "budget", "jobs", "fail_fast")  # that stand outside of the section
_WIDTH = 80


def version() -> str:
    """`sensorium --version`."""
    return f"sensorium {sensorium.__version__}"


def full_version(environment: Mapping[str, Any]) -> str:
    """`sensorium --version full`: versions, hardware and threads, as a bug report needs them. environment: as
    `runs.environment` gives it.
    """
    lines = {name: value for name, value in environment.items() if name != "packages"} | environment["packages"]
    return "\n".join(
        f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in lines.items()
    )


def overview(verbs: dict[str, str]) -> str:
    """`sensorium --help`."""
    lines = ["Train, evaluate and use deep learning models with one command.", ""]
    lines += ["usage: sensorium VERB [key=value ...]", ""]
    lines += [f"  {name:<9} {SUMMARIES[name]}" for name in verbs]
    lines += ["", "sensorium VERB --help shows the keys of a verb. Try: sensorium train"]
    return "\n".join(lines)


def verb(name: str, arguments: Iterable[str] = ()) -> str:
    """`sensorium VERB --help`: groups, the keys that are set most often, examples; fits a screen. With `--help all` all
    keys of the verb, and with `dataset=image_csv --help` those of what is chosen too.
    """
    arguments = list(arguments)
    body, chosen = _primary(name)
    path = "[PATH] [key=value ...]"
    usage = {"train": path, "check": path, "report": "RUN [RUN ...] [key=value ...]"}.get(name, "[key=value ...]")
    lines = [f"sensorium {name}: {SUMMARIES[name]}", "", f"usage: sensorium {name} {usage}", ""]
    if chosen:
        groups = "  ".join(f"{group}={default}" for group, default in chosen.items())
        lines += ["Groups and their defaults (sensorium list GROUP shows the choices):"]
        lines += [*textwrap.wrap(groups, _WIDTH, initial_indent="  ", subsequent_indent="  "), ""]
    if "all" in arguments:
        lines += ["Keys:", *(f"  {line}" for line in body)]
    else:
        lines += [f"Keys that are set most often (all of them: sensorium {name} --help all):"]
        lines += _explained(COMMON[name], documented(body))
    lines += ["", *_of_choices(name, chosen, arguments), "Examples:", *(f"  {example}" for example in EXAMPLES[name])]
    sweep = "" if name == "list" else "-m runs a sweep, "
    lines += ["", f"{sweep}--cfg job prints the config, --config-dir DIR adds your configs,"]
    lines += ["--hydra-help shows Hydra's options, debug=true shows where an error comes from."]
    return "\n".join(lines)


def documented(body: list[str]) -> dict[str, tuple[str, str]]:
    """Dotted key -> (default, comment), of the lines of a yaml file. A comment stands beside its key or above it."""
    found: dict[str, tuple[str, str]] = {}
    sections: list[tuple[int, str]] = []
    above: list[str] = []
    for line in body:
        if line.lstrip().startswith("#"):
            above.append(line.strip().lstrip("# "))
            continue
        parsed = re.fullmatch(r"( *)([\w.-]+):(.*)", line)
        if parsed is None:
            continue
        value, _, beside = parsed[3].partition(" #")
        sections = [
            *((indent, name) for indent, name in sections if indent < len(parsed[1])),
            (len(parsed[1]), parsed[2]),
        ]
        comment = " ".join(filter(None, (*above, beside.strip())))
        found[".".join(name for _, name in sections)] = (value.strip(), comment)
        above = []
    return found


def _explained(keys: tuple[str, ...], entries: dict[str, tuple[str, str]]) -> list[str]:
    """Keys with their defaults beside their comments, which are wrapped."""
    labels = {key: f"{key}={value}" if (value := entries[key][0]).isalnum() else key for key in keys}
    column = 2 + max(map(len, labels.values())) + 2
    lines: list[str] = []
    for key, label in labels.items():
        words = textwrap.wrap(entries[key][1], _WIDTH - column)
        lines.append(f"  {label:<{column - 2}}{words[0]}")
        lines += [" " * column + line for line in words[1:]]
    return lines


def _of_choices(name: str, groups: Iterable[str], arguments: Iterable[str]) -> Iterator[str]:
    """The keys of each GROUP=CHOICE among the arguments. RequestError for a choice that there is not."""
    known = {*groups, *(("dataset",) if name == "eval" else ())}
    for group, choice in (found.groups() for text in arguments if (found := re.fullmatch(r"(\w+)=(\w+)", text))):
        if group not in known:
            continue
        if choice not in configs.options(group):
            raise unknown(group, choice, configs.options(group))
        yield f"Keys of {group}={choice}, each written {group}.KEY=VALUE:"
        yield from (f"  {line}" for line in commented.lines_of(group, choice) or ["(none)"])
        yield ""
        if group == "search":
            yield "Keys of every search, each written KEY=VALUE:"
            yield from _explained(SEARCH, documented(_primary("train")[0]))
            yield ""


def _primary(name: str) -> tuple[list[str], dict[str, str]]:
    """A primary config as text: its own keys with their comments, and its defaults list as group -> choice."""
    body: list[str] = []
    chosen: dict[str, str] = {}
    section = ""
    for line in (configs.FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1:]:
        if line and not line[0].isspace() and not line.startswith("#"):
            section = line.partition(":")[0]
        if section == "defaults":
            entry = line.strip().removeprefix("- ").removeprefix("optional ")
            group, colon, choice = entry.partition(":")
            if colon and "/" not in group and group != "defaults":
                chosen[group] = choice.partition("#")[0].strip()
        elif section != "hydra" and line.strip():
            body.append(line)
    return body, chosen
