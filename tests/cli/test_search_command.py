"""sensorium train -m search=...: what it refuses before torch is imported, and a search from end to end."""

import csv
import json
import os

import pytest

from command import run_command
from sensorium.cli import schema
from sensorium.cli import search as search_command
from sensorium.cli import search_request as requests
from sensorium.cli.request import answer
from sensorium.cli.search_request import resumed_request, search_request
from sensorium.errors import RequestError
from sensorium.run_folder import RunFolder, locked
from sensorium.search.folder import SweepFolder, write_request
from sensorium.training import run_length

SEARCH = ("-m", "search=random")
TWO = "lr=0.1,0.2"
WRONG = [
    ([*SEARCH, "lr=0.1"], "needs something that varies"),
    ([*SEARCH, TWO, "trials=0"], "trials=0 is not possible. Allowed: a whole number from 1"),
    ([*SEARCH, TWO, "budget=2x"], "budget=2x is not possible. Allowed: a time above 0 such as 90s, 30m, 2h or 1d"),
    ([*SEARCH, TWO, "budget=0h"], "budget=0h is not possible"),
    ([*SEARCH, TWO, "jobs=0"], "jobs=0 is not possible"),
    (["-m", "search=rndom", TWO], "There is no search 'rndom'. Did you mean random?"),
    (["-m", "search=tpe,random", TWO], "one search has one"),
    (["-m", "search=grid", "lr=interval(0.1,0.2)"], "tries every value, and lr is an interval"),
    (["-m", "search=cma", "lr=interval(0.1,0.2)"], "only lr is one. Take search=tpe."),
    ([*SEARCH, "lr=choice(0.1)"], "is one value"),
    ([*SEARCH, "lr=tag(log,interval(0,1))"], "a log scale has no 0"),
    ([*SEARCH, TWO, "search.sampler=tp"], "Did you mean tpe?"),
    ([*SEARCH, TWO, "search.sede=1"], "Did you mean search.seed?"),
    ([*SEARCH, TWO, "search.trials=1"], "Did you mean trials?"),
    (["-m", "search=asha", TWO, "search.min_epochs=9", "trainer.max_epochs=9"], "would prune no trial"),
    ([*SEARCH, "seed=1,2"], "seed only repeats each setting"),
    ([*SEARCH, "lr=interval(1e-4,1e-1"], "lacks a closing parenthesis: 'lr=interval(1e-4,1e-1)'"),
    ([*SEARCH, "batch_size=interval(8,64)"], "For whole numbers write 'batch_size=int(interval(8,64))' or"),
    ([*SEARCH, TWO, "search.metric=val/f1"], "search.metric needs search.mode"),
    ([*SEARCH, TWO, "search.mode=min"], "search.mode needs search.metric"),
    ([*SEARCH, TWO, "search.metric=test/loss", "search.mode=min"], "settings are not chosen by test results"),
    ([*SEARCH, TWO, "search.metric=test/loss"], "settings are not chosen by test results"),
    ([*SEARCH, TWO, "search.compare=1"], "two seeds or more"),
    ([*SEARCH, "lr=intervall(1e-3,1e-1)"], "lr=intervall(1e-3,1e-1) is no list of values. Write lr=interval("),
    (["lr=interval(0.1,0.2)"], "lr=interval(0.1,0.2) stands for several values. With -m each of them is tried"),
    ([*SEARCH, "modle=lenet,resnet8"], "Did you mean model?"),
    ([*SEARCH, "model=lenet,resnet88,mlp"], "There is no model 'resnet88'. Did you mean resnet8?"),
    ([*SEARCH, "lr=0.1,2e9"], "lr=2000000000.0 is not possible"),
    ([*SEARCH, TWO, "seed=1,x"], "seed=x is not possible"),
    ([*SEARCH, TWO, "hydra/launcher=joblib"], "jobs=N runs N trials side by side"),
    ([*SEARCH, TWO, "debug=trace"], "trace shows how a training begins"),
    ([*SEARCH, "lr=loguniform(1e-4,1e-1)"], "lr=loguniform(1e-4,1e-1) is no list of values"),
    ([*SEARCH, "lr=log(interval(1e-4,1e-1))"], "lr=log(interval(1e-4,1e-1)) is no list of values"),
    ([*SEARCH, "lr=uniform(0,1)"], "Write lr=interval(0.1,0.9)"),
    ([*SEARCH, "lr=interval(a,b)"], "Write lr=interval(0.1,0.9)"),
    ([*SEARCH, "lr=choice()"], "Write lr=interval(0.1,0.9)"),
    ([*SEARCH, "lr=range(0,inf)"], "needs finite ends"),
    ([*SEARCH, "lr=range(0,1e300)"], "has 1e+300 values; a range has at most 10,000"),
    ([*SEARCH, "run_root=a,b"], "run_root changes no result"),
    ([*SEARCH, "force=true,false"], "force changes no result"),
    (["search=random"], "search=NAME needs -m and something that varies"),
    (["trials=3"], "trials is for a search. Add search=NAME and -m"),
    (["budget=2h"], "budget is for a search"),
    (["search.metric=val/loss", "lr=0.1"], "search.metric is for a search. Add search=NAME and -m"),
    (["search.seed=3"], "search.seed is for a search"),
    (["search.storage=foo"], "search.storage=foo is not possible. Allowed: journal, sqlite."),
    ([*SEARCH, TWO, "search.storage=sqlit"], "search.storage=sqlit is not possible. Did you mean sqlite?"),
    ([*SEARCH, TWO, "search.storage=sqlite:///x.db"], "search.storage=sqlite:///x.db is not possible"),
]


