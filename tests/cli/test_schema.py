"""Every key of every verb has a type and a range, and no value of a wrong type or an extreme one is a fault.

Nothing is trained here: a request ends at the check.
"""

import copy
import functools
import inspect
import itertools
import math
import operator
import re
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sensorium.annotations import is_number
from sensorium.cli import app, configs, main, request, schema, trainer_rules
from sensorium.cli.literal import literal
from sensorium.cli.rules import LARGEST, PATH, PATHS
from sensorium.cli.unknown_key import unknown_key
from sensorium.errors import RequestError

VERBS = ("train", "eval", "predict", "explain", "export", "serve", "report", "check", "list")
GIVEN = {
    "eval": ["ckpt=a.ckpt"],
    "predict": ["ckpt=a.ckpt", "input=a.png"],
    "explain": ["ckpt=a.ckpt", "input=a.png"],
    "export": ["ckpt=a.ckpt"],
    "train": ["callbacks=ema_early_stopping"],
    "serve": ["ckpt=a.ckpt"],
    "report": ["runs=a"],
    "check": [],
    "list": [],
}
OF_OTHERS = (  # keys that other members of a group have
    *("optimizer.momentum", "optimizer.alpha", "optimizer.adam_lr_ratio", "scheduler.start", "scheduler.peak_at"),
    *("scheduler.factor", "scheduler.gamma", "scheduler.patience", "scheduler.min_lr"),
)
UNSHOWN = ("api_key",)  # checked by cli/serve.py, in words that do not repeat it
KEYS = [(verb, key) for verb in VERBS for key in schema.RULES[verb] if key not in (*OF_OTHERS, *UNSHOWN)]
ODD = "\x00\n\t'\"[]{}()$,:=~+@\\ä漢🙂\u202e"
WORDS = st.text(alphabet=st.sampled_from(ODD + "abc019 .-_/"), max_size=12)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 1, 2**31, 2**63, 2**64, 10**31, -(10**31), 10**400, -(10**4000)]),
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e31, -0.0, 5e-324]),
    WORDS,
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2))


@functools.cache
def composed(verb: str) -> dict:
    return app.composed(verb, GIVEN[verb])


def changed(verb: str, key: str, value: object) -> dict:
    config = copy.deepcopy(composed(verb))
    section_of(config, key)[key.rpartition(".")[2]] = value
    return config


def section_of(config: dict, key: str) -> dict:
    return functools.reduce(operator.getitem, key.split(".")[:-1], config)


def outcome(verb: str, config: dict) -> str | None:
    """What a person is told; None for a config that can be."""
    try:
        app.check(verb, config)
    except RequestError as error:
        return str(error)
    return None


def test_every_key_that_a_verb_lists_has_a_rule():
    for verb in VERBS:
        primary = OmegaConf.to_container(OmegaConf.load(configs.FOLDER / f"{verb}.yaml"))
        primary = {key: value for key, value in primary.items() if key not in ("defaults", "hydra")}
        keys = [f"{key}.{name}" for key, value in primary.items() if isinstance(value, dict) for name in value]
        keys += [key for key, value in primary.items() if not isinstance(value, dict)]
        missing = set(keys) - set(schema.RULES[verb])
        assert missing == ({"dataset"} if verb == "eval" else set())  # eval's dataset= is the checkpoint's


def test_every_argument_of_the_trainer_has_a_rule_or_is_not_for_a_person():
    arguments = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
    ruled = {key.removeprefix("trainer.") for key in schema.RULES["train"] if key.startswith("trainer.")}
    assert ruled | set(trainer_rules.OWN_TRAINER_KEYS) | set(trainer_rules.UNREAD_TRAINER_KEYS) == arguments
    assert ruled.isdisjoint(trainer_rules.OWN_TRAINER_KEYS)


