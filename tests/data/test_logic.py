"""Truth tables as data."""

import numpy as np
import pytest
import torch

from sensorium.data.vision.logic import Logic
from sensorium.errors import RequestError
from sensorium.tasks import registry


@pytest.mark.parametrize(
    ("function", "truth"),
    [
        ("and", lambda a, b: a and b),
        ("or", lambda a, b: a or b),
        ("xor", lambda a, b: a != b),
        ("not", lambda a, b: not a),
        ("and_not", lambda a, b: a and not b),
    ],
)
def test_the_model_sees_the_truth_table_in_every_part(function, truth):
    data = Logic(function=function).load(on_bad="fail")
    for part in (data.train, data.val, data.test):
        batch = part.read(np.arange(4))
        (inputs,) = registry.of(data.spec).preprocessing(data.spec)(batch.images)
        assert inputs.shape == (4, 1, 1, 2)
        rows = inputs.flatten(1).tolist()
        assert rows == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert batch.labels.tolist() == [int(truth(bool(a), bool(b))) for a, b in rows]
    assert data.spec.class_names == ("0", "1")
    assert data.spec.example()[0].dtype == torch.float32
    assert data.notes == ("train, val and test are the same four examples: a truth table has no others to hold out",)


def test_examples_are_named_as_one_would_say_them():
    assert list(Logic(function="xor").load(on_bad="fail").test.names)[2] == "1 xor 0"
    assert list(Logic(function="not").load(on_bad="fail").test.names)[2] == "not 1, beside 0"


def test_an_unknown_function_is_refused():
    with pytest.raises(RequestError, match=r"'xnor'. Did you mean xor.*\n.*and, and_not, not, or, xor"):
        Logic(function="xnor")
