"""Every yaml: it composes, what it names can be built from its keys, and it is commented.

Which files there are is read from the folders. No group may be empty and no file outside a group, so that a loop over
nothing cannot be green.
"""

import dataclasses
import functools
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from sensorium import runs
from sensorium.build import build_model, fits, instantiate
from sensorium.cli import app, commented, configs, schema
from sensorium.cli.composition import compose, compose_alone
from sensorium.errors import RequestError
from sensorium.specs import (
    AudioClassificationSpec,
    ImageClassificationSpec,
    LanguageModelingSpec,
    ObjectDetectionSpec,
    SemanticSegmentationSpec,
    SpeechRecognitionSpec,
    TextClassificationSpec,
    TranslationSpec,
)
from sensorium.training import fit
from sensorium.training.interrupts import StopRequest

model_catalog = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "model_catalog.py")))
VERBS = ("train", "eval", "predict", "explain", "export", "serve", "report", "check", "list")
GROUPS = sorted(path.name for path in configs.FOLDER.iterdir() if path.is_dir())
CHOICES = [(group, name) for group in GROUPS for name in configs.options(group)]
BLOCKS = sorted(path.stem for path in (configs.FOLDER / "dataset").glob("_*.yaml"))  # that datasets include
FILES = sorted(configs.FOLDER.rglob("*.yaml"))
WITH_TARGET = ("dataset", "model", "augment", "optimizer", "scheduler", "task")
HOLD_DIFFERENCES = ("experiment", "debug")  # their keys are explained where they are first given


TOKENS = {"kind": "char", "characters": ["a"], "lowercase": False}
CLASSES = tuple("abcde")
PICTURES = {"class_names": CLASSES, "in_channels": 3, "image_size": (32, 32), "mean": (0.5,) * 3, "std": (0.25,) * 3}
SPECS = (
    ImageClassificationSpec(**PICTURES),
    ObjectDetectionSpec(**PICTURES),
    SemanticSegmentationSpec(**PICTURES, palette=(0,) * 15),
    TextClassificationSpec(class_names=CLASSES, tokenizer=TOKENS, vocab_size=40, pad_id=0, max_length=50),
    LanguageModelingSpec(tokenizer=TOKENS, vocab_size=40, context=16),
    TranslationSpec(
        source_tokenizer=TOKENS,
        target_tokenizer=TOKENS,
        source_vocab_size=40,
        target_vocab_size=30,
        pad_id=0,
        max_length=50,
    ),
    AudioClassificationSpec(class_names=CLASSES, features={"sample_rate": 8000}, num_features=40),
    SpeechRecognitionSpec(features={"sample_rate": 8000}, num_features=40, tokenizer=TOKENS, vocab_size=40),
)
# Two inputs and two classes, for the model that takes nothing else.
TRUTH_TABLE = ImageClassificationSpec(class_names=("0", "1"), in_channels=1, image_size=(1, 2), mean=(0.0,), std=(1.0,))


@functools.cache
def composed_once(*overrides: str) -> DictConfig:
    return compose("train", list(overrides))


def composed(*overrides: str) -> dict:
    return OmegaConf.to_container(composed_once(*overrides), resolve=True)


def test_the_tree_is_complete():
    assert GROUPS
    assert configs.groups() == GROUPS
    assert [group for group in GROUPS if group not in {name for name, _ in CHOICES}] == [], "a group without a yaml"
    expected = {f"{verb}.yaml" for verb in VERBS} | {f"{group}/{choice}.yaml" for group, choice in CHOICES}
    expected |= {f"dataset/{block}.yaml" for block in BLOCKS} | {"search/_settings.yaml"}
    strange = {path.relative_to(configs.FOLDER).as_posix() for path in FILES} ^ expected
    assert not strange, f"{sorted(strange)}: a yaml lies in a group's folder, configs/GROUP/NAME.yaml, or is a verb's"


