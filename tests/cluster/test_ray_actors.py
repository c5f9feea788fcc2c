"""launcher=ray on a real Ray cluster: whatever happens to a machine, or to who submitted, the results are the same."""

import os
import signal
from pathlib import Path

import pytest
from jobs import (
    SEARCH,
    TRAINING,
    assert_same,
    begin,
    ended,
    epochs,
    finished,
    only,
    printed,
    table,
    wait_for,
)
from ray_cluster import kill_node, ray_cluster, start_node, why_not

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster():
    if reason := why_not():
        pytest.skip(reason)
    with ray_cluster() as up:
        yield up


def launcher(cluster) -> list[str]:
    return ["launcher=ray", f"launcher.address={cluster.address}"]


def submitted(folder: Path, cluster) -> Path:
    """The run folder of a training that was handed to the cluster."""
    arguments = [*TRAINING, *launcher(cluster), "launcher.wait=false"]
    assert finished(arguments, folder, cluster.environment) == 0, printed(folder)
    return only(folder.glob("runs/*/*"))


def wait_for_end(run: Path) -> None:
    wait_for(lambda: ended(run) is not None, f"the end of {run}")
    assert ended(run) == 0


def lose_node(cluster, run: Path) -> None:
    kill_node(cluster, "node1")
    start_node(cluster, "node1", f"--address={cluster.address}", "--num-cpus=2")


def kill_the_training(cluster, run: Path) -> None:
    os.kill(int((run / ".lock").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("disturb", [lose_node, kill_the_training], ids=lambda what: what.__name__)
def test_a_training_that_is_disturbed_ends_as_one_that_is_not(disturb, cluster, alone, tmp_path) -> None:
    run = submitted(tmp_path, cluster)
    wait_for(lambda: epochs(run) >= 3, "three epochs")
    refused = finished(["train", f"resume={run}", *launcher(cluster)], tmp_path, cluster.environment)
    assert (refused, "is queued or trained already, by Ray actor" in printed(tmp_path)) == (2, True)
    disturb(cluster, run)
    wait_for_end(run)
    assert (run / "output.log").read_text().count("epoch  train/loss") == 2, "it was not disturbed"
    assert_same(run, alone)


def test_a_search_whose_process_is_killed_finds_its_actors_again(cluster, sweep_alone, tmp_path) -> None:
    first = begin([*SEARCH, *launcher(cluster), "jobs=2"], tmp_path, cluster.environment)
    wait_for(lambda: len(list(tmp_path.glob("runs/sweeps/*/trials/000[01]/metrics.csv"))) == 2, "two trials")
    first.kill()
    first.wait()
    sweep = only(tmp_path.glob("runs/sweeps/*"))
    assert finished(["train", f"resume={sweep}"], tmp_path, cluster.environment) == 0, printed(tmp_path)
    assert table(sweep) == table(sweep_alone)
    for name in ("0000", "0001", "0002", "0003"):
        run = sweep / "trials" / name
        assert_same(run, sweep_alone / "trials" / name)
        assert (run / "output.log").read_text().count("epoch  train/loss") == 1, "it was started twice"


def test_a_training_that_no_machine_can_run_waits_and_is_left_alone(cluster, tmp_path) -> None:
    greedy = [*TRAINING, *launcher(cluster), "launcher.cpus=100"]
    waiting = begin(greedy, tmp_path, cluster.environment)
    wait_for(lambda: "QUEUED" in printed(tmp_path), "its state")
    run = only(tmp_path.glob("runs/*/*"))
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(timeout=60) == 143
    assert "continues without this command" in printed(tmp_path)
    # Without the address the cluster is not asked, which a run folder from elsewhere could have chosen.
    assert finished(["train", f"resume={run}"], tmp_path, cluster.environment) == 2
    assert f"Resume it with launcher=ray launcher.address={cluster.address}" in printed(tmp_path)


def test_a_cluster_that_does_not_answer(tmp_path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    arguments = [*TRAINING, "launcher=ray", "launcher.address=127.0.0.1:1"]
    assert finished(arguments, tmp_path, {"RAY_USAGE_STATS_ENABLED": "0"}) == 2
    assert "launcher.address=127.0.0.1:1: no Ray cluster can be used there: " in printed(tmp_path)
    assert not list(tmp_path.glob("runs/*/*"))
