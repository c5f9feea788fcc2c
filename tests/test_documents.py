"""The documents say what is true: commands marked `<!-- tested -->` run, answers that are quoted are given."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from command import run_command, write_program
from sensorium.cli import configs
from sensorium.tasks import registry

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
# Decisions are a record of their day: what they quote is not kept up to date.
PAGES = [
    REPOSITORY / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if DOCS / "decisions" not in page.parents),
]
TESTED = re.compile(r"<!-- tested -->\s*\n```bash\n(.*?)```", re.DOTALL)


def blocks(page: Path) -> list[str]:
    """The shell commands of a page that are marked as tested."""
    return TESTED.findall(page.read_text())


CASES = [pytest.param(block, id=f"{page.name}-{n}") for page in PAGES for n, block in enumerate(blocks(page))]


def test_the_readme_has_commands_that_are_tested():
    assert blocks(REPOSITORY / "README.md") != []


def test_every_task_has_a_page():
    """And every page is one of those that are checked here."""
    pages = {page.stem for page in PAGES if page.parent.name == "tasks"}
    assert pages == {name.partition("/")[0] for name in registry.TASKS}


def test_only_marked_blocks_are_taken(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\nrm x\n```\n<!-- tested -->\n\n```bash\na\nb\n```\ntext\n<!-- tested -->\n```bash\nc\n```\n"
    )
    assert blocks(page) == ["a\nb\n", "c\n"]


@pytest.mark.parametrize("block", CASES)
def test_a_tested_block_runs(block, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    write_program(programs / "sensorium")
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=work,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def quoted_answers() -> list[tuple[str, str]]:
    """Of every page, `$ sensorium ...` in a text block, with the lines that follow it."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```text\n(.*?)```", page.read_text(), re.DOTALL):
            found += re.findall(r"^\$ (sensorium .*)\n((?:(?!\$ ).*\n)+)", block, re.MULTILINE)
    return found


@pytest.mark.parametrize(("command", "answer"), quoted_answers())
def test_a_quoted_answer_is_given(command, answer, tmp_path):
    result = run_command(shlex.split(command)[1:], tmp_path)
    whole = result.stdout + result.stderr
    for line in answer.splitlines():  # "..." stands for what the page leaves out
        pattern = re.escape(line).replace(re.escape("..."), ".*")
        assert re.search(f"^{pattern}$", whole, re.MULTILINE), whole


def choices_in_the_manual() -> dict[str, set[str]]:
    """Of the tables of choices.md, the names in each group; in a row of two groups a semicolon parts them."""
    table = (REPOSITORY / "docs" / "choices.md").read_text()
    found: dict[str, set[str]] = {}
    for groups, choices in re.findall(r"^\| (`.*?) \| (.*) \|$", table, re.MULTILINE):
        names = re.findall("`([a-z]+)`", groups)
        for group, part in zip(names, choices.split(";") if len(names) > 1 else [choices], strict=True):
            found.setdefault(group, set()).update(re.findall(r"`(\w+)`", part))
    return found


@pytest.mark.parametrize("group", sorted(set(configs.groups()) - {"task", "experiment"}))
def test_the_manual_names_every_choice(group):
    """So a yaml that is lost is noticed. What adds a dataset or a model is noticed by its contract test instead."""
    named, there = choices_in_the_manual()[group], set(configs.options(group))
    assert named - there == set(), "named in docs/choices.md without a yaml"
    if group not in ("dataset", "model"):
        assert there - named - {"none"} == set(), "a yaml that docs/choices.md does not name"


def test_every_experiment_that_a_page_names_is_there():
    named = {name for page in PAGES for name in re.findall(r"experiment=(\w+)", page.read_text())}
    assert "digits_cnn" in named
    assert named - set(configs.options("experiment")) == set()


def test_the_changelog_keeps_the_form():
    lines = (REPOSITORY / "CHANGELOG.md").read_text().splitlines()
    assert lines[0] == "# Changelog"
    releases = [line for line in lines if line.startswith("## ")]
    dated = r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}"
    assert releases[0] == "## [Unreleased]" or re.fullmatch(dated, releases[0])
    assert all(re.fullmatch(dated, line) for line in releases[1:])
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert {"Added", "Changed", "Fixed"} <= kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_links_between_the_pages_lead_somewhere():
    links = [
        (page, target.partition("#")[0])
        for page in (*PAGES, REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "CHANGELOG.md")
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
        if not target.startswith(("http:", "https:", "mailto:", "#"))
    ]
    assert (REPOSITORY / "README.md", "docs/adding.md") in links
    assert [(page.name, target) for page, target in links if not (page.parent / target).exists()] == []