def test_an_interval_of_numbers_that_are_rejected_is_no_hint_at_whole_ones() -> None:
    with pytest.raises(RequestError, match=r"^lr=-1\.0 is not possible") as error:
        answer("train", [*SEARCH, "lr=interval(-1,1)"])
    assert "whole numbers" not in str(error.value)


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_wrong_request(arguments, message) -> None:
    with pytest.raises(RequestError) as error:
        answer("train", arguments)
    assert message in str(error.value)


def test_how_many_trials(monkeypatch) -> None:
    monkeypatch.setattr(requests, "composed_training", lambda overrides, options: None)  # a third of a second each
    assert search_request([*SEARCH, "lr=interval(0.1,0.2)"]).trials == 20
    assert search_request([*SEARCH, "lr=interval(0.1,0.2)", "trials=50"]).trials == 50
    assert search_request([*SEARCH, TWO, "seed=1,2", "trials=50"]).trials == 2  # none is tried twice
    grid = ("-m", "search=grid", TWO, "batch_size=range(1,41)")
    assert search_request(grid).trials == 80
    assert search_request([*grid, "trials=7"]).trials == 7


@pytest.mark.parametrize(
    ("max_epochs", "further", "first"),
    [
        ("auto", [], 2),
        (1, [], 1),
        (6, [], 1),
        (7, [], 2),
        (27, [], 5),
        (100, [], 17),
        (-1, ["trainer.max_steps=10"], 1),
        (32, ["search.reduction_factor=3"], 6),
        (27, ["search.min_epochs=4"], 4),
    ],
)
def test_when_trials_are_first_compared(max_epochs, further, first, monkeypatch) -> None:
    """After a sixth of the epochs, or where it is given."""
    monkeypatch.setattr(requests, "composed_training", lambda overrides, options: None)
    typed = ["-m", "search=asha", "lr=interval(0.1,0.2)", f"trainer.max_epochs={max_epochs}", *further]
    assert search_request(typed).search["min_epochs"] == first
    assert requests._FEWEST_EPOCHS == run_length.FEWEST_EPOCHS


@pytest.mark.parametrize(("package", "search"), [("optuna", "grid"), ("cmaes", "cma")])
def test_a_package_that_is_not_there(package, search, monkeypatch) -> None:
    monkeypatch.setattr(requests, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(RequestError, match=rf"needs the package '{package}'.*\n.*sensorium\[search\]"):
        search_request(["-m", f"search={search}", "lr=range(0.1,0.4,0.1)", "batch_size=range(1,9)"])


def test_what_may_change_when_a_search_goes_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(requests, "composed_training", lambda overrides, options: None)
    sweep = SweepFolder(tmp_path)
    write_request(sweep, [*SEARCH, "lr=interval(0.1,0.2)", "trials=5", "jobs=2"])
    assert resumed_request(sweep, []).trials == 5
    again = resumed_request(sweep, ["trials=9", "budget=1h"])
    assert (again.trials, again.config["budget"], again.config["jobs"]) == (9, "1h", 2)
    for number in range(4):
        (tmp_path / "trials" / f"000{number}").mkdir(parents=True)
    assert resumed_request(sweep, ["trials=4"]).trials == 4
    with pytest.raises(RequestError, match=r"^trials=3: the search has begun 4 already\. Allowed: .* from 4\.$"):
        resumed_request(sweep, ["trials=3"])
    for change in ("lr=0.1,0.3", "search=tpe", "search.seed=3", "model=lenet", "~lr"):
        with pytest.raises(RequestError, match="is resumed with the space and settings that it began with"):
            resumed_request(sweep, [change])


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 1, "arguments": "a"}', '{"format": 9, "arguments": []}']
)
def test_a_sweep_json_that_is_none(content, tmp_path) -> None:
    sweep = SweepFolder(tmp_path)
    sweep.request.write_text(content)
    with pytest.raises(RequestError, match=r"sweep.json (cannot be read|has format 9|has no list)"):
        resumed_request(sweep, [])


