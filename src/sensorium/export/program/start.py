"""Predictions of a model that `sensorium export` wrote, without Sensorium and without PyTorch.

    python run.py cat.png dog.jpg          images, or recordings
    python run.py --text "a lovely film"   texts to classify, translate or continue

needs onnxruntime and NumPy, and Pillow for images or soundfile for audio. It reads model.onnx beside it, and prints a
line of JSON for each input, as `sensorium predict format=jsonl` does. Exit status: 0; 1 when an input has an error,
which its line states; 2 when nothing could be started.
"""

import sys
from typing import Any

try:
    import numpy as np
    import onnxruntime
except ModuleNotFoundError as error:
    sys.stderr.write(f"run.py needs {error.name}: pip install onnxruntime numpy pillow soundfile\n")
    sys.exit(2)

FORMAT = 1  # of the metadata, the latest that this file knows
PAD, UNK, BOS, EOS, VOID, WHITE = 0, 1, 2, 3, 255, 65535
Found = dict[str, np.ndarray]  # the graph's outputs by name, for a batch of one
Record = dict[str, Any]
Session = onnxruntime.InferenceSession


class Unreadable(Exception):
    """Why an input has no result."""


class Unusable(Exception):
    """Why a model cannot be used."""
