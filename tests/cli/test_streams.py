"""Standard output that nobody reads any more, that has no room, or that is closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from command import run_command, write_program
from sensorium.cli.streams import Lasting


def closed_pipe():
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def test_a_stream_that_lasts_outlives_its_reader() -> None:
    stream = Lasting(closed_pipe())
    for _ in range(3):
        assert stream.write("line\n") == 5
        stream.flush()
    plain = closed_pipe()
    with pytest.raises(BrokenPipeError):  # noqa: PT012 (one of the two)
        plain.write("line\n")
        plain.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), plain.fileno())
    assert stream.encoding == plain.encoding


CLOSED = "{program} train trainer.max_epochs=1 threads=1 test=false run_root={root} | head -1; echo ${{PIPESTATUS[0]}}"


def test_a_training_goes_on_when_nobody_reads(tmp_path: Path) -> None:
    write_program(tmp_path / "sensorium")
    script = CLOSED.format(program=tmp_path / "sensorium", root=tmp_path / "runs")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")
    (run,) = (tmp_path / "runs").glob("*/*")
    assert (run / "checkpoints" / "best.ckpt").is_file()
    assert "run folder: " in (run / "train.log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", ["train trainer.max_epochs=1 threads=1", "list", "list model=lenet format=json"])
def test_no_room_for_the_output_is_one_line(command: str, tmp_path: Path) -> None:
    write_program(tmp_path / "sensorium")
    script = f"{tmp_path / 'sensorium'} {command} > /dev/full"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "sensorium: standard output cannot be written: No space left on device.\n"
    assert list(tmp_path.glob("runs/*")) == []


def test_a_closed_standard_output_ends_no_command(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m sensorium list what=model >&- 2>&- <&-"], cwd=tmp_path, check=False
    )
    assert done.returncode == 0


def test_a_sweep_of_a_verb_that_trains_nothing_leaves_no_file(tmp_path: Path) -> None:
    result = run_command(["list", "-m", "what=model,dataset", "format=jsonl"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert '"name": "lenet"' in result.stdout
    assert '"name": "digits"' in result.stdout
    assert list(tmp_path.iterdir()) == []
