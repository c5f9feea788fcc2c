"""The plot of a search: numbers stand in the order of their size, and no trial is white."""

import matplotlib.image
import pytest

pytest.importorskip("optuna")

from searches import searched

from sensorium.search.plots import draw_parallel, of_choices, of_numbers


def test_choices_stand_by_their_size_and_numbers_before_words():
    column = of_choices("batch_size", ["32", "auto", "2000000", "64"], ["32", "2000000", "auto", "64"])
    assert column.ticks == [(0.125, "32"), (0.375, "64"), (0.625, "2000000"), (0.875, "auto")]
    assert column.places == [0.125, 0.875, 0.625, 0.375]


def test_numbers_stand_in_their_own_scale():
    column = of_numbers("lr", [0.001, 0.1, 0.01], log=True)
    assert column.places == pytest.approx([0, 1, 0.5])
    assert [(round(place, 9), label) for place, label in column.ticks] == [(0, "0.001"), (0.5, "0.01"), (1, "0.1")]
    column = of_numbers("lr", [0.0, 1.0, 0.25], log=False)
    assert column.places == [0, 1, 0.25]
    assert (0.2, "0.2") in column.ticks
    assert [label for _, label in of_numbers("depth", [2, 4], log=False, whole=True).ticks] == ["2", "3", "4"]
    assert of_numbers("lr", [0.5, 0.5], log=False).places == [0.5, 0.5]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_plot_has_a_line_for_each_trial_that_was_trained_to_its_end(tmp_path, sign):
    space = ["lr=0.1,0.5,0.2,0.9", "x=$1$"]
    journal = searched(tmp_path / "a", space, trials=4, sampler="grid", pruner="halving")
    assert [trial.state.name for trial in journal.trials()] == ["COMPLETE"] * 2 + ["PRUNED"] * 2
    assert draw_parallel(journal, tmp_path / "plot.png", sign=sign, monitor="val/$loss$ $") == 2
    image = matplotlib.image.imread(tmp_path / "plot.png")
    blue = (image[..., 2] - image[..., 0] > 0.15).mean()  # lines and colors
    assert blue > 0.005


def test_one_trial_is_no_plot(tmp_path):
    journal = searched(tmp_path / "a", trials=1)
    assert draw_parallel(journal, tmp_path / "plot.png", sign=1, monitor="val/loss") == 0
    assert not (tmp_path / "plot.png").exists()