@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=[f"{group}={choice}" for group, choice in CHOICES])
def test_a_choice_composes_and_everything_in_it_is_built(group, choice, tmp_path):
    config = composed(f"{group}={choice}")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4, 2))
    instantiate("dataset", config["dataset"])
    optimizer = instantiate("optimizer", config["optimizer"] | {"lr": 0.1})([{"params": list(network.parameters())}])
    scheduler = instantiate("scheduler", config["scheduler"])(optimizer, total_steps=10, steps_per_epoch=5)
    assert 0 < optimizer.param_groups[0]["lr"] <= 0.1
    assert scheduler.optimizer is optimizer
    augment = instantiate("augment", config["augment"])
    for part in ("transforms", "waves", "features"):  # of images, of sound
        chosen = config["augment"].get(part) or {}
        assert len(getattr(augment, part, ())) == sum(value is not None for value in chosen.values())
    run = runs.RunFolder(tmp_path)
    for name, section in config["callbacks"].items():
        if section:
            section = fit.monitored_by(("val/loss", "min"), section)
            instantiate(f"callbacks.{name}", section, run=run, about={}, stop=StopRequest(), started=0.0)
    if group == "search" and choice != "none":
        schema.check("train", config)
        with pytest.raises(RequestError, match="needs -m and something that varies"):
            app.check("train", config)
        return
    app.check("train", config)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_has_the_keys_of_the_settings_that_it_is_named_after(block):
    path = configs.FOLDER / "dataset" / f"{block}.yaml"
    name, module = re.match(r"(\w+) \((\S+)\.py\): ", configs.first_comment(path)).groups()
    assert "".join(word.capitalize() for word in block.split("_")) == name
    settings = get_object(f"sensorium.{module.replace('/', '.')}.{name}")
    assert sorted(alone(block)) == sorted(["_target_", *(field.name for field in dataclasses.fields(settings))])


def alone(block: str) -> dict:
    """A block with those that it includes."""
    own = yaml.safe_load((configs.FOLDER / "dataset" / f"{block}.yaml").read_text())
    included = [name for name in own.pop("defaults", []) if name != "_self_"]
    return {**{key: value for name in included for key, value in alone(name).items()}, **own}


@pytest.mark.parametrize("group", WITH_TARGET)
def test_help_reads_from_the_texts_what_hydra_composes(group):
    of_every_choice = OmegaConf.load(configs.FOLDER / "train.yaml").get(group, {})
    for choice in configs.options(group):
        section = OmegaConf.to_container(composed_once(f"{group}={choice}")[group])
        read = OmegaConf.merge(of_every_choice, OmegaConf.create("\n".join(commented.lines_of(group, choice)) or {}))
        assert OmegaConf.to_container(read) == {k: v for k, v in section.items() if not k.startswith("_")}, choice


def test_looking_for_trouble_comes_last_and_overrules_what_a_dataset_begins_with():
    assert "audio" not in str(composed("dataset=fsdd", "debug=overfit")["augment"])
    assert "audio" not in str(composed("experiment=connected_digits_rnn", "debug=overfit")["augment"])
    assert composed("experiment=connected_digits_rnn", "debug=overfit")["trainer"]["max_epochs"] == 100


@pytest.mark.parametrize("choice", [choice for group, choice in CHOICES if group == "model"])
def test_every_model_is_built(choice):
    config = composed(f"model={choice}")
    config["model"] |= {"pretrained": False}
    (spec,) = (spec for spec in SPECS if fits(config["model"], spec))
    spec = TRUTH_TABLE if choice == "threshold_unit" else spec
    model = build_model(config["model"], spec, seed=0)
    assert spec.fault(model.eval()(*spec.example())) is None


@pytest.mark.parametrize("experiment", [choice for group, choice in CHOICES if group == "experiment"])
def test_an_experiment_changes_only_what_is_there(experiment):
    def keys(section, prefix=""):
        for key, value in section.items():
            yield f"{prefix}{key}"
            yield from keys(value, f"{prefix}{key}.") if isinstance(value, dict) else ()

    text = yaml.safe_load((configs.FOLDER / "experiment" / f"{experiment}.yaml").read_text()) or {}
    groups = [f"{key.split('/')[1]}={name}" for item in text.pop("defaults", []) for key, name in item.items()]
    without = set(keys(composed(*groups)))
    assert [key for key in keys(text) if key not in without] == []


