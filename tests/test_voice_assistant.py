"""The example voice_assistant: numbers, when it answers, its data; trained and measured in little in the slow test."""

import csv
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from command import run_command

EXAMPLE = Path(__file__).parents[1] / "examples" / "voice_assistant"
RATE = 1000
CHUNK = np.zeros(50, np.float32)  # 0.05 s


@pytest.fixture(scope="module", autouse=True)
def example():
    sys.path.insert(0, str(EXAMPLE))
    yield
    sys.path.remove(str(EXAMPLE))
    for name in ("assistant", "phrases", "make_data", "measure"):
        sys.modules.pop(name, None)


def test_it_is_small():
    assert len((EXAMPLE / "assistant.py").read_text().splitlines()) < 150


# -- numbers


def test_the_first_number_of_a_text_is_found():
    from assistant import number_in
    from phrases import in_words

    assert in_words(21) == "twenty one"
    assert [number_in(f"set a timer for {in_words(number)} minutes") for number in range(100)] == list(range(100))
    assert number_in("set a timer for seven minutes and eight seconds") == 7
    assert number_in("turn off the lights in the kitchen") is None


def test_a_number_with_a_wrong_letter_is_found():
    from assistant import number_in

    assert [number_in(text) for text in ("timer for fhirty eight hours", "wake me at thre", "tseventy one")] == [
        38,
        3,
        71,
    ]
    # "for" is a word of commands, and not "four" with a letter missing.
    assert number_in("set a timer for") is None


# -- when it answers


class Spotter:
    """Detects the wake word in samples that are 1."""

    sample_rate = RATE

    def push(self, samples):
        return [{"command": "computer"}] if samples.any() else []


def speech(script):
    """A model whose transcript has grown to script[n] after n pushes."""

    def live():
        texts, state = iter(script), {"text": ""}

        def push(samples):
            text = next(texts, state["text"])
            changed, state["text"] = text != state["text"], text
            return [{"text": text}] if changed else []

        return SimpleNamespace(sample_rate=RATE, push=push)

    return SimpleNamespace(live=live)


def predict(texts, *, top_k):
    labels = {"set a timer for seven minutes": "set_timer", "set a timer": "set_timer", "hello": "none"}
    return [SimpleNamespace(classes=[(labels.get(text, "incomplete"), 0.75)]) for text in texts]


def assistant_of(script):
    from assistant import Assistant

    return Assistant(
        SimpleNamespace(live=lambda *, threshold: Spotter()), speech(script), SimpleNamespace(predict=predict)
    )


def answers(assistant, pushes):
    """(number of the push, the command) for each answer; the wake word comes with the first push."""
    assistant.push(CHUNK + 1)
    return [(push, found) for push in range(pushes) if (found := assistant.push(CHUNK)) is not None]


def test_a_complete_command_is_answered_after_a_short_pause():
    from assistant import PAUSE, Command

    said = "set a timer for seven minutes"
    assistant = assistant_of(["", "", "set", said])
    # The first text comes with the samples before the wake word; the whole command is there at push 2.
    ((push, found),) = answers(assistant, 100)
    assert push == 2 + round(PAUSE / 0.05)
    assert found == Command("set_timer", 7, said, 0.75, seconds=round(0.05 * (push + 2), 2))


def test_a_command_without_its_number_is_waited_for_longer():
    from assistant import PATIENCE

    ((push, found),) = answers(assistant_of(["", "", "set a timer"]), 100)
    assert (push, found.intent, found.number) == (1 + round(PATIENCE / 0.05), "set_timer", None)


@pytest.mark.parametrize("script", [["", "set"], ["", "hello"], [""]])
def test_nothing_is_answered_to_what_is_no_command(script):
    assistant = assistant_of(script)
    assert answers(assistant, 200) == []
    assert assistant.woken == 1


def test_after_an_unfinished_command_it_waits_for_the_wake_word_again():
    from assistant import PATIENCE

    said = "set a timer for seven minutes"
    pauses = round(PATIENCE / 0.05)
    assert [push for push, _ in answers(assistant_of(["set"] * (pauses - 1) + [said]), 100)]
    assert answers(assistant_of(["set"] * (pauses + 2) + [said]), 100) == []


def test_each_wake_word_begins_a_new_command():
    assistant = assistant_of(["", "set a timer for seven minutes"])
    assert [len(answers(assistant, 20)) for _ in range(3)] == [1, 1, 1]
    assert assistant.woken == 3


# -- its data


def test_every_command_has_the_number_that_it_names():
    from assistant import number_in
    from phrases import INTENTS, command

    random = np.random.default_rng(0)
    for intent in INTENTS:
        for _ in range(50):
            text, number = command(random, intent)
            assert number_in(text) == number
            assert re.fullmatch("[a-z' ]+", text)


