"""sensorium report and its Python twin."""

import subprocess
import sys

import pytest

import sensorium
from command import run_command
from report_runs import write_run
from sensorium.api import Run
from sensorium.cli.report import with_runs, write
from sensorium.errors import RequestError


def test_a_run_folder_alone_is_a_run():
    assert with_runs(["runs/a b", "overwrite=true", "c"]) == ['runs=["runs/a b","c"]', "overwrite=true"]
    assert with_runs(["runs=[a,b]"]) == ["runs=[a,b]"]


def test_the_command(tmp_path):
    run = write_run(tmp_path / "runs" / "one")
    result = run_command(["report", "runs/one"], tmp_path)
    assert (result.status, result.stdout) == (0, "report: runs/one/report.html\n")
    assert (run.folder / "report.html").stat().st_size > 20_000
    wrong = run_command(["report", "runs/two"], tmp_path)
    assert wrong.status == 2
    assert "There is no run runs/two." in wrong.stderr


def test_it_imports_no_torch(tmp_path):
    write_run(tmp_path / "one")
    code = (
        "import sys; from sensorium.cli.main import main; status = main(['report', 'one']);"
        "print(status, 'torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False False"


def test_several_runs_and_the_python_api(tmp_path, monkeypatch):
    runs = [write_run(tmp_path / name) for name in "ab"]
    monkeypatch.chdir(tmp_path)
    assert Run(runs[0].folder).report() == runs[0].folder / "report.html"
    assert sensorium.report([run.folder for run in runs]).name == "comparison.html"
    with pytest.raises(RequestError, match=r"comparison.html already exists; overwrite=true"):
        sensorium.report([Run(runs[0].folder), str(runs[1].folder)])
    assert sensorium.report(runs[0].folder / "metrics.json") == runs[0].folder / "report.html"
    with pytest.raises(RequestError, match=r"3 is no run"):
        sensorium.report(3)


def test_what_is_no_run_or_would_be_lost_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"is no run folder: there is no"):
        write([tmp_path], output=None, overwrite=False)
    run = write_run(tmp_path / "one")
    (tmp_path / "notes.html").write_text("mine")
    with pytest.raises(RequestError, match=r"notes.html already exists"):
        write([run.folder], output=tmp_path / "notes.html", overwrite=False)
    assert (tmp_path / "notes.html").read_text() == "mine"
    (run.folder / "overrides.txt").touch()
    before = run.config.read_text()
    with pytest.raises(RequestError, match=r"is a file of a run"):
        write([run.folder], output=run.config, overwrite=True)
    assert run.config.read_text() == before