@pytest.mark.parametrize(("verb", "key"), KEYS, ids=[f"{verb}-{key}" for verb, key in KEYS])
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(value=VALUES)
def test_no_value_of_any_key_is_a_fault(verb, key, value):
    told = outcome(verb, changed(verb, key, value))
    if told is None:
        # What passes is of a kind that the key is for: a sound number, a word, nothing.
        flat = value if isinstance(value, list) else [value]
        assert not any(is_number(item) and abs(item) > LARGEST for item in flat)
        assert not any(isinstance(item, float) and math.isnan(item) for item in flat)
        assert not isinstance(value, dict) or "max_time" in key or "interval" in key
        return
    assert told.startswith(key)
    assert len(told.splitlines()) <= 3
    assert len(told) < 400


NEVER = [
    ([[None]], "a list in a list"),
    ({"a": 1}, "keys with values"),
    (math.nan, "not a number"),
    (10**5000, "a number of 5,000 digits"),
    (-(10**5000), "the same below 0"),
]


@pytest.mark.parametrize(("verb", "key"), KEYS, ids=[f"{verb}-{key}" for verb, key in KEYS])
def test_what_no_key_takes_is_refused_by_every_key(verb, key):
    assert [what for value, what in NEVER if outcome(verb, changed(verb, key, value)) is None] == []


BY_HAND = [
    ("train", "seed", [0, -1, 2**63 - 1], [2**63, 1.5, 1e31, "a", True, None]),
    ("train", "lr", [0.1, 1, "find"], [0, -1, 1e30, "fnd", math.inf, True, None]),
    ("train", "batch_size", [1, "auto", 2**31 - 1], [0, 2**31, 1.5, "", None]),
    ("train", "label_smoothing", [0, 0.5], [1, -0.1, "a", None]),
    ("train", "run_root", ["runs", "a b"], ["", 5, None, "a\0b", ["a"]]),
    ("train", "threads", ["auto", 1, 1024], [0, 1025, 99999999999, "all", None]),
    ("train", "test", [True, False], [0, 1, "true", None]),
    ("train", "class_weights", [None, "balanced"], ["blanced", True, 1]),
    ("train", "model.layer_lr_decay", [None, 1, 0.5], [0, 1.1, "a", True]),
    ("train", "trainer.max_epochs", [1, -1], [0, -2, 1.5, "many", None, True]),
    ("train", "trainer.devices", [1, "auto", -1, "2", [0, 1]], [0, -2, 1.5, "all", None, [], [-1], True]),
    ("train", "trainer.deterministic", [True, False, "warn", None], ["maybe", 1, "true"]),
    ("train", "trainer.limit_val_batches", [None, 0, 0.5, 1, 10], [-1, 1.5, "a", True]),
    ("train", "trainer.max_time", [None, "00:01:00:00", {"hours": 1}], ["soon", 5, {"ours": 1}, {}]),
    ("train", "decoding.word_score", [None, -2, 0.5], ["a", math.inf, True]),
    ("train", "optimizer.weight_decay", [0, 0.05], [-1, 1e30, "a", True]),
    ("train", "optimizer.betas", [[0.9, 0.999], [0, 0]], [[1, 0.9], [0.9], 0.9, None, [True, 0]]),
    ("train", "scheduler.final", [0, 1, 0.1], [-1, 2, "a", None]),
    ("train", "scheduler.warmup_epochs", [0, 0.5, 5], [-1, "a", None]),
    ("train", "callbacks.checkpoints.every_seconds", [None, 0, 60], [-1, "abc", True]),
    ("train", "callbacks.checkpoints.every_n_steps", [None, 1], [0, -1, 1.5, "abc"]),
    ("train", "callbacks.checkpoints.keep_epochs", [0, 5], [-1, None, "abc"]),
    ("train", "callbacks.early_stopping.patience", [0, 5], [-1, 1.5, "abc", None]),
    ("train", "callbacks.ema.decay", [0, 0.999], [1, 2, -1, "abc", None]),
    ("eval", "ckpt", ["a", ["a", "b"]], [None, 1, [], ["a", None], ""]),
    ("eval", "split", [None, "test", "all"], ["tset", 1]),
    ("predict", "input", [None, "a", ["a", "b"]], [1, [], {"a": "b"}]),
    ("predict", "top_p", [None, 0.5, 1], [0, 1.1, "a"]),
    ("list", "num_classes", [1, 1000], [0, 1.5, None, "ten"]),
]


