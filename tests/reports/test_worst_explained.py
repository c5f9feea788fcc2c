"""The worst errors of a run, explained in its report."""

import shutil

import pytest

import sensorium
from report_runs import write_run
from sensorium.errors import RequestError
from sensorium.reports import store


def test_the_worst_errors_are_explained_once(trained_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained_run, folder)
    before = [section.title for section in store.read(folder).sections]
    page = sensorium.report(folder, explain=True)
    sections = {section.title: section for section in store.read(folder).sections}
    before.insert(before.index("Worst errors") + 1, "Worst errors, explained")
    assert list(sections) == before
    cards = sections["Worst errors, explained"].examples
    worst = [one.name for one in sections["Worst errors"].examples[:3]]
    assert list(dict.fromkeys(card.name for card in cards)) == worst
    assert len(cards) == 6  # what was predicted, and what is right
    first = sections["Worst errors"].examples[0]
    assert cards[0].predicted.startswith(f"why {first.predicted}: ")
    assert cards[1].predicted.startswith(f"why {first.target}: ")
    assert all(card.image.startswith("data:image/png;base64,") for card in cards)
    assert "Worst errors, explained</h2>" in page.read_text()
    sensorium.report(folder, explain=True)
    assert [section.title for section in store.read(folder).sections] == list(sections)


def test_a_run_without_what_it_takes(tmp_path):
    run = write_run(tmp_path / "one")
    (run.folder / "report.json").unlink()
    with pytest.raises(RequestError, match=r"has no report\.json, which explain=true adds to"):
        sensorium.report(run.folder, explain=True)
