"""What a search leaves at its end: table, importances, plot, report."""

import csv
import json
from io import StringIO

from rich.console import Console
from searches import searched

from sensorium.search.claims import Claims
from sensorium.search.folder import SweepFolder, write_request
from sensorium.search.loop import Limits
from sensorium.search.plots import importances
from sensorium.search.results import Results
from sensorium.search.space import parse
from sensorium.search.trial import Workplace

SPACE = ["lr=interval(0,1)", "width=range(1,50)", "model=a"]


def test_the_end_of_a_search(tmp_path) -> None:
    journal = searched(tmp_path / "a", SPACE, trials=12)
    sweep = SweepFolder(tmp_path / "a")
    write_request(sweep, ["-m", "search=random", *SPACE])
    work = Workplace(sweep, parse(SPACE), journal, None, lambda *_: None, lambda *_: None, Claims(sweep))
    limits, printed = Limits(trials=12, seconds=None, slots=[], fail_fast=False), StringIO()
    status = Results.of(work, limits, Console(file=printed, width=200)).finish([], go_on="again")
    assert status == 0
    # The value is 0.9 (1 - |lr - 0.5|): the best is the trial nearest to 0.5, and width does nothing.
    best = min(journal.trials(), key=lambda trial: abs(trial.params["lr"] - 0.5))
    text, rows = printed.getvalue(), list(csv.DictReader(sweep.table.open()))
    assert f"best by val/accuracy: trial {best.number}  lr={best.params['lr']}" in text
    assert f"repeat it: sensorium train model=a lr={best.params['lr']} width={best.params['width']}\n" in text
    assert [int(row["trial"]) for row in rows] == list(range(12))
    assert rows[best.number]["val/accuracy"] == f"{best.value:.4f}"
    shares = importances(journal)
    assert next(iter(shares)) == "lr"
    assert f"importance: lr {shares['lr']:.2f}" in text
    assert json.loads(sweep.summary.read_text())["best"] == best.value
    page = sweep.report.read_text()
    for shown in ("Search over lr, width", "Importance", "data:image/png", "search=random", "best so far"):
        assert shown in page