@pytest.mark.parametrize(("verb", "key", "good", "bad"), BY_HAND, ids=[f"{row[0]}-{row[1]}" for row in BY_HAND])
def test_values_that_a_person_would_try(verb, key, good, bad):
    assert [value for value in good if outcome(verb, changed(verb, key, value)) is not None] == []
    assert [value for value in bad if outcome(verb, changed(verb, key, value)) is None] == []


def test_a_limit_is_said_only_to_those_who_pass_it():
    assert outcome("train", changed("train", "batch_size", 0)) == (
        "batch_size=0 is not possible. Allowed: a whole number from 1 or auto, find."
    )
    assert outcome("train", changed("train", "batch_size", 2**40)) == (
        "batch_size=1099511627776 is not possible. Allowed: a whole number from 1 to 2,147,483,647 or auto, find."
    )


@pytest.mark.parametrize(("verb", "key"), [(v, k) for v, k in KEYS if v == "train"], ids=lambda value: value)
def test_a_key_that_is_taken_away(verb, key):
    config = copy.deepcopy(composed(verb))
    present = section_of(config, key).pop(key.rpartition(".")[2], "absent") != "absent"
    told = outcome(verb, config)
    listed = key in app.needed_keys(verb)
    assert (told is not None) == (present and listed)
    if told:
        assert told == f"{key} was removed but is required. Omit ~{key}."


# -- the whole way from the command line


def typed(value: object) -> str:
    """A value as a person might type it, right or wrong by Hydra's grammar."""
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{typed(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, int) and value.bit_length() > 10000:
        return "9" * 5000
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


GROUPS = [("train", group) for group in configs.groups()] + [("train", "trainer"), ("train", "decoding")]
PARTS = [("train", key) for key in ("model.width", "model._target_", "optimizer.betas", "augment.transforms")]


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # an example takes a tenth of a second: no time to look for a shorter one
    suppress_health_check=list(HealthCheck),
)
@given(
    place=st.sampled_from(KEYS + 3 * GROUPS + 5 * PARTS),
    form=st.sampled_from(["{key}={value}"] * 5 + ["+{key}={value}", "++{key}={value}", "~{key}", "~{key}={value}"]),
    value=VALUES,
)
def test_no_command_is_a_fault(place, form, value, monkeypatch_module, capsys):
    verb, key = place
    argument = form.format(key=key, value=typed(value))
    status = main.main([verb, *GIVEN[verb], argument])
    told = capsys.readouterr().err
    assert status in (0, 2), (argument, told)
    assert "Traceback" not in told
    assert "fault in Sensorium" not in told
    assert (len(told.splitlines()) in (1, 2, 3)) == (status == 2), told


# Of every key of every verb, as typed. A key that names files takes any text for a name.
WRONG = (
    *("abc-def", "", "null", "-7", "1e30", "nan", "1.5", "true", "[1,[2]]", "{a: 1}"),
    *("9" * 25, "9" * 400, "a,b", "(", "'"),
)


@functools.cache
def asked(argument: str) -> object:
    """A value as Hydra's grammar reads it."""
    (item,) = OverridesParser.create().parse_overrides(literal([argument]))
    return item.value() if not item.is_sweep_override() else "a,b"


def test_wrong_values_of_every_key_are_answered():
    """Over a thousand, each checked as a command is, but for the time that composing takes."""
    refused, faults = 0, []
    for verb, key in KEYS:
        config, path = changed(verb, key, None), schema.RULES[verb][key].allows in (PATH.allows, PATHS.allows)
        for value in WRONG:
            section_of(config, key)[key.rpartition(".")[2]] = asked(f"{'run_root' if path else 'seed'}={value}")
            told = outcome(verb, config)
            refused += told is not None
            if told is not None and not (told.startswith(key) and len(told.splitlines()) <= 4 and len(told) < 600):
                faults.append((verb, key, value, told))
            senseless = (value in ("{a: 1}", "nan") and not path) or value in ("[1,[2]]", "9" * 400)
            if told is None and senseless:
                faults.append((verb, key, value, "accepted"))
    assert faults == []
    assert refused > 1000


