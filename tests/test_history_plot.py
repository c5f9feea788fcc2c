"""The plot of a training's history, opened and looked into."""

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import RequestError
from sensorium.history_plot import plot_history


def count_of(path, color):
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    return int((pixels == color).all(axis=1).sum())


HEADER = "epoch,step,train/loss,train/accuracy,val/loss,val/accuracy,lr\n"


def test_history_draws_what_is_there(tmp_path):
    table, page, dark, light = (
        tmp_path / "metrics.csv",
        tmp_path / "plots" / "history.png",
        [31, 78, 140],
        [143, 176, 217],
    )
    table.write_text(HEADER + "0,10,2.0,0.1,1.9,0.2,0.1\n1,20,1.0,0.6,1.1,0.5,0.05\n")
    plot_history(table, page, monitor="val/accuracy", best_epoch=None)
    assert Image.open(page).size == (1620, 450)
    assert count_of(page, dark) > 100
    assert count_of(page, light) > 100
    table.write_text(HEADER + "0,10,2.0,0.1,,,\n1,20,1.0,0.6,nan,,\n")
    plot_history(table, page, monitor="val/accuracy", best_epoch=None)
    assert Image.open(page).size == (1080, 450)  # no learning rate, no panel for it
    assert count_of(page, dark) < 10
    table.write_text("epoch,step,val/loss\n0,10,\n,10,2.0\n0,20,1.5\n")
    plot_history(table, page, monitor="val/accuracy", best_epoch=None)
    assert Image.open(page).size == (540, 450)


def test_history_without_an_epoch_is_refused(tmp_path):
    table = tmp_path / "metrics.csv"
    table.write_text(HEADER)
    with pytest.raises(RequestError, match=r"metrics\.csv has no finished epoch to draw"):
        plot_history(table, tmp_path / "history.png", monitor="val/loss", best_epoch=None)
    assert not (tmp_path / "history.png").exists()


def test_history_draws_the_monitored_metric_and_marks_the_best_epoch(tmp_path):
    table, page, red = tmp_path / "metrics.csv", tmp_path / "history.png", [192, 57, 43]
    table.write_text("epoch,step,train/loss,val/loss,val/r2,lr\n1,10,2.0,1.9,0.2,0.1\n2,20,1.0,1.1,0.5,0.05\n")
    plot_history(table, page, monitor="val/loss", best_epoch=None)
    assert Image.open(page).size == (1080, 450)
    assert count_of(page, red) == 0
    plot_history(table, page, monitor="val/r2", best_epoch=2)
    assert Image.open(page).size == (1620, 450)
    assert count_of(page, red) > 50
