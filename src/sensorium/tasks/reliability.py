"""What a report shows of confidence: the reliability diagram."""

import numpy as np

from sensorium.metrics.calibration import calibration_error
from sensorium.metrics.classification import BINS, reliability
from sensorium.report_sections import Chart, Series

FEW = 50  # examples below which the calibration error is mostly chance


def reliability_chart(confidence: np.ndarray, correct: np.ndarray, *, what: str = "examples") -> Chart:
    """Reliability diagram (Guo et al. 2017, figure 1). confidence: (N,). correct: (N,) bool. what: the N, in a word."""
    edges, count, right, _ = reliability(confidence, correct, BINS)
    filled = count > 0
    centers, accuracy = ((edges[:-1] + edges[1:]) / 2)[filled], right[filled] / count[filled]
    few = f" Unreliable: only {len(correct)} {what}." if len(correct) < FEW else ""
    of = "" if what == "examples" else f" of {len(correct):,} {what}"
    return Chart(
        title="Calibration",
        x_label="confidence",
        y_label="accuracy",
        x_range=[0, 1],
        y_range=[0, 1],
        series=[
            Series(name="accuracy", kind="bars", points=np.stack([centers, accuracy], axis=1).tolist()),
            Series(name="perfect calibration", kind="dashed", points=[[0, 0], [1, 1]]),
        ],
        note=f"Expected calibration error {calibration_error(confidence, correct):.3f}{of} over {BINS} bins: the mean "
        f"distance between confidence and accuracy.{few}",
    )
