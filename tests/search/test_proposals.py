"""A proposal follows from what is finished, and from nothing else."""

import math
from statistics import NormalDist

import pytest
from optuna.trial import TrialState, create_trial

from sensorium.search import proposals
from sensorium.search.folder import SweepFolder
from sensorium.search.proposals import SearchSettings, distributions, propose
from sensorium.search.pruning import decide, pruner_of
from sensorium.search.space import parse
from sensorium.search.study import Journal

SPACE = parse(["lr=tag(log,interval(1e-4,1))", "width=int(interval(1,64))", "drop=range(0,1,0.25)"])
MIXED = parse(["lr=tag(log,interval(1e-4,1))", "model=a,b,c"])


def settings(
    sampler: str, *, pruner: str = "none", seed: int = 0, first: int = 5, min_epochs: int = 1
) -> SearchSettings:
    return SearchSettings(
        sampler=sampler, seed=seed, n_startup_trials=first, pruner=pruner, min_epochs=min_epochs, reduction_factor=3
    )


def value(params: dict) -> float:
    """Best at lr = 0.01."""
    return -abs(math.log10(float(params["lr"])) + 2) - 0.01 * params.get("width", 0)


def history_of(space, chosen: SearchSettings, count: int) -> list:
    history: list = []
    for number in range(count):
        params = propose(space, chosen, history, number)
        trial = create_trial(value=value(params), params=dict(params), distributions=distributions(space))
        trial.number = number
        history.append(trial)
    return history


def grown(space, chosen: SearchSettings, count: int, folder=None) -> list[dict]:
    """The settings of a search of `count` trials; each from a journal that is opened anew, as after a kill."""
    if folder is None:
        return [trial.params for trial in history_of(space, chosen, count)]
    for number in range(count):
        journal = Journal.open(SweepFolder(folder))
        journal.add(propose(space, chosen, journal.trials(), number), distributions(space))
        journal = Journal.open(SweepFolder(folder))
        trial = journal.next_waiting()
        journal = Journal.open(SweepFolder(folder))
        trial = journal.begun(journal.running()[0].number)
        journal.complete(trial, value(trial.params))
    return [trial.params for trial in Journal.open(SweepFolder(folder)).trials()]


@pytest.mark.parametrize(("sampler", "space"), [("random", MIXED), ("tpe", MIXED), ("gp", MIXED), ("cma", SPACE)])
def test_a_search_that_is_killed_at_every_step_proposes_the_same(sampler, space, tmp_path) -> None:
    chosen = settings(sampler)
    assert grown(space, chosen, 14, tmp_path) == grown(space, chosen, 14)


@pytest.mark.parametrize(("sampler", "space"), [("random", MIXED), ("tpe", MIXED), ("gp", MIXED), ("cma", SPACE)])
def test_another_seed_or_number_proposes_something_else(sampler, space) -> None:
    one, other = grown(space, settings(sampler), 8), grown(space, settings(sampler, seed=1), 8)
    assert len({str(params) for params in [*one, *other]}) == 16


def test_proposals_of_tpe_approach_the_best() -> None:
    # On average over seeds the last third of the trials is better than the first, which is drawn at random.
    gains = []
    for seed in range(3):
        values = [value(params) for params in grown(MIXED, settings("tpe", seed=seed), 36)]
        gains.append(sum(values[-12:]) / 12 - sum(values[:12]) / 12)
    assert sum(gains) / 3 > 0.3


def test_gp_goes_where_trials_that_were_ended_early_were_good() -> None:
    """None came to its end; each has shown after one epoch what it would be worth, best at lr = 0.01."""
    history = []
    for number in range(12):
        params = {"lr": 10 ** (-4 * (number + 0.5) / 12), "model": "a"}
        trial = create_trial(
            state=TrialState.PRUNED, params=params, distributions=distributions(MIXED),
            intermediate_values={1: value(params)},
        )  # fmt: skip
        trial.number = number
        history.append(trial)
    proposed = [propose(MIXED, settings("gp", seed=seed), history, 12)["lr"] for seed in range(8)]
    assert sum(0.002 < lr < 0.05 for lr in proposed) >= 6  # a third of the interval: at random fewer than 3 of 8