def test_a_search_that_runs_is_not_gone_on_with(tmp_path) -> None:
    write_request(SweepFolder(tmp_path), [*SEARCH, TWO])
    with (
        locked(RunFolder(tmp_path)),
        pytest.raises(RequestError, match=f"still being trained, by process {os.getpid()}"),
    ):
        answer("train", [f"resume={tmp_path}"])


def test_a_sweep_of_plain_multirun_does_not_go_on(tmp_path) -> None:
    (tmp_path / "sweep.csv").write_text("a\n")
    with pytest.raises(RequestError, match="is a sweep of plain -m, which cannot go on"):
        answer("train", [f"resume={tmp_path}"])


def test_an_error_behind_the_first_training_leaves_the_search(tmp_path, monkeypatch) -> None:
    def fails(sweep, request, slots):
        (sweep.folder / "trials" / "0000").mkdir(parents=True)
        if trained:
            (sweep.folder / "trials" / "0000" / "metrics.csv").write_text("epoch\n1\n")
        raise RequestError("too late")

    monkeypatch.setattr(search_command, "_search", fails)
    for trained, left in ((True, 1), (False, 0)):
        with pytest.raises(RequestError, match="too late"):
            search_command.run([*SEARCH, TWO, f"run_root={tmp_path / str(trained)}"])
        assert len(list(tmp_path.glob(f"{trained}/sweeps/*"))) == left


def test_a_search_from_end_to_end(tmp_path) -> None:
    quick = ("model=perceptron", "trainer.max_epochs=1", "calibration=none", "ood=none", "threads=1")
    by_loss = ("search.metric=val/loss", "search.mode=min", "explanation=none")
    arguments = ["train", "-m", "search=grid", "lr=0.01,1e-5", *by_loss, *quick]
    result = run_command([*arguments, "trials=1"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    result = run_command(["train", f"resume={folder}"], tmp_path)  # nothing is left to train
    assert (result.status, result.stderr) == (0, "")
    assert "1 of 1 trials had ended" in result.stdout
    (row,) = csv.DictReader((folder / "sweep.csv").open())
    run = folder / "trials" / "0000"
    metrics = json.loads((run / "metrics.json").read_text())
    assert (float(row["test/accuracy"]), row["state"], row["n"]) == (metrics["test/accuracy"], "complete", "1")
    assert json.loads((run / "monitor.json").read_text()) == {"monitor": "val/loss", "mode": "min"}
    assert float(row["val/loss"]) == json.loads((run / "summary.json").read_text())["best"]
    assert f"best by val/loss: trial 0  lr=0.01  {float(row['val/loss']):.4f}" in result.stdout
    assert "Search over lr" in (folder / "report.html").read_text()


def test_a_budget_of_several_units() -> None:
    assert schema.seconds("1h30m") == 5400
    assert schema.seconds("1.5h") == 5400
    schema.RULES["train"]["budget"].check("budget", "1h30m")
    for wrong in ("1h30", "h", "0h0m", "1h 30m"):
        with pytest.raises(RequestError, match="budget="):
            schema.RULES["train"]["budget"].check("budget", wrong)


def test_the_metric_of_a_search_belongs_to_what_every_training_is_given() -> None:
    """The line that repeats a trial would else choose another checkpoint of it."""
    found = search_request([*SEARCH, TWO, "search.metric=val/loss", "search.mode=min", "model=lenet"])
    by_loss = ("callbacks.checkpoints.monitor=val/loss", "callbacks.checkpoints.mode=min")
    assert found.space.fixed == ("model=lenet", *by_loss)
    assert search_request([*SEARCH, TWO, "model=lenet"]).space.fixed == ("model=lenet",)
