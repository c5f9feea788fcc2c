"""Two hosts, each with a network and a process table of its own, train as one (scripts/two_hosts.py)."""

import os
import runpy
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sensorium
from groups import SETTINGS, WATCHED, WATCHER, assert_like_one_process, rows_of, run_of, seen
from sensorium.checkpoint_shards import SHARDS
from sensorium.runs import RunFolder
from trainings import config_in, data_of, differences, opened

machines = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "two_hosts.py")))
pytestmark = [pytest.mark.cluster, pytest.mark.skipif(machines.missing() is not None, reason=str(machines.missing()))]

ON_CPU = ("accelerator=cpu", *SETTINGS, "batch_size=16")


WAITING = ("callbacks.checkpoints.every_n_steps=7", "+callbacks.wait._target_=watcher.Wait", "+callbacks.wait.step=25")
WORDS = 30  # seconds after which every process has said that another is gone
GONE = "has not answered for"


@pytest.fixture
def hosts() -> Iterator[Any]:
    with machines.two_hosts() as both:
        yield both


def started(host: Any, folder: Path, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """A training on one host; what it prints goes to a file of the host's name."""
    (folder / "watcher.py").write_text(WATCHER)
    with output_of(host, folder).open("a") as file:
        streams = {"stdout": file, "stderr": subprocess.STDOUT, "text": True}
        found: subprocess.Popen[str] = machines.torchrun(host, ["train", *arguments], cwd=folder, **streams, **options)
    return found


def output_of(host: Any, folder: Path) -> Path:
    return folder / f"{host.name}.txt"


def eventually(happens: Callable[[], object], *, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.2)


def waiting(folder: Path) -> None:
    """Returns when both processes wait at their step."""
    eventually(lambda: all((folder / f"reached_{rank}").exists() for rank in (0, 1)))


def says(host: Any, folder: Path, text: str) -> Callable[[], bool]:
    return lambda: text in output_of(host, folder).read_text()


def both_end(hosts: Any, folder: Path, *arguments: str, **options: Any) -> list[str]:
    """What each host prints in a training that succeeds on both."""
    processes = [started(host, folder, *arguments, **options) for host in hosts]
    statuses = [process.wait(timeout=200) for process in processes]
    texts = [output_of(host, folder).read_text() for host in hosts]
    assert statuses == [0, 0], "".join(texts)
    return texts


def assert_ended_alike(run: RunFolder, other: RunFolder) -> None:
    """To the last bit."""
    assert differences(opened(run.last)["state_dict"], opened(other.last)["state_dict"]) == []
    assert run.history.read_text() == other.history.read_text()
    assert run.metrics.read_text() == other.metrics.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two hosts have trained and evaluated; the second one's own disk has been at `runs`."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "runs").mkdir()
    with machines.two_hosts() as hosts:
        hosts[1].unshared(folder / "runs")
        first, second = both_end(hosts, folder, *ON_CPU, WATCHED)
        assert hosts[1].run("ls", "-A", str(folder / "runs")) == ""
    assert first.count("\n  1/2 ") + second.count("\n  1/2 ") == 1
    assert first.count("run folder: ") + second.count("run folder: ") == 1
    return folder


def test_it_ends_like_one_process_with_both_their_batches(folder: Path, tmp_path: Path) -> None:
    assert_like_one_process(run_of(folder), tmp_path)


def test_every_example_once_in_training_and_validation(folder: Path) -> None:
    first, second = seen(folder, "train")
    both = [row for batches in (first, second) for rows in batches for row in rows]
    assert len(both) == len(set(both)) == 640
    first, second = seen(folder, "val")
    both = sorted(row for batches in (first, second) for rows in batches for row in rows)
    assert both == list(range(len(data_of(config_in(run_of(folder))).val)))


@pytest.mark.parametrize("common", [True, False])
def test_what_hosts_share_out_is_saved_in_shards_on_a_common_disk_alone(
    common: bool, hosts: Any, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    if not common:
        hosts[1].unshared(tmp_path / "runs")
    both_end(hosts, tmp_path, *ON_CPU, "optimizer=adamw", "strategy=fsdp")
    run = run_of(tmp_path)
    assert (SHARDS in opened(run.last)) == common
    assert len(list(run.checkpoints.glob("*/*-of-00002.pt"))) == (4 if common else 0)  # of last.ckpt and previous.ckpt
    both_end(hosts, tmp_path, f"resume={run.folder.relative_to(tmp_path)}", "trainer.max_epochs=3")
    assert [row["epoch"] for row in rows_of(run)] == ["1", "2", "3"]


def test_the_test_split_counts_once(folder: Path) -> None:
    run = run_of(folder)
    predictions = (run.folder / "predictions.csv").read_text().splitlines()
    assert len(predictions) == 1 + len(data_of(config_in(run)).test)


def test_when_a_host_is_killed_torchrun_and_the_other_continue_exactly(
    folder: Path, hosts: Any, tmp_path: Path
) -> None:
    # Without it a torchrun that is started later does not learn where the processes meet (torch 2.11).
    options = {"options": ["--max-restarts=2"], "environment": {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}}
    first, _ = [started(host, tmp_path, *ON_CPU, WATCHED, *WAITING, **options) for host in hosts]
    waiting(tmp_path)
    hosts[1].kill()
    (tmp_path / "go").touch()
    eventually(says(hosts[0], tmp_path, f"host-b (process 1 of 2) {GONE}"), seconds=WORDS)
    assert "\ntorchrun starts the processes again (1 of 2), to resume from" in output_of(hosts[0], tmp_path).read_text()
    assert opened(run_of(tmp_path).last)["global_step"] == 21
    hosts[1].boot()
    second = started(hosts[1], tmp_path, *ON_CPU, WATCHED, *WAITING, **options)
    assert (first.wait(timeout=200), second.wait(timeout=60)) == (0, 0)
    assert_ended_alike(run_of(tmp_path), run_of(folder))


def test_when_the_first_host_is_killed_the_run_is_resumed_by_hand(folder: Path, hosts: Any, tmp_path: Path) -> None:
    """The second one has no disk in common with it."""
    (tmp_path / "runs").mkdir()
    hosts[1].unshared(tmp_path / "runs")
    for host in hosts:
        started(host, tmp_path, *ON_CPU, WATCHED, *WAITING)
    waiting(tmp_path)
    hosts[0].kill()
    (tmp_path / "go").touch()
    eventually(says(hosts[1], tmp_path, f"host-a, where the processes meet, {GONE}"), seconds=WORDS)
    run = run_of(tmp_path)
    resume = f"resume={run.folder.relative_to(tmp_path)}"
    assert f"\nResume, on every host, with: sensorium train {resume}\n" in output_of(hosts[1], tmp_path).read_text()
    hosts[0].boot()
    both_end(hosts, tmp_path, resume, options=[f"--rdzv_endpoint={machines.FIRST}:{machines.PORT + 1}"])
    assert_ended_alike(run, run_of(folder))


def test_a_cable_that_is_out_for_five_seconds(folder: Path, hosts: Any, tmp_path: Path) -> None:
    processes = [started(host, tmp_path, *ON_CPU, WATCHED, *WAITING) for host in hosts]
    waiting(tmp_path)
    hosts[1].cut()
    (tmp_path / "go").touch()
    time.sleep(5)
    hosts[1].mend()
    assert [process.wait(timeout=200) for process in processes] == [0, 0]
    assert_ended_alike(run_of(tmp_path), run_of(folder))


def test_a_cable_that_stays_out(hosts: Any, tmp_path: Path) -> None:
    for host in hosts:
        started(host, tmp_path, *ON_CPU, WATCHED, *WAITING)
    waiting(tmp_path)
    hosts[1].cut()
    (tmp_path / "go").touch()
    one = says(hosts[0], tmp_path, f"host-b (process 1 of 2) {GONE}")
    other = says(hosts[1], tmp_path, f"host-a, where the processes meet, {GONE}")
    eventually(lambda: one() and other(), seconds=WORDS)
    for host in hosts:
        eventually(lambda host=host: not host.processes("-u -m sensorium"), seconds=WORDS)


def test_a_signal_to_one_host_stops_both_with_one_checkpoint(folder: Path, hosts: Any, tmp_path: Path) -> None:
    processes = [started(host, tmp_path, *ON_CPU, WATCHED, *WAITING) for host in hosts]
    waiting(tmp_path)
    os.kill(hosts[1].processes("torch.distributed.run")[0], signal.SIGTERM)
    time.sleep(1)  # it sends the signal on to its processes
    (tmp_path / "go").touch()
    assert all(process.wait(timeout=60) for process in processes)
    run = run_of(tmp_path)
    resume = f"resume={run.folder.relative_to(tmp_path)}"
    for host in hosts:
        assert f"sensorium: Stopped at step 25. Resume with: sensorium train {resume}\n" in (
            output_of(host, tmp_path).read_text()
        )
    assert opened(run.last)["global_step"] == 25
    both_end(hosts, tmp_path, resume)
    assert_ended_alike(run, run_of(folder))


def refused(hosts: Any, folder: Path, first: Sequence[str], second: Sequence[str], **of_second: Any) -> list[str]:
    """What each host says of a training that is refused on both, with no run left behind."""
    processes = [
        started(hosts[0], folder, *first),
        started(hosts[1], folder, *second, **of_second),
    ]
    assert all(process.wait(timeout=120) for process in processes)
    assert not list((folder / "runs").glob("*/*"))
    texts = [output_of(host, folder).read_text() for host in hosts]
    return [text[text.index("sensorium: ") :].split("\n")[0] for text in texts]


def test_hosts_with_different_settings_are_refused(hosts: Any, tmp_path: Path) -> None:
    said = refused(hosts, tmp_path, ON_CPU, (*ON_CPU, "lr=0.5", "workers=0"))
    assert said == ["sensorium: host-b and host-a differ in settings: lr is 0.05 on host-a and 0.5 on host-b."] * 2


def test_hosts_with_different_code_are_refused(hosts: Any, tmp_path: Path) -> None:
    shutil.copytree(Path(sensorium.__file__).parents[1], tmp_path / "src")
    shutil.copytree(Path(sensorium.__file__).parents[2] / "configs", tmp_path / "configs")
    with (tmp_path / "src/sensorium/losses/perceptron.py").open("a") as file:
        file.write("# another version\n")
    work = tmp_path / "work"
    work.mkdir()
    said = refused(hosts, work, ON_CPU, ON_CPU, environment={"PYTHONPATH": str(tmp_path / "src")})
    start = "sensorium: host-b and host-a differ in files of Sensorium: losses/perceptron.py is "
    assert all(line.startswith(start) for line in said)


def test_hosts_with_different_data_are_refused(hosts: Any, tmp_path: Path) -> None:
    """A label of one text in a file of the same name."""
    (tmp_path / "data").mkdir()
    rows = [f"{kind} film number {number},{kind}" for number in range(60) for kind in ("fine", "dull")]
    (tmp_path / "data/reviews.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    hosts[1].unshared(tmp_path / "data")
    rows[0] = rows[0].replace(",fine", ",dull")
    changed = "\n".join(["text,label", *rows]) + "\n"
    hosts[1].run("sh", "-c", f"printf '%s' '{changed}' > {tmp_path}/data/reviews.csv")
    text = ("dataset=text_csv", "dataset.path=data/reviews.csv", "accelerator=cpu", "trainer.max_epochs=1")
    said = refused(hosts, tmp_path, text, text)
    assert all(line.startswith("sensorium: host-b and host-a differ in data: ") for line in said)


def test_data_that_one_host_lacks(hosts: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/reviews.csv").write_text("text,label\n" + "".join(f"film {n},{'ab'[n % 2]}\n" for n in range(60)))
    hosts[1].unshared(tmp_path / "data")
    text = ("dataset=text_csv", "dataset.path=data/reviews.csv", "accelerator=cpu", "trainer.max_epochs=1")
    said = refused(hosts, tmp_path, text, text)
    assert all(line.startswith("sensorium: on host-b: ") and "data/reviews.csv" in line for line in said)
