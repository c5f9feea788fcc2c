"""Help pages, made from the yaml files themselves: the config tree is the manual."""

import re
from collections.abc import Iterable, Iterator

import sensorium
from sensorium.cli import commented, configs
from sensorium.errors import listing, unknown

SUMMARIES = {
    "train": "train a model, evaluate it on the test split, leave a run folder",
    "eval": "evaluate a checkpoint, on its own test data or on other data",
    "predict": "classify images or texts, translate, or go on with a text, with a checkpoint",
    "list": "datasets, models, experiments, optimizers and every other choice",
}

EXAMPLES = {
    "train": (
        "sensorium train",
        "sensorium train experiment=fashion_mnist_cnn seed=1",
        "sensorium train dataset=image_folder dataset.root=photos model=resnet18 trainer.max_epochs=20",
        "sensorium train -m seed=1,2,3 model=lenet,resnet8",
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
    "list": ("sensorium list", "sensorium list what=models", "sensorium list model=resnet18"),
}


def version() -> str:
    """`sensorium --version`."""
    return f"sensorium {sensorium.__version__}"


def overview(verbs: dict[str, str]) -> str:
    """`sensorium --help`."""
    lines = ["Train, evaluate and use models with one command.", "", "usage: sensorium VERB [key=value ...]", ""]
    lines += [f"  {name:<9} {SUMMARIES[name]}" for name in verbs]
    lines += ["", "sensorium VERB --help shows the keys and choices of a verb. Try: sensorium train"]
    return "\n".join(lines)


def verb(name: str, arguments: Iterable[str] = ()) -> str:
    """`sensorium VERB --help`: the verb's own keys with their comments, the groups with their choices, examples; and
    the keys of what is chosen (`dataset=image_csv --help`).
    """
    lines = [f"sensorium {name}: {SUMMARIES[name]}", "", f"usage: sensorium {name} [key=value ...]", ""]
    body, chosen = _primary(name)
    if chosen:
        lines.append("Groups, with what they are by default (sensorium list what=GROUP describes the choices):")
        for group, default in chosen.items():
            names = [option for option in configs.options(group) if option != default]
            lines.append(f"  {group}={default}" + (f"   or {listing(names, limit=12)}" if names else ""))
        lines.append("")
    lines += ["Keys:", *(f"  {line}" for line in body), "", *_of_choices(name, chosen, arguments), "Examples:"]
    lines += [f"  {example}" for example in EXAMPLES[name]]
    lines += ["", "-m for a sweep over several values, --cfg job to print the config, --config-dir DIR for your own,"]
    lines += ["--hydra-help for Hydra's own options. debug=true shows where an error comes from."]
    return "\n".join(lines)


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
