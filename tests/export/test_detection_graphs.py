"""Every detector as an ONNX graph: the same boxes at batch sizes and image sizes it was not traced with."""

import functools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from model_contract import assert_every_yaml_has_a_row, yamls_naming
from sensorium.build import build_model
from sensorium.export import proof
from sensorium.export.onnx_file import onnx_of, program_of
from sensorium.models.exported import GraphRunner
from sensorium.models.protocols import Detector
from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.calibration import Calibration, Scaling

model_catalog = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "model_catalog.py")))
TOLERANCE = 1e-4
# Of each yaml: height and width of its images, and (batch, pixels that images are larger) that it is run at.
MANY = [(batch, length) for batch in proof.BATCHES for length in proof.LENGTHS]
FEW = [(1, 0), (2, 19)]
CASES = {
    "scene_detector": ((64, 96), MANY),
    "ssdlite": ((64, 96), [(1, 1), (3, 0), (17, 19)]),
    "fasterrcnn_mobilenet": ((64, 96), [(1, 1), (2, 0), (5, 19)]),
    "fcos": ((64, 64), FEW),
    "retinanet": ((64, 64), FEW),
}


def spec(size: tuple[int, int]) -> ObjectDetectionSpec:
    return ObjectDetectionSpec(
        class_names=tuple("abc"), in_channels=1, image_size=size, resize="stretch", mean=(0.5,), std=(0.3,)
    )


@functools.cache
def loaded(name: str) -> LoadedModel:
    """A detector as after some training: fresh ones give every box the same score."""
    about = spec(CASES[name][0])
    model = build_model(model_catalog.section_of(name), about, seed=0).eval()
    torch.manual_seed(0)
    for key, value in model.named_parameters():
        if key.startswith(("head.", "rpn.")) and value.ndim > 1:
            nn.init.normal_(value, std=(2 / value[0].numel()) ** 0.5)
        if key.endswith("conv2.norm.weight"):
            nn.init.ones_(value)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            module.train()
    with torch.no_grad():
        model(torch.randn(4, 1, *about.image_size))
    model.eval()
    return LoadedModel(
        spec=about,
        model=model,
        device=torch.device("cpu"),
        precision="32-true",
        memory_format="contiguous",
        decoding={},
        calibration=Calibration(method="platt", scaling=Scaling(np.array([0.7]), np.array([-0.4]))),
    )


@pytest.mark.parametrize("name", CASES)
def test_every_detector_finds_what_its_graph_does(name: str) -> None:
    (graph,) = registry.of(loaded(name).spec).graphs(loaded(name)).values()
    runner = GraphRunner(onnx_of(graph, program_of(graph), {"a": "b"}))
    for batch, length in CASES[name][1]:
        given = graph.sample(batch, length)
        wanted, found = proof.answers(graph, given), runner(*given)
        assert tuple(found) == graph.outputs
        assert wanted["counts"].min() > 5
        assert graph.difference(wanted, found) < TOLERANCE, (batch, length)


def test_every_yaml_of_a_detector_is_here() -> None:
    assert_every_yaml_has_a_row(yamls_naming(Detector), {*CASES}, table="CASES in tests/export/test_detection_graphs.py")