def test_a_score_is_the_share_of_the_trials_that_are_beaten() -> None:
    """Where both have been: a complete one by its value, with one that was pruned at the epoch of its end."""
    found = {
        "best": {"value": 9.0, "intermediate_values": {1: 1.0, 2: 3.0, 3: 8.0}},
        "slow": {"value": 7.0, "intermediate_values": {1: 2.0, 2: 0.0, 3: 7.0}},  # at epoch 2 its best so far is 2
        "ended": {"state": TrialState.PRUNED, "intermediate_values": {1: 1.0, 2: 2.5}},
        "early": {"state": TrialState.PRUNED, "intermediate_values": {1: 1.0}},
        "failed": {"state": TrialState.FAIL, "intermediate_values": {1: 99.0}},
    }
    history = [create_trial(params={}, distributions={}, **one) for one in found.values()]
    beaten = {
        "best": 0.5 + 1 + 1 + 0.5 + 1,  # itself, slow, ended (3 against 2.5), early (equal after one epoch), failed
        "slow": 0 + 0.5 + 0 + 1 + 1,
        "ended": 0 + 1 + 0.5 + 0.5 + 1,
        "early": 0.5 + 0 + 0.5 + 0.5 + 1,
        "failed": 0.5,
    }
    scores = [trial.value for trial in proposals.scored(history)]
    assert scores == pytest.approx([NormalDist().inv_cdf(share / 5) for share in beaten.values()])
    assert {trial.state for trial in proposals.scored(history)} == {TrialState.COMPLETE}


def test_cma_has_generations_of_its_population() -> None:
    # Three numbers: a population of 4 + floor(3 ln 3) = 7 (Hansen 2016, table 1), after one trial at random.
    chosen = settings("cma", first=1)
    with proposals.quiet():
        study = proposals._replayed(SPACE, chosen, history_of(SPACE, chosen, 18))
    generations = [trial.system_attrs.get("cma:generation") for trial in study.trials]
    assert generations == [None, *[0] * 7, *[1] * 7, *[2] * 3]


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp"])
def test_no_setting_is_proposed_twice_while_there_is_another(sampler) -> None:
    space = parse(["lr=0.1,0.2", "drop=range(0,0.5,0.1)", "model=a,b"])
    found = grown(space, settings(sampler), 20)
    assert len({str(params) for params in found}) == 20 == space.count()


def test_a_grid_goes_through_its_points() -> None:
    space = parse(["a=x,y", "b=range(1,3)"])
    found = [propose(space, settings("grid"), [], number) for number in range(4)]
    assert [tuple(params.values()) for params in found] == [("x", 1), ("x", 2), ("y", 1), ("y", 2)]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cma"])
def test_failed_ended_and_running_trials_are_no_obstacle(sampler) -> None:
    history = []
    for number, state in enumerate([TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING] * 3):
        params = propose(SPACE, settings("random"), [], number)
        known = {"value": value(params)} if state == TrialState.COMPLETE else {}
        trial = create_trial(
            state=state, params=dict(params), distributions=distributions(SPACE), intermediate_values={1: 0.5}, **known
        )
        trial.number = number
        history.append(trial)
    chosen = settings(sampler, pruner="halving", first=1)
    assert propose(SPACE, chosen, history, 12) == propose(SPACE, chosen, history, 12)
    assert propose(SPACE, chosen, history, 12) != propose(SPACE, settings("random"), history, 12)


def test_tpe_learns_from_trials_that_failed() -> None:
    """lr above 0.5 diverges. Of 40 proposals it makes fewer there than when it is not told of those."""
    space = parse(["lr=interval(0,1)"])
    history = []
    for number in range(16):
        lr = (number + 0.5) / 16
        failed = {"state": TrialState.FAIL} if lr > 0.5 else {"value": lr}  # the nearer to 0.5, the better
        trial = create_trial(params={"lr": lr}, distributions=distributions(space), **failed)
        trial.number = number
        history.append(trial)

    def above(trials: list) -> int:
        chosen = [settings("tpe", seed=seed, first=5) for seed in range(40)]
        return sum(propose(space, one, trials, 16)["lr"] > 0.5 for one in chosen)

    untold = [trial for trial in history if trial.state == TrialState.COMPLETE]
    assert above(history) < above(untold) / 2


