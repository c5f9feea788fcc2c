"""The plot of a search: no trial lies on its frame, and none is white."""

import pytest

pytest.importorskip("optuna")

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from sensorium.search.plots import _darken, _widen


def test_axes_get_the_same_room_in_their_own_scales():
    figure = Figure()
    plain, log, colors = figure.subplots(1, 3)
    plain.set_ylim(0, 1)
    log.set_yscale("log")
    log.set_ylim(1e-2, 1)
    colors.set_label("<colorbar>")
    colors.set_ylim(0, 1)
    _widen(figure)
    assert plain.get_ylim() == pytest.approx((-0.05, 1.05))
    assert log.get_ylim() == pytest.approx((10**-2.1, 10**0.1))
    assert colors.get_ylim() == (0, 1)


@pytest.mark.parametrize("name", ["Blues", "Blues_r"])  # the best is the darkest, whether it is the highest or lowest
def test_the_worst_trial_is_seen_on_white(name):
    axes = Figure().subplots()
    lines = LineCollection([[(0, 0), (1, 1)], [(0, 1), (1, 0)]], cmap=name)
    lines.set_array([0.25, 0.75])
    lines.autoscale()
    axes.add_collection(lines)
    before = lines.to_rgba([0.25, 0.75])[:, :3].sum(1)
    _darken(axes)
    after = lines.to_rgba([0.25, 0.75])[:, :3].sum(1)
    assert before.max() > 2.8  # of 3, white
    assert after.max() < 2.6
    assert after.argmax() == before.argmax()
