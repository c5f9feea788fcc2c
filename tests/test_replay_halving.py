"""scripts/replay_halving.py: full trainings under successive halving, by hand."""

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "replay_halving.py"
script = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
TRAININGS = [[4.0, 3.0, 2.0, 1.5], [5.0, 1.0, 0.9, 0.8], [3.0, 2.0, 1.9, 1.8], [9.0, 9.0, 9.0, 0.1]]


@pytest.mark.parametrize(
    ("factor", "first", "best", "epochs"),
    [
        # Rungs 1 and 2. The first is alone; 5 is over 4; 3 is the lowest, and so is 2 of (3, 2); 9 is over 3.
        (2, 1, 1.5, 4 + 1 + 4 + 1),
        # Rung 2. 3 is alone; 1 is the lowest; of (1, 2, 3) the lower half is 1 alone; of (1, 2, 3, 9) it is 1 and 2.
        (2, 2, 0.8, 4 + 4 + 2 + 2),
        (4, 4, 0.1, 16),
    ],
)
def test_three_searches_by_hand(factor: int, first: int, best: float, epochs: int) -> None:
    assert script.replayed(TRAININGS, factor=factor, first=first) == (best, epochs / 16)


def test_folders_of_searches_are_read(tmp_path: Path) -> None:
    for number, values in enumerate(TRAININGS):
        folder = tmp_path / "trials" / f"000{number}" / ("1" if number else "")
        folder.mkdir(parents=True)
        rows = "".join(f"{epoch},{value or ''}\n" for epoch, value in enumerate(values, 1))
        (folder / "metrics.csv").write_text(f"epoch,val/loss\n{rows}5,\n")
    assert script.curves(tmp_path, "val/loss", 1) == [[*values, values[-1]] for values in TRAININGS]
    assert script.curves(tmp_path, "val/loss", -1) == [5 * [-values[0]] for values in TRAININGS]  # the best so far
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--trials", "4"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "4 trainings of 5 epochs, 4 at a time"
    assert len(lines) == 2 + len(script.FACTORS) * len(script.FIRST)