# -- pruning


def reported(*curves: list[float]) -> list:
    trials = []
    for number, curve in enumerate(curves):
        trial = create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(curve, start=1)))
        trial.number = number
        trials.append(trial)
    return trials


def test_halving_keeps_the_best_third_of_each_rung() -> None:
    # Rungs at epochs 1 and 3 with factor 3. Of three or more values at a rung the best third goes on.
    pruner = pruner_of(settings("random", pruner="halving"))
    kept, notes = decide(pruner, reported([0.5]), 0)
    assert not kept
    assert notes == {"completed_rung_0": 0.5}
    trials = reported([0.5], [0.6], [0.4])
    trials[0].system_attrs["completed_rung_0"] = 0.5
    trials[1].system_attrs["completed_rung_0"] = 0.6
    assert decide(pruner, trials, 2)[0]
    trials[2].intermediate_values[1] = 0.7
    assert not decide(pruner, trials, 2)[0]


@pytest.mark.parametrize("name", ["halving", "median"])
def test_trials_are_compared_by_their_best_epoch_so_far(name) -> None:
    """After three epochs the third trial's last value is the lowest, and its best the highest."""
    pruner = pruner_of(settings("random", pruner=name, first=2, min_epochs=3))
    trials = reported([0.5, 0.5, 0.5], [0.5, 0.6, 0.6], [0.4, 0.8, 0.3])
    for number, rung in enumerate((0.5, 0.6)):
        curve = trials[number].intermediate_values
        trials[number] = create_trial(state=TrialState.COMPLETE, value=rung, intermediate_values=curve)
        trials[number].number, trials[number].system_attrs = number, {"completed_rung_0": rung}
    ends, _ = decide(pruner, trials, 2)
    assert not ends
    assert trials[2].intermediate_values == {1: 0.4, 2: 0.8, 3: 0.3}, "the journal keeps what was measured"
    trials[2].intermediate_values[2] = 0.4
    assert decide(pruner, trials, 2)[0]


def test_a_decision_is_the_same_when_it_is_made_again() -> None:
    pruner = pruner_of(settings("random", pruner="halving"))
    trials = reported([0.5], [0.6], [0.4])
    for trial, rung in zip(trials, (0.5, 0.6), strict=False):
        trial.system_attrs["completed_rung_0"] = rung
    assert decide(pruner, trials, 2) == decide(pruner, trials, 2)
    assert "completed_rung_0" not in trials[2].system_attrs


def test_the_median_rule() -> None:
    pruner = pruner_of(settings("random", pruner="median", first=2))
    before = reported([0.5, 0.6], [0.7, 0.8])
    for trial in before:
        trial.state, trial.value = TrialState.COMPLETE, 0.8
        trial.datetime_complete = trial.datetime_start
    assert decide(pruner, [*before, *renumbered(reported([0.65, 0.69]), 2)], 2)[0]  # below 0.7, the median at epoch 2
    assert not decide(pruner, [*before, *renumbered(reported([0.65, 0.71]), 2)], 2)[0]


def renumbered(trials: list, first: int) -> list:
    for place, trial in enumerate(trials):
        trial.number = first + place
    return trials


# -- the journal


def test_a_line_that_a_killed_process_left_unfinished_is_cut(tmp_path) -> None:
    sweep = SweepFolder(tmp_path)
    journal = Journal.open(sweep)
    journal.add({"a": "x"}, distributions(parse(["a=x,y"])))
    whole = sweep.journal.read_bytes()
    for length in range(1, 40, 3):
        sweep.journal.write_bytes(whole + whole[:length])
        assert [trial.params for trial in Journal.open(sweep).trials()] == [{"a": "x"}]
        assert sweep.journal.read_bytes() == whole


def test_every_beginning_of_a_journal_is_a_state_of_the_search(tmp_path) -> None:
    sweep = SweepFolder(tmp_path)
    grown(MIXED, settings("random"), 3, tmp_path)
    lines = sweep.journal.read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines) + 1):
        sweep.journal.write_bytes(b"".join(lines[:count]))
        trials = Journal.open(sweep).trials()
        assert all(set(trial.params) == {"lr", "model"} for trial in trials)  # never half a trial
    assert len(trials) == 3
