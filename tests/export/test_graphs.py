"""Every model of every task as an ONNX graph: the same answers at batch sizes and lengths it was not traced with."""

import functools
import runpy
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch

from model_contract import on_the_cpu
from sensorium.build import build_model
from sensorium.cli import configs
from sensorium.export import proof
from sensorium.export.onnx_file import onnx_of, program_of
from sensorium.models.exported import GraphRunner
from sensorium.specs import ImageClassificationSpec, Spec
from sensorium.specs.examples import example_specs
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel

model_catalog = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "model_catalog.py")))
TOLERANCE = 1e-4
# Models whose usual size would take a minute here, as small as their yaml lets them be.
SMALLER = {
    "convnext_tiny": {"name": "convnext_tiny"},
    "deepspeech2": {"hidden_size": 64},
    "transformer_lm": {"depth": 2},
    "vgg11": {},
}
DETECTORS = ("fasterrcnn_mobilenet", "fcos", "retinanet", "scene_detector", "ssdlite")
# One of each kind of layer; the others are among the longer proofs.
QUICK = ("gru_lm", "lstm_classifier", "small_cnn", "transformer_lm")


@functools.cache
def specs() -> dict[str, Spec]:
    found = example_specs(image_size=32, in_channels=3, vocab_size=50, num_classes=3)
    return {"/".join(filter(None, (spec.task, spec.modality))): spec for spec in found}


def logic() -> ImageClassificationSpec:
    return ImageClassificationSpec(class_names=("0", "1"), in_channels=1, image_size=(1, 2), mean=(0.0,), std=(1.0,))


def rows() -> list[object]:
    """Each yaml with the first task that it fits: what the tasks of one modality add is tested below."""
    found = []
    for name in sorted(set(configs.options("model")) - set(DETECTORS)):
        marks = [] if name in QUICK else [pytest.mark.slow]
        found.append(pytest.param(name, marks=marks, id=name))
    return found


def first_task(name: str) -> str:
    tasks = model_catalog.tasks_of(name)
    return next(key for key in specs() if key.split("/")[0] == tasks[0].replace("text_regression", "regression"))


def loaded(name: str, spec: Spec) -> LoadedModel:
    section = model_catalog.section_of(name) | SMALLER.get(name, {})
    if name == "timm":
        section["name"] = "test_resnet"
    if name == "torchvision":
        section["name"] = "shufflenet_v2_x0_5"
    model = build_model(section, spec, seed=0).eval()
    torch.manual_seed(0)
    for key, buffer in model.named_buffers():  # as after some training, or the last layer sees nothing
        if key.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif key.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return on_the_cpu(model, spec)


def prove(name: str, spec: Spec) -> None:
    graphs = registry.of(spec).graphs(loaded(name, spec))
    assert tuple(graphs) == registry.of(spec).graph_names
    for key, graph in graphs.items():
        content = onnx_of(graph, program_of(graph), {"a": "b"})
        runner = GraphRunner(content)
        for given in proof.samples(graph):
            wanted, found = proof.answers(graph, given), runner(*given)
            assert tuple(found) == graph.outputs, key
            assert graph.difference(wanted, found) < TOLERANCE, (key, [tuple(one.shape) for one in given])
        assert "/" not in str([node.doc_string for node in onnx.load_from_string(content).graph.node])


@pytest.mark.parametrize("name", rows())
def test_every_model_answers_as_its_graph_does(name: str) -> None:
    prove(name, logic() if name == "threshold_unit" else specs()[first_task(name)])


OTHERS = {
    "image_tagging": "small_cnn",
    "regression/image": "small_cnn",
    "regression/text": "lstm_classifier",
}


@pytest.mark.slow
@pytest.mark.parametrize(("key", "name"), OTHERS.items())
def test_every_task_s_graph(key: str, name: str) -> None:
    prove(name, specs()[key])


def test_every_yaml_and_every_task_is_here() -> None:
    tested = {first_task(name) for name in configs.options("model") if name not in (*DETECTORS, "threshold_unit")}
    assert tested | set(OTHERS) | {"object_detection"} == set(specs())


@pytest.mark.parametrize("width", [5, 12, 15])
def test_the_axes_of_a_translator_do_not_hang_on_its_widths(width: int) -> None:
    """Widths that are also numbers of sentences and of tokens in the examples that the axes are found with."""
    section = model_catalog.section_of("rnn_seq2seq") | {"hidden_size": width, "num_layers": 1}
    spec = specs()["translation"]
    graph = registry.of(spec).graphs(on_the_cpu(build_model(section, spec, seed=0).eval(), spec))["step"]
    for (name, axes), one, other in zip(graph.inputs.items(), graph.sample(3, 6), graph.sample(3, 9), strict=True):
        differ = [axis for axis, (short, long) in enumerate(zip(one.shape, other.shape, strict=True)) if short != long]
        assert [axis for axis, label in axes.items() if label == "source"] == differ, name
