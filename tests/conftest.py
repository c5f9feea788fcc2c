"""What all tests share: one torch thread, a cache of their own, and one small trained run."""

import os
from pathlib import Path

import pytest

# Before torch is imported: threads that wait for each other on busy cores stall.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from command import run_command


def pytest_collection_modifyitems(items):
    """Files that run the command or train come first: a long one at the end would leave all cores but one idle."""
    items.sort(key=lambda item: not (hasattr(item.module, "run_command") or hasattr(item.module, "trained")))


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """No test reads or writes the cache of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENSORIUM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> Path:
    """The folder of a run: digits, the default model, one epoch. Tests read it, and change copies only."""
    folder = tmp_path_factory.mktemp("trained")
    result = run_command(["train", "trainer.max_epochs=1", "threads=1"], folder)
    assert (result.status, result.stderr) == (0, "")
    (folder / "stdout.txt").write_text(result.stdout)
    (run,) = (folder / "runs" / "digits_small_cnn").iterdir()
    return run
