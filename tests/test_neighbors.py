"""Training examples that look most alike to a model, from an index that an evaluation writes."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import sensorium
from command import run_command
from sensorium.errors import RequestError


@pytest.fixture(scope="module")
def model(trained_run) -> sensorium.Model:
    return sensorium.load(trained_run, accelerator="cpu")


@pytest.fixture(scope="module")
def index(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "new"
    model.evaluate(index=folder)
    return folder


def test_a_training_example_is_the_most_similar_to_itself(model, index):
    first = model.explain(np.zeros((8, 8), np.uint8), method="occlusion", random_maps=0, nearest=1, index=index)
    (one,) = first.neighbors
    found = model.explain(one.raw[:, :, 0], method="occlusion", random_maps=0, nearest=4, index=index)
    assert len(found.neighbors) == 4
    assert found.neighbors[0].similarity == pytest.approx(1, abs=1e-5)
    assert found.neighbors[0].name == one.name
    assert found.neighbors[0].target == one.target != ()
    similarities = [neighbor.similarity for neighbor in found.neighbors]
    assert similarities == sorted(similarities, reverse=True)
    assert found.to_dict()["nearest"][0]["name"] == one.name
    assert found.looks_like().plain.splitlines()[1].strip() == f"1.000  {one.name} ({one.target[0]})"
    with Image.open(BytesIO(found.content(".png"))) as drawn:
        assert drawn.size == (4 * 232 + 8, 2 * (224 + 36 + 8))  # the map, and below it the four


def test_the_command_writes_an_index_and_finds_it(trained_run, tmp_path):
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "overrides.txt", "checkpoints/best.ckpt"):
        (folder / name).write_bytes((trained_run / name).read_bytes())
    request = ["explain", "ckpt=run", "row=3", "accelerator=cpu", "method=occlusion", "random_maps=0"]
    result = run_command([*request, "nearest=2", "format=jsonl"], tmp_path)
    assert (result.status, result.stdout) == (2, "")
    assert "Write one: sensorium eval ckpt=run/checkpoints/best.ckpt index=true" in result.stderr
    result = run_command(["eval", "ckpt=run", "index=true", "accelerator=cpu", "format=json"], tmp_path)
    assert result.status == 0
    assert "index of the features of 1,295 training examples: run/eval_test/features.npy" in result.stderr
    about = json.loads((folder / "eval_test" / "evaluation.json").read_text())
    assert {"features.json", "features.npy"} <= set(about["files"])
    result = run_command([*request, "nearest=2", "format=jsonl"], tmp_path)
    assert [len(json.loads(line)["nearest"]) for line in result.stdout.splitlines()] == [2]


def test_what_has_no_index(model, index):
    with pytest.raises(RequestError, match="holds no index of features"):
        model.explain(np.zeros((8, 8), np.uint8), nearest=2, index=index.parent)
    with pytest.raises(RequestError, match="nearest"):
        model.explain(np.zeros((8, 8), np.uint8), nearest=0, index=index)
