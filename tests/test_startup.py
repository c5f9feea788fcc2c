"""The lazy torchmetrics: what is left out, and that nothing is missing later."""

import subprocess
import sys

import pytest

CODE = """
import sys
import sensorium.training.fit
print([name for name in ("scipy.signal", "torchmetrics.functional", "torchvision.models") if name in sys.modules])
import torch, torchmetrics
from torchmetrics import Accuracy, Metric
from torchmetrics.metric import Metric as Same
print(Metric is Same, torchmetrics.__version__.count("."))
print(float(Accuracy(task="multiclass", num_classes=2)(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]))))
"""


def test_training_starts_without_what_it_does_not_use_and_torchmetrics_is_whole_when_asked() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True 2", "0.75"]


OTHER_INSIDES = """
from sensorium import startup
startup._NEEDED["Metric"] = "torchmetrics.moved"
startup.lighten()
from torchmetrics import Metric
from torchmetrics.metric import Metric as Same
print(Metric is Same)
"""


@pytest.mark.slow
def test_a_torchmetrics_with_other_insides_is_imported_whole() -> None:
    done = subprocess.run([sys.executable, "-c", OTHER_INSIDES], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
