"""What the tests of real clusters share: the same trainings on this machine, to compare with."""

import signal

import pytest
from jobs import SEARCH, TRAINING, finished, only


@pytest.fixture(scope="session", autouse=True)
def clusters_end_with_the_tests():
    """SIGTERM ends the tests as Ctrl+C does: with the end of every fixture, and so of every daemon."""
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", returncode=143))
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """The run folder of the training as launcher=local leaves it, never disturbed."""
    folder = tmp_path_factory.mktemp("alone")
    assert finished(TRAINING, folder) == 0, (folder / "output.txt").read_text()
    return only(folder.glob("runs/*/*"))


@pytest.fixture(scope="session")
def sweep_alone(tmp_path_factory):
    """The folder of the search as launcher=local leaves it."""
    folder = tmp_path_factory.mktemp("sweep_alone")
    assert finished(SEARCH, folder) == 0, (folder / "output.txt").read_text()
    return only(folder.glob("runs/sweeps/*"))
