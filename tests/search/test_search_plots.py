"""The plot of a search: no trial lies on its frame."""

import pytest

pytest.importorskip("optuna")

from matplotlib.figure import Figure

from sensorium.search.plots import _widen


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