@pytest.mark.parametrize("experiment", [choice for group, choice in CHOICES if group == "experiment"])
def test_an_experiment_leaves_the_augmentation_to_choose(experiment):
    """It picks one and edits none: a number of one augmentation means nothing to another."""
    assert not instantiate("augment", composed(f"experiment={experiment}", "augment=none")["augment"]).active


@pytest.mark.parametrize(
    ("group", "choice"), [(group, choice) for group, choice in CHOICES if group in WITH_TARGET], ids=str
)
def test_a_misspelt_key_is_refused(group, choice):
    section = composed(f"{group}={choice}")[group]
    for key in ("freeze", "vectors"):
        section.pop(key, None)
    with pytest.raises(RequestError, match=f"no key in {group} .*'nonsense'"):
        instantiate(group, {"nonsense": 1, **section})


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_composes_and_its_own_values_are_allowed(verb):
    composed = compose(verb, []) if app._folder(verb) else compose_alone(verb, [])
    config = OmegaConf.to_container(composed, resolve=True)
    config = {key: "given" if value == "???" else value for key, value in config.items()}
    app.check(verb, config)
    rules = [key.split(".") for key in schema.RULES[verb]]
    assert [key for key in rules if key[0] not in config] == []


def test_loggers_other_than_csv_say_which_package_they_need():
    for choice in ("tensorboard", "mlflow", "wandb"):
        section = composed(f"logger={choice}")["logger"]
        extras = (configs.FOLDER.parent / "pyproject.toml").read_text()
        assert re.search(rf'^{section["extra"]} = \["{section["package"]}', extras, flags=re.MULTILINE)
    assert not composed()["logger"]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(configs.FOLDER)) for path in FILES])
def test_the_first_comment_describes_the_choice(path):
    line = configs.first_comment(path)
    assert len(line) > 10
    assert len(line) <= 120


def without_comment(text: str) -> list[str]:
    """Keys with a value that have a comment neither on their line nor on the lines before it."""
    found, before = [], ""
    for line in text.splitlines():
        key = re.match(r"\s*(\w+):\s*[^\s#]", line)
        section = line.partition(":")[0] if line[:1].isalpha() else None
        if section == "hydra":
            break
        if key and not key[1].startswith("_") and section != "defaults":
            commented = "#" in line or before.lstrip().startswith("#")
            found += [] if commented else [line.strip()]
        before = line
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(configs.FOLDER)) for path in FILES])
def test_every_key_is_explained(path):
    if path.parent.name not in HOLD_DIFFERENCES:
        text = path.read_text()
        body = text[text.index("\n") + 1 :]  # the first comment is about the whole file
        assert without_comment(body.partition("\n")[2] if text.startswith("# @package") else body) == []


def test_the_search_for_comments_finds_a_missing_one():
    assert without_comment("a: 1  # x\nb: 2\n# y\nc: 3\n_target_: d\ne:\n  f: 1\n") == ["b: 2", "f: 1"]


def test_no_file_is_longer_than_40_lines_but_those_of_two_verbs():
    long = [path for path in FILES if len(path.read_text().splitlines()) > 40]
    assert [str(path.relative_to(configs.FOLDER)) for path in long] == ["predict.yaml", "train.yaml"]


def test_nothing_is_left_over():
    others = [path for path in Path(configs.FOLDER).rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert others == [configs.FOLDER / "model" / "_catalog.json"]


@pytest.mark.parametrize("name", configs.options("model"))
def test_the_catalog_of_models_names_the_tasks_that_each_fits(name):
    assert configs.model_facts(name)["task"].split() == model_catalog.tasks_of(name)


def test_the_catalog_counts_parameters_as_building_the_model_does():
    known = {name: configs.model_facts(name)["parameters"] for name in ("perceptron", "lenet", "cnn_text")}
    assert known == {name: model_catalog.parameters_of(name) for name in known}
    assert known["perceptron"] == 3 * 32 * 32 * 10 + 10


@pytest.mark.slow
@pytest.mark.parametrize("name", configs.options("model"))
def test_the_catalog_counts_the_parameters_of_every_model(name):
    assert configs.model_facts(name)["parameters"] == (model_catalog.parameters_of(name) or "")
