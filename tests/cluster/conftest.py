"""What the tests of real clusters share: the same trainings on this machine, to compare with."""

import pytest
from jobs import SEARCH, TRAINING, finished, only


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
