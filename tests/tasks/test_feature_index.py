"""The index of training examples: exact search over blocks, and files that are not what they should be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium.errors import RequestError
from sensorium.neighbors import finder
from sensorium.tasks import feature_index
from sensorium.tasks.feature_index import FeatureIndex, fingerprint_of, read_index, write_index

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(103, 6)).astype(np.float32)


def written(folder: Path, features: np.ndarray = FEATURES) -> Path:
    order = np.random.default_rng(1).permutation(len(features))
    parts = ((rows, features[rows]) for rows in np.array_split(order, 4))
    write_index(folder, parts, examples=len(features), dataset={"name": "x"}, fingerprint="abc")
    return folder


def test_the_most_similar_rows_whatever_the_block(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_index, "_BLOCK", 7)
    index = read_index(written(tmp_path), fingerprint="abc")
    query = RANDOM.normal(size=6).astype(np.float32)
    cosines = FEATURES @ query / np.linalg.norm(FEATURES, axis=1) / np.linalg.norm(query)
    best = np.argsort(-cosines)[:9]
    found = index.nearest(query, 9)
    assert [row for row, _ in found] == best.tolist()
    assert [similarity for _, similarity in found] == pytest.approx(cosines[best].tolist(), abs=1e-6)
    assert index.nearest(5 * FEATURES[40], 1) == [(40, pytest.approx(1))]
    assert len(index.nearest(query, 1000)) == 103


def test_equal_examples_come_in_their_order_and_what_is_no_number_not_at_all():
    features = np.array([[0, 1], [1, 0], [np.nan, 1], [2, 0]], dtype=np.float32)
    assert FeatureIndex(features, {}).nearest(np.array([3, 0], np.float32), 4) == [(1, 1.0), (3, 1.0), (0, 0.0)]


def test_an_index_of_another_model_or_damaged_is_refused(tmp_path):
    with pytest.raises(RequestError, match="holds no index of features; sensorium eval"):
        read_index(tmp_path, fingerprint="abc")
    written(tmp_path)
    with pytest.raises(RequestError, match="is of another model than this checkpoint"):
        read_index(tmp_path, fingerprint="other")
    about = json.loads((tmp_path / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps(about | {"examples": 102}))
    with pytest.raises(RequestError, match="damaged or of another version"):
        read_index(tmp_path, fingerprint="abc")
    (tmp_path / "features.json").write_text(json.dumps(about))
    (tmp_path / "features.npy").write_bytes((tmp_path / "features.npy").read_bytes()[:-40])
    with pytest.raises(RequestError, match="the index of features is damaged"):
        read_index(tmp_path, fingerprint="abc")


def test_a_fingerprint_is_of_names_and_values():
    weights = {"a": torch.ones(2), "b": torch.zeros((), dtype=torch.bfloat16), "c": torch.empty(0)}
    assert fingerprint_of(weights) == fingerprint_of(dict(reversed(weights.items())))
    assert fingerprint_of(weights) != fingerprint_of(weights | {"a": torch.tensor([1, 1.0001])})
    assert fingerprint_of(weights) != fingerprint_of({"d": weights["a"], "b": weights["b"], "c": weights["c"]})


def test_an_index_of_json_nested_too_deeply_is_damaged(tmp_path):
    written(tmp_path)
    (tmp_path / "features.json").write_text("[" * 100_000)
    with pytest.raises(RequestError, match=r"is damaged .JSON that is nested too deeply"):
        read_index(tmp_path, fingerprint="abc")


def test_an_index_without_any_finite_feature_is_refused():
    index = FeatureIndex(np.full((3, 2), np.nan, np.float32), {})
    with pytest.raises(RequestError, match="No training example in the index can be compared"):
        finder(index, 2, lambda rows: rows)(np.ones(2, np.float32))
