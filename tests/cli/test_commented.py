"""The keys of a choice with their comments, as `--help` shows them."""

import pytest

from sensorium.cli import commented, configs
from sensorium.cli import help as help_pages
from sensorium.cli.arguments import check_choices
from sensorium.errors import RequestError

BLOCK = """# A block
_target_: ???
# Side in pixels,
# or null.
size: null
colors: [red,
  green]
fit: crop  # or pad
"""
INNER = """# Another
defaults: [_block, _self_]

steps:  # in order
  flip: true  # left and right
  turn: 0.1  # degrees
"""
CHOICE = """# A choice
defaults:
  - /task@_global_.task: classification
  - _inner  # with steps
  - _self_
  - override /augment@_global_.augment: none

_target_: mine.Data
root: null  # must be given
fit: pad  # never crop
steps:  # one differs
  turn: 0.5  # more of it
"""


@pytest.fixture
def choice(tmp_path, monkeypatch):
    (tmp_path / "configs" / "dataset").mkdir(parents=True)
    for name, text in {"_block": BLOCK, "_inner": INNER, "mine": CHOICE}.items():
        (tmp_path / "configs" / "dataset" / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "configs" / "dataset" / "mine.yaml"


def test_the_last_file_to_state_a_key_has_its_value_and_comment(choice):
    assert commented.lines_of("dataset", "mine") == [
        "root: null  # must be given",
        "fit: pad  # never crop",
        "steps:  # one differs",
        "  flip: true  # left and right",
        "  turn: 0.5  # more of it",
        "# Side in pixels,",
        "# or null.",
        "size: null",
        "colors: [red,",
        "  green]",
    ]


def test_help_shows_the_keys_of_what_is_chosen(choice):
    page = help_pages.verb("train", ["dataset=mine", "seed=1", "model.width=3"])
    assert "Keys of dataset=mine, each written dataset.KEY=VALUE:\n  root: null  # must be given\n" in page
    assert page.count("Keys of ") == 1
    assert "Keys of model=lenet, each written model.KEY=VALUE:\n  (none)\n" in help_pages.verb("train", ["model=lenet"])
    with pytest.raises(RequestError, match="Did you mean mine"):
        help_pages.verb("eval", ["dataset=mime"])
    with pytest.raises(RequestError, match="no dataset '_inner'"):
        help_pages.verb("train", ["dataset=_inner"])


def test_what_a_yaml_includes_has_to_be_there_once(choice):
    choice.write_text("# Round\ndefaults: [mine, _self_]\n")
    with pytest.raises(RequestError, match=r"dataset/mine.yaml includes itself: mine -> mine\."):
        commented.lines_of("dataset", "mine")
    choice.write_text("# Lost\ndefaults: [_blok, _self_]\n")
    with pytest.raises(RequestError, match="no dataset '_blok'"):
        commented.lines_of("dataset", "mine")


def test_blocks_are_no_choices(choice):
    assert {name for name in configs.options("dataset") if name.startswith("_")} == set()
    assert "mine" in configs.options("dataset")
    with pytest.raises(RequestError, match="no dataset '_inner'"):
        check_choices(["dataset=_inner"])
