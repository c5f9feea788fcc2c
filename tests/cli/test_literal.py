"""Names of files and texts reach the config as they were typed; what is Hydra's grammar stays Hydra's."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sensorium.cli import app
from sensorium.cli.literal import literal, quoted, typed_path
from sensorium.cli.request import own_arguments

NAMES = [
    "it's.wav",
    "talk (1).wav",
    "a, b.csv",
    "two  blanks.wav",
    " before and after ",
    "a=b.csv",
    "$HOME.csv",
    "me@home.wav",
    "日本語 é.wav",
    "-x.wav",
    "~x.wav",
    "[1] song.wav",
    "{a}.wav",
    'say "x".wav',
    "'quoted",
    "back\\slash's.wav",
    "#1: 100 %!.wav",
    "1e3",
    "a:b;c|d&e<f>?*.wav",
]


def values(verb: str, *arguments: str) -> dict:
    return app.composed(verb, own_arguments(verb, list(arguments)))


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_what_was_typed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = values("predict", f"ckpt={name}", f"input={name}", f"output={name}", f"decoding.lexicon={name}")
    assert [found["ckpt"], found["input"], found["output"], found["decoding"]["lexicon"]] == [name] * 4
    assert values("eval", f"ckpt=x{name}x", f"compare={name}")["compare"] == name
    assert str(typed_path(name)) == name  # resume=
    assert typed_path(quoted(name)) == Path(name)


def test_the_keys_of_a_training_that_name_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "it's (1), a=$b.x"
    keys = ("run_root", "model.init", "model.vectors", "decoding.language_model", "dataset.path", "dataset.text_column")
    found = values("train", "dataset=text_csv", *(f"{key}={name}" for key in keys))
    assert {key: OmegaConf.select(OmegaConf.create(found), key) for key in keys} == dict.fromkeys(keys, name)
    # An own config is found, and a run goes on, in a folder of any name.
    assert app.override(found, [f"dataset.path={name}"])["dataset"]["path"] == name
    home = tmp_path / "it's"
    (home / "configs" / "dataset").mkdir(parents=True)
    (home / "configs" / "dataset" / "mine.yaml").write_text("# Mine\n_target_: a.B\nroot: null\n")
    monkeypatch.chdir(home)
    assert values("train", "dataset=mine", "dataset.root=a, b")["dataset"] == {"_target_": "a.B", "root": "a, b"}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("input=[a.wav,b.wav]", ["a.wav", "b.wav"]),
        ("input=[it's.wav, 'c, d.wav']", ["it's.wav", "c, d.wav"]),
        ("input=['it\\'s.wav','b.wav']", ["it's.wav", "b.wav"]),
        ("input='a b.wav'", "a b.wav"),
        ('input="a b.wav"', "a b.wav"),
        ("input=null", None),
        ("output=${input}.json", "x.json"),
        ("input=photos/*.png", "photos/*.png"),
        ("input=~/a b", str(Path("~/a b").expanduser())),
        ("column=0", 0),
        ("column=text (en)", "text (en)"),
        ("encoding=a(b", "a(b"),
    ],
)
def test_what_is_hydras_stays_hydras(
    argument: str, expected: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = values("predict", "ckpt=a.ckpt", *(["input=x"] if argument.startswith("output") else []), argument)
    assert found[argument.partition("=")[0]] == expected


def test_commas_of_a_sweep_and_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert literal(["-m", "dataset.path=a.csv,it's.csv"]) == ["-m", "dataset.path='a.csv','it\\'s.csv'"]
    assert literal(["dataset.path=a.csv,b.csv"]) == ["dataset.path='a.csv,b.csv'"]
    assert literal(["-m", "dataset.path=choice(a.csv,b.csv)"]) == ["-m", "dataset.path=choice(a.csv,b.csv)"]
    assert literal(["-m", "seed=1,2", "dataset.train=200"]) == ["-m", "seed=1,2", "dataset.train=200"]
    Path("a.csv,b.csv").touch()
    assert literal(["-m", "dataset.path=a.csv,b.csv"]) == ["-m", "dataset.path='a.csv,b.csv'"]
    assert own_arguments("eval", ["ckpt=a,b"]) == ["ckpt=[a,b]"]
    assert own_arguments("eval", ["ckpt=a.csv,b.csv"]) == ["ckpt=a.csv,b.csv"]


ODD = st.text(st.sampled_from("ab '\"\\${}[](),:=~@#é\n"), max_size=12)


@settings(max_examples=300, deadline=None)
@given(ODD)
@example("\\\n")  # a line feed behind the last backslash
def test_a_quoted_text_comes_back(text: str) -> None:
    (item,) = OverridesParser.create().parse_overrides([f"key={quoted(text)}"])
    assert OmegaConf.to_container(OmegaConf.create({"key": item.value()}), resolve=True) == {"key": text}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["input", "dataset.path", "seed", "lr"]), ODD)
def test_twice_is_as_once(key: str, text: str) -> None:
    once = literal([f"{key}={text}"])
    assert literal(once) == once