def test_intents_have_one_label_a_text_and_the_test_speaks_of_other_things():
    from phrases import INTENTS, command, intent_table, other

    rows = intent_table(np.random.default_rng(0), each=40)
    labels = dict(rows)
    assert len(labels) == len(rows) == 40 * (len(INTENTS) + 6)
    assert {label: [its for _, its in rows].count(label) for label in ("time", "incomplete")} == {
        "time": 40,
        "incomplete": 120,
    }
    assert labels["what time is it"] == "time"
    random = np.random.default_rng(1)
    assert {labels.get(command(random, "stop")[0], "stop") for _ in range(50)} == {"stop"}
    common = {word for _ in range(300) for word in other(random, "train").split()}
    common &= {word for _ in range(300) for word in other(random, "test").split()}
    assert {"neighbor", "borrowed", "rusty"}.isdisjoint(common)
    assert "the" in common


@pytest.mark.skipif(find_spec("espeakng_loader") is None, reason="needs eSpeak NG (pip install 'sensorium[audio]')")
def test_windows_are_around_the_wake_word_and_voices_are_apart(tmp_path, monkeypatch):
    import make_data
    import soundfile

    monkeypatch.setattr(make_data, "SCENES", {"train": 6, "val": 3, "test": 3})
    make_data.make_training(tmp_path, share=1.0)
    wake, said = (list(csv.DictReader((tmp_path / f"{name}.csv").open())) for name in ("wake", "speech"))
    voices = {
        split: {row["speaker"].split("+")[1] for row in wake if row["split"] == split} for split in ("train", "test")
    }
    assert voices["train"].isdisjoint(voices["test"])
    assert sum(row["label"] == "computer" for row in wake) == len(said) == 12
    for row in wake:
        assert float(row["end"]) - float(row["start"]) == pytest.approx(make_data.WINDOW, abs=2e-3)
    for row in (*wake, *said):
        assert 0 <= float(row["start"]) < float(row["end"]) <= soundfile.info(tmp_path / row["audio"]).duration
    assert {row["audio"] for row in said} == {
        f"{split}/{n:04}.flac" for split, count in make_data.SCENES.items() for n in range(count)
    }


def test_the_wake_word_is_whole_in_its_windows_and_in_no_others():
    from make_data import RATE, Scene, _wake_windows

    scene = Scene()
    scene.pause(1.0)
    for seconds in (2.0, 0.5, 1.5):  # other speech, the wake word, a command
        scene.say(np.ones(round(seconds * RATE), np.float32))
        scene.pause(0.5)
    assert scene.times[1] == (3.5, 4.0)
    ends = {"computer": [], "unknown": []}
    for seed in range(200):
        for start, end, label in _wake_windows(scene, np.random.default_rng(seed)):
            assert float(end) - float(start) == pytest.approx(1.0, abs=2e-3)
            ends[label].append(float(end))
    assert len(ends["computer"]) == 200
    assert all(4.0 <= end <= 4.3 for end in ends["computer"])
    # The rest ends before the word is over, or begins after its first part.
    assert all(end <= 3.5 + 0.65 * 0.5 or end >= 4.7 for end in ends["unknown"])


def test_a_scene_puts_parts_at_their_times_in_noise():
    from make_data import RATE, Scene

    scene = Scene()
    scene.pause(0.5)
    scene.say(np.full(RATE, 0.5, np.float32))
    scene.pause(0.25)
    assert (scene.seconds, scene.times) == (1.75, [(0.5, 1.5)])
    samples = scene.recorded(np.random.default_rng(0))
    power = [np.mean(piece**2) for piece in np.split(samples, [RATE // 2, RATE * 3 // 2])]
    assert 10 < 10 * np.log10(power[1] / power[0]) < 31


# -- whole


@pytest.mark.slow
@pytest.mark.skipif(find_spec("espeakng_loader") is None, reason="needs eSpeak NG (pip install 'sensorium[audio]')")
def test_the_commands_of_the_readme_run(tmp_path):
    text = (EXAMPLE / "README.md").read_text()
    commands = [
        line
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        for line in block.replace("\\\n", "").splitlines()
    ]
    trained = [shlex.split(line)[1:] for line in commands if line.startswith("sensorium train")]
    assert len(trained) == 3
    scripts = [shlex.split(line)[1:] for line in commands if line.startswith("python")]
    assert [script[0] for script in scripts] == ["make_data.py", "measure.py", "assistant.py"]
    python(tmp_path, *scripts[0], "--share", "0.01")
    for arguments in trained:
        result = run_command([*arguments, "trainer.max_epochs=1", "threads=1", "accelerator=cpu"], tmp_path)
        assert result.status == 0, result.stderr
    measured = python(tmp_path, *scripts[1])
    assert re.search(r"^commands 10: woken [\d.]+%", measured, re.MULTILINE)
    assert re.search(r"^other speech 1 minutes: \d+ false wakes", measured, re.MULTILINE)
    assert python(tmp_path, "assistant.py", "data/commands/0000.flac").count("\n") <= 1


def python(folder, script, *arguments):
    command = [sys.executable, str(EXAMPLE / script), *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout
