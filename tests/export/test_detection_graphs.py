"""Every detector as an ONNX graph: the same boxes at batch sizes and image sizes it was not traced with."""

import functools
import math
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import batched_nms

from model_contract import assert_every_yaml_has_a_row, on_the_cpu, yamls_naming
from sensorium import checkpoint, evaluation
from sensorium.build import build_model, loaded_model
from sensorium.cli.eval_data import load_splits
from sensorium.cli.export import write
from sensorium.errors import RequestError
from sensorium.export import proof
from sensorium.export.onnx_file import onnx_of, program_of
from sensorium.models.exported import GraphRunner
from sensorium.models.protocols import Detector
from sensorium.nn.suppression import ABSENT, Detections, kept
from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.calibration import Calibration, Scaling
from sensorium.tasks.explanation import ExplainOptions
from sensorium.tasks.graphs import Graph
from sensorium.tasks.object_detection.export import difference
from trainings import trained

model_catalog = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "model_catalog.py")))
TOLERANCE = 1e-4
# Of each yaml: height and width of its images, and (batch, pixels that images are larger) that it is run at.
MANY = [(batch, length) for batch in proof.BATCHES for length in proof.LENGTHS]
FEW = [(1, 0), (2, 19)]
QUICK = ("scene_detector",)  # the networks of the others take a minute to trace
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
            nn.init.normal_(value, std=(1 / value[0].numel()) ** 0.5)
        if key.endswith("conv2.norm.weight"):
            nn.init.ones_(value)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            module.train()
    with torch.no_grad():
        model(torch.randn(4, 1, *about.image_size))
    model.eval()
    calibration = Calibration(method="platt", scaling=Scaling(np.array([0.7]), np.array([-0.4])))
    return on_the_cpu(model, about, calibration=calibration)


def rows() -> list[object]:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES]


@pytest.mark.parametrize("name", rows())
def test_every_detector_finds_what_its_graph_does(name: str) -> None:
    (graph,) = registry.of(loaded(name).spec).graphs(loaded(name)).values()
    runner = GraphRunner(onnx_of(graph, program_of(graph), {"a": "b"}))
    for batch, length in CASES[name][1]:
        given = graph.sample(batch, length)
        wanted, found = proof.answers(graph, given), runner(*given)
        assert tuple(found) == graph.outputs
        assert wanted["counts"].min() > 5
        assert graph.difference(wanted, found) < TOLERANCE, (batch, length)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"scene_detector"}))  # whose `forward` is its `padded`
def test_a_whole_batch_at_once_finds_what_torchvision_finds(name: str) -> None:
    model: Any = loaded(name).model
    images = torch.randn(3, 1, *CASES[name][0], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted, found = model(images), model.padded(images).of_images()
    for ours, theirs in zip(wanted, found, strict=True):
        assert ours["labels"].shape[0] > 5
        torch.testing.assert_close(theirs["scores"], ours["scores"], rtol=0, atol=1e-6)
        for place in range(len(ours["labels"])):  # in any order where scores are the same
            same = (theirs["labels"] == ours["labels"][place]) & (theirs["scores"] - ours["scores"][place]).abs().lt(
                1e-6
            )
            assert (theirs["boxes"][same] - ours["boxes"][place]).abs().amax(1).min() < 1e-3


def test_scores_of_a_graph_are_calibrated() -> None:
    model = loaded("scene_detector")
    (graph,) = registry.of(model.spec).graphs(model).values()
    (plain,) = registry.of(model.spec).graphs(replace(model, calibration=None)).values()
    given = graph.sample(2, 0)
    ours, raw = proof.answers(graph, given), proof.answers(plain, given)
    there = raw["labels"] >= 0
    wanted = torch.sigmoid(0.7 * torch.logit(raw["scores"][there].double()) - 0.4).float()
    torch.testing.assert_close(ours["scores"][there], wanted)
    assert (ours["scores"][~there] == 0).all()
    assert ours["scores"][there].sub(raw["scores"][there]).abs().max() > 0.01


def test_every_yaml_of_a_detector_is_here() -> None:
    assert_every_yaml_has_a_row(
        yamls_naming(Detector), {*CASES}, table="CASES in tests/export/test_detection_graphs.py"
    )


def outputs(*rows: tuple[list[float], int, float]) -> dict[str, torch.Tensor]:
    """Those of one image, padded to three."""
    one = {
        "boxes": torch.tensor([box for box, _, _ in rows]).reshape(-1, 4),
        "labels": torch.tensor([label for _, label, _ in rows]),
        "scores": torch.tensor([score for _, _, score in rows]),
    }
    return Detections.padded([one], 3)._asdict()


A, B = ([0.0, 0, 10, 10], 0, 0.5), ([20.0, 20, 40, 40], 1, 0.4)


@pytest.mark.parametrize(
    ("found", "apart"),
    [
        ([B, A], 0.0),  # in another order
        ([([0.0, 0, 10, 10.5], 0, 0.5), B], 0.005),  # half a pixel of 100
        ([([0.0, 0, 10, 10], 0, 0.507), B], 0.007),
        ([A], 0.3),  # 0.4 is that much above the threshold
        ([A, B, ([5.0, 5, 9, 9], 0, 0.1001)], 0.0001),  # one at the threshold
        ([([0.0, 0, 10, 10], 1, 0.5), B], 0.4),  # another class
        ([A, ([20.0, 20, 40, 40], 1, float("nan"))], math.inf),
    ],
)
def test_detections_are_compared_as_sets(found: list[tuple[list[float], int, float]], apart: float) -> None:
    assert difference(outputs(A, B), outputs(*found), side=100, least=0.1) == pytest.approx(apart, abs=1e-6)


def test_what_is_padded_may_not_look_like_a_box() -> None:
    damaged = outputs(A)
    damaged["scores"][0, 2] = 0.9
    assert difference(outputs(A), damaged, side=100, least=0.1) == math.inf


@pytest.mark.parametrize("size", [60, 1200])  # torchvision tells classes apart in two ways
def test_the_operator_keeps_what_torchvision_keeps(size: int) -> None:
    class Suppression(nn.Module):
        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return kept(*inputs, 0.4, 5)

    generator = torch.Generator().manual_seed(0)
    corners = 50 * torch.rand(2, size, 2, generator=generator)
    boxes = torch.cat([corners, corners + 20 * torch.rand(2, size, 2, generator=generator)], 2)
    scores = torch.rand(2, size, generator=generator)
    scores[1, : size // 2] = ABSENT
    scores[0, 0] = 0.0  # a candidate, if a poor one
    boxes[0, 0] += 500
    labels = torch.randint(0, 5, (2, size), generator=generator)
    names = ("boxes", "scores", "labels")
    graph = Graph(
        module=Suppression(),
        inputs={name: {0: "batch"} for name in names},
        outputs=("kept",),
        sample=lambda batch, _: tuple(one[:1].repeat(batch, *[1] * (one.ndim - 1)) for one in (boxes, scores, labels)),
        difference=lambda wanted, found: 0.0,
    )
    found = GraphRunner(onnx_of(graph, program_of(graph), {}))(boxes, scores, labels)["kept"]
    for row in range(2):
        there = (scores[row] >= 0).nonzero()[:, 0]
        stay = there[batched_nms(boxes[row, there], scores[row, there], labels[row, there], 0.4)]
        assert found[row].nonzero()[:, 0].tolist() == sorted(stay.tolist())
    assert found[0, 0]


@pytest.mark.slow
def test_a_detector_s_file_is_evaluated_as_its_checkpoint_is(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "dataset=digit_scenes",
        *("dataset.num_train=64", "dataset.num_val=16", "dataset.num_test=8", "model.width=8", "model.blocks=1"),
        *(
            "model.stride=8",
            "batch_size=8",
            "threads=1",
            "accelerator=cpu",
            "trainer.max_epochs=2",
            "optimizer.lr=0.01",
        ),
    )
    before = checkpoint.read(run.best)
    found, place = write(before, kind="onnx", output=tmp_path / "m.onnx", tolerance=None, overwrite=False, trust=False)
    assert found.difference < TOLERANCE
    config, data = load_splits(before)
    ours, theirs = (
        evaluation.evaluate(one, data.test, config=config, device=torch.device("cpu"), trust=False)
        for one in (before, checkpoint.read(place))
    )
    assert sum(len(one.labels) for one in ours.found) > 50
    assert theirs.metrics == pytest.approx(ours.metrics, abs=1e-4)
    exported = loaded_model(checkpoint.read(place), device=torch.device("cpu"), trust=False)
    with pytest.raises(RequestError, match="Give the checkpoint that it was exported from"):
        registry.of(exported.spec).explainer(exported, ExplainOptions())
