"""Sections of a report from the tables that evaluations by group and under corruptions left in the run."""

import json
from pathlib import Path

import pytest

from report_runs import write_run
from sensorium.report_sections import Chart, Table
from sensorium.reports.evaluations import evaluation_sections
from sensorium.reports.page import render_run
from sensorium.reports.read import read_run
from sensorium.run_folder import RunFolder

SLICES = """group,examples,loss,accuracy,low,high,few
ann,40,1.5,0.5,0.25,0.75,False
<b>bob,4,0.5,,,,True
all,44,1.25,0.625,0.5,0.75,False
"""
CORRUPTIONS = """corruption,severity,setting,loss,accuracy
none,0,,1.0,0.75
blur,1,0.5 px,1.5,0.5
blur,3,2 px,nan,0.25
noise,1,0.1,2.0,0.625
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = write_run(tmp_path / "run")
    evaluated = run.folder / "eval_test"
    evaluated.mkdir()
    (evaluated / "evaluation.json").write_text(json.dumps({"split": "test", "files": []}))
    (evaluated / "slices.csv").write_text(SLICES)
    (evaluated / "corruptions.csv").write_text(CORRUPTIONS)
    return run.folder


def test_groups_and_corruptions_are_sections(folder):
    missing: list[str] = []
    slices, curves, table = evaluation_sections(folder, "accuracy", missing)
    assert missing == []
    assert isinstance(slices, Table)
    assert slices.title == "Slices (test, eval_test)"
    assert slices.columns[:5] == ["group", "examples", "accuracy", "low", "high"]
    assert slices.rows == [
        ["ann", 40, 0.5, 0.25, 0.75, 1.5, ""],
        ["<b>bob", 4, None, None, None, 0.5, "few"],
        ["all", 44, 0.625, 0.5, 0.75, 1.25, ""],
    ]
    assert isinstance(curves, Chart)
    assert [(one.name, one.points) for one in curves.series] == [
        ("blur", [[0.0, 0.75], [1.0, 0.5], [3.0, 0.25]]),
        ("noise", [[0.0, 0.75], [1.0, 0.625]]),
    ]
    assert isinstance(table, Table)
    assert table.rows[2] == ["blur", 3, "2 px", None, 0.25]


def test_a_page_shows_them_and_escapes_their_names(folder):
    page = render_run(read_run(RunFolder(folder)))
    assert "Slices (test, eval_test)" in page
    assert "Corruptions (test, eval_test)" in page
    assert "&lt;b&gt;bob" in page
    assert "<b>bob" not in page


def test_a_damaged_table_is_named_and_the_others_are_shown(folder):
    (folder / "eval_test" / "slices.csv").write_text("group,examples\nann,many\n")
    facts = read_run(RunFolder(folder))
    assert any(line.startswith("eval_test/slices.csv cannot be read") for line in facts.missing)
    assert any(one.title == "Corruptions (test, eval_test)" for one in facts.sections)
    (folder / "eval_test" / "evaluation.json").unlink()  # a folder that no evaluation wrote
    assert evaluation_sections(folder, None, []) == []
