"""What a search leaves at its end: table, importances, plot, report."""

import csv
import json
from io import StringIO

import pytest
from rich.console import Console
from searches import searched, start

from sensorium.errors import RunError
from sensorium.search import run
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
    assert float(rows[best.number]["val/accuracy"]) == best.value
    assert {row["state"] for row in rows} == {"complete"}
    shares = importances(journal)
    assert next(iter(shares)) == "lr"
    assert f"importance: lr {shares['lr']:.2f}" in text
    summary = json.loads(sweep.summary.read_text())
    assert (summary["best"], summary["best_trial"]) == (best.value, best.number)
    assert summary["best_setting"] == best.params
    page = sweep.report.read_text()
    assert "Resume" not in page
    for shown in ("Search over lr, width", "Importance", "data:image/png", "search=random", "best so far"):
        assert shown in page


def test_what_ended_before_a_stop_is_in_the_table(tmp_path, monkeypatch) -> None:
    searched(tmp_path / "a", SPACE, trials=3)
    sweep = SweepFolder(tmp_path / "a")
    write_request(sweep, ["-m", "search=random", *SPACE])

    def stopped(*_: object, **__: object) -> None:
        raise RunError("Trial 2 failed, and fail_fast=true.")

    monkeypatch.setattr(run, "search", stopped)
    section = {"sampler": "random", "seed": 0, "n_startup_trials": 10, "pruner": "none", "min_epochs": 1}
    with pytest.raises(RunError, match="fail_fast"):
        run.run(
            sweep, space=parse(SPACE), section=section | {"reduction_factor": 4}, trials=9, seconds=None, slots=[],
            fail_fast=True, prepare=lambda *_: None, engine=None, console=Console(file=StringIO()),
        )  # fmt: skip
    assert [row["state"] for row in csv.DictReader(sweep.table.open())] == ["complete"] * 3
    assert json.loads(sweep.summary.read_text())["wanted"] == 9
    assert f"sensorium train resume={sweep.folder}" in sweep.report.read_text()


def ended(folder, space, *, trials: int, wanted: int, **settings):
    """A search that has ended: its journal, its folder, and what it printed."""
    journal = searched(folder, space, trials=trials, **settings)
    sweep = SweepFolder(folder)
    write_request(sweep, ["-m", "search=random", *space])
    work = Workplace(sweep, parse(space), journal, None, lambda *_: None, lambda *_: None, Claims(sweep))
    limits, printed = Limits(trials=wanted, seconds=None, slots=[], fail_fast=False), StringIO()
    Results.of(work, limits, Console(file=printed, width=200)).finish([], go_on="sensorium train resume=THIS")
    return journal, sweep, printed.getvalue()


def test_a_search_that_ended_early_says_so_with_the_command_that_resumes_it(tmp_path) -> None:
    space = ["lr=0.1,0.5,0.2,0.9,0.25,0.8"]  # of which the first two are completed, and 0.25 is refused
    settings = {"sampler": "grid", "pruner": "halving"}
    journal, sweep, _ = ended(tmp_path / "a", space, trials=5, wanted=10, **settings)
    states = [trial.state.name for trial in journal.trials()]
    page, rows = sweep.report.read_text(), list(csv.DictReader(sweep.table.open()))
    assert "<dd>5 of 10</dd>" in page
    assert "sensorium train resume=THIS" in page
    assert f"the {states.count('COMPLETE')} of 5 trials that were completed" in page
    assert [row["state"] for row in rows] == ["complete"] * 2 + ["pruned"] * 2 + ["failed"]
    summary = json.loads(sweep.summary.read_text())
    assert (summary["trials"], summary["wanted"]) == (5, 10)
    # Those that were completed took 0.1 s, as fake_training.py says; the others from beginning to end.
    took = [0.1 if one.state.name == "COMPLETE" else one.duration.total_seconds() for one in journal.trials()]
    assert summary["seconds"] == round(sum(took), 1)
    assert [float(row["seconds"]) for row in rows] == [round(seconds, 1) for seconds in took]


def test_repeats_have_columns_of_numbers_and_trials_lead_to_their_reports(tmp_path) -> None:
    def reporting(run, slot):
        if run.folder.parts[-2:] == ("0000", "1"):
            (run.folder / "report.html").touch()
        return start(run, slot)

    space, settings = ["lr=0.5,0.75", "seed=1,2"], {"sampler": "grid", "starting": reporting}
    _, sweep, _ = ended(tmp_path / "a", space, trials=2, wanted=2, **settings)
    rows = list(csv.DictReader(sweep.table.open()))
    # 1 - |lr - 0.5|, times 9 / 10, with every seed.
    assert [float(row["val/accuracy"]) for row in rows] == [0.9, 0.675]
    assert [(float(row["val/accuracy_std"]), row["n"]) for row in rows] == [(0, "2")] * 2
    assert rows[1]["run"] == ";".join(str(sweep.trial(1) / repeat) for repeat in ("1", "2"))
    page = sweep.report.read_text()
    assert page.count('<a href="trials/0000/1/report.html">0</a>') == 1
    assert 'href="trials/0001' not in page
    assert page.count('<tr class="best">') == 1
    assert '<th scope="col" class="number">lr</th>' in page
    assert page.count('<td class="number" data-value="0.75">0.75</td>') == 1  # as it was written, and a number