def test_misspelled_keys_are_answered_with_the_key_that_is_meant():
    for verb in VERBS:
        known = [*app._flatten(composed(verb)), *(configs.groups() if verb == "train" else ())]
        for key in set(known) & set(schema.RULES[verb]):
            told = str(app.unknown_key(f"{key}z", verb, known))
            assert told.startswith(f"There is no key '{key}z'. Did you mean {key}?")
            assert len(told.splitlines()) == 2


def test_wrong_commands_are_answered(monkeypatch_module, capsys):
    """The whole way of a command, which takes a third of a second: of each verb some."""
    turn = itertools.cycle(("{a:1}", "abc-def", "[1,[2]]", "nan", "9" * 400))
    numbers = [(verb, key) for verb, key in KEYS if outcome(verb, changed(verb, key, "some text")) is not None]
    commands = [[verb, *GIVEN[verb], f"{key}={next(turn)}"] for verb, key in numbers[::15]]
    commands += [[verb, *GIVEN[verb], f"{key}z=1"] for verb, key in KEYS[::40]]
    commands += [["train", f"{group}=5"] for group in configs.groups()[::4]]
    unanswered = []
    for command in commands:
        status = main.main(command)
        told = capsys.readouterr().err
        if status != 2 or not 1 <= len(told.splitlines()) <= 4 or "Traceback" in told or "fault in" in told:
            unanswered.append((" ".join(command)[:200], status, told[:300]))
    assert unanswered == []
    assert len(commands) > 12


@pytest.mark.parametrize("key", OF_OTHERS)
def test_keys_of_other_optimizers_and_schedulers(key):
    for value in (-1, "abc", None, [1], math.nan):
        with pytest.raises(RequestError, match=re.escape(key)):
            schema.check("train", {key.partition(".")[0]: {key.partition(".")[2]: value}})


@pytest.fixture(scope="module")
def monkeypatch_module(tmp_path_factory):
    """Verbs that end where their work would begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        for verb in VERBS:
            stub = SimpleNamespace(run=lambda rest, verb=verb: int(request.answer(verb, rest)))
            patch.setitem(__import__("sys").modules, f"stub_{verb}", stub)
            patch.setitem(main.VERBS, verb, f"stub_{verb}")
        yield


@pytest.mark.parametrize("value", [[4095, 0], [1, 1], [0], [0, 1, 2], 4095, "all", [0, True], [0, float("inf")]])
def test_a_range_of_pixels_is_two_numbers_the_smaller_first(value):
    with pytest.raises(RequestError, match=r"pixel_range=.*\[low,high\]"):
        schema.check("predict", {"pixel_range": value})
    schema.check("predict", {"pixel_range": None})
    schema.check("predict", {"pixel_range": [-0.5, 4095]})


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("epochs", "trainer.max_epochs"),
        ("learning_rate", "lr"),
        ("optimizer.learning_rate", "optimizer.lr"),
        ("batchsize", "batch_size"),
        ("model.drop", "model.dropout"),
    ],
)
def test_a_key_as_other_tools_call_it(key, meant):
    assert f"Did you mean {meant}?" in str(unknown_key(key, "train", app.keys_of("train", [])))


def test_a_section_without_such_a_key_lists_what_it_has():
    answer = str(unknown_key("dataset.root", "train", app.keys_of("train", [])))
    assert answer.startswith("There is no key 'dataset.root'.\ndataset has: ")


def test_a_crash_is_reported_in_the_words_that_these_tests_look_for(monkeypatch, capsys):
    def crash(arguments):
        raise KeyError("width")

    monkeypatch.setattr(main, "_run", crash)
    assert main.main(["train"]) == 1
    assert capsys.readouterr().err == (
        "sensorium: unexpected KeyError: 'width'\nThis is a fault in Sensorium; debug=true shows where.\n"
    )
