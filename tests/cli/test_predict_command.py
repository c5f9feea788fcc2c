"""sensorium predict: every way to name images, every format, and what cannot be read."""

import csv
import io
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import run_command
from images import write_picture_folder


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A perceptron that tells three classes apart, `best.ckpt`, and new images to show it: `new/class_N/000.png`."""
    root = tmp_path_factory.mktemp("predict")
    write_picture_folder(root / "photos", classes=3, per_class=20, size=8)
    arguments = ["dataset=image_folder", "dataset.root=photos", "model=perceptron", "trainer.max_epochs=6", "lr=0.03"]
    result = run_command(["train", *arguments, "augment=none", "batch_size=16", "test=false"], root)
    assert (result.status, result.stderr) == (0, "")
    (checkpoint,) = root.rglob("best.ckpt")
    shutil.copy(checkpoint, root / "best.ckpt")
    shutil.rmtree(root / "photos")
    write_picture_folder(root / "new", classes=3, per_class=4, size=12)
    return root


def answers(home: Path, given: str, *more: str, stdin: str | None = None) -> list[dict]:
    """What `sensorium predict input=GIVEN format=jsonl` prints."""
    result = run_command(["predict", "ckpt=best.ckpt", f"input={given}", "format=jsonl", *more], home, stdin=stdin)
    assert (result.status, result.stderr) == (0, ""), result
    return [json.loads(line) for line in result.stdout.splitlines()]


def names(found: list[dict]) -> list[str]:
    return [answer["input"] for answer in found]


def test_every_way_to_name_pictures(home):
    everything = [f"new/class_{label}/{i:03d}.png" for label in range(3) for i in range(4)]
    assert names(answers(home, "new/class_1/002.png")) == ["new/class_1/002.png"]
    assert names(answers(home, "new")) == everything
    assert names(answers(home, "new/*/00[01].png")) == [
        f"new/class_{label}/00{i}.png" for label in range(3) for i in (0, 1)
    ]
    assert names(answers(home, "new/**/003.png")) == [f"new/class_{label}/003.png" for label in range(3)]
    assert names(answers(home, "[new/class_2/001.png,new/class_0]")) == ["new/class_2/001.png", *everything[:4]]
    assert names(answers(home, "-", stdin="new/class_2/000.png\n\nnew/class_0/000.png\n")) == [
        "new/class_2/000.png",
        "new/class_0/000.png",
    ]
    assert names(answers(home, str(home / "new" / "class_0" / "000.png"))) == [str(home / "new/class_0/000.png")]


def test_file_names_that_are_unusual(home):
    folder = home / "odd names"
    folder.mkdir()
    odd = ["a b.png", "x=1,2.png", "it's.png", "[1].png", "ä€.png"]
    for name in odd:
        shutil.copy(home / "new" / "class_0" / "000.png", folder / name)
    assert sorted(Path(name).name for name in names(answers(home, "odd names"))) == sorted(odd)
    for name in odd:
        quoted = f"'odd names/{name}'" if "'" not in name else f'"odd names/{name}"'
        assert names(answers(home, quoted)) == [f"odd names/{name}"]


def test_classes_and_probabilities(home):
    found = answers(home, "new")
    for answer in found:
        shown = [entry["class"] for entry in answer["classes"]]
        values = [entry["probability"] for entry in answer["classes"]]
        assert shown[0] == Path(answer["input"]).parent.name
        assert sorted(shown) == ["class_0", "class_1", "class_2"]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-5)
    assert [len(answer["classes"]) for answer in answers(home, "new/class_0", "top_k=2")] == [2] * 4
    alone = [answers(home, name)[0] for name in names(found)]
    in_threes = answers(home, "new", "batch_size=3")
    for other in (alone, in_threes):
        assert [a["classes"][0]["class"] for a in other] == [a["classes"][0]["class"] for a in found]
        assert [a["classes"][0]["probability"] for a in other] == pytest.approx(
            [a["classes"][0]["probability"] for a in found], abs=1e-6
        )


def test_predict_agrees_with_eval(home):
    evaluation = ["eval", "ckpt=best.ckpt", "dataset.root=new", "folder=evaluated"]
    assert run_command(evaluation, home).status == 0
    rows = {row["name"]: row for row in csv.DictReader((home / "evaluated" / "predictions.csv").open())}
    for answer in answers(home, "new"):
        row, best = rows[answer["input"]], answer["classes"][0]
        assert (row["prediction"], float(row["confidence"])) == (
            best["class"],
            pytest.approx(best["probability"], abs=1e-5),
        )


def test_table_and_csv_say_what_json_says(home):
    found = answers(home, "new", "top_k=2")
    table = run_command(["predict", "ckpt=best.ckpt", "input=new", "top_k=2"], home).stdout.splitlines()
    assert table[0].split() == ["input", "class", "probability", "next"]
    for line, answer in zip(table[1:], found, strict=True):
        first, second = answer["classes"]
        assert line.split() == [
            answer["input"],
            first["class"],
            f"{first['probability']:.4f}",
            second["class"],
            f"{second['probability']:.3f}",
        ]
    text = run_command(["predict", "ckpt=best.ckpt", "input=new", "top_k=2", "format=csv"], home).stdout
    for row, answer in zip(csv.DictReader(io.StringIO(text)), found, strict=True):
        assert row["input"] == answer["input"]
        for place, entry in enumerate(answer["classes"], start=1):
            assert (row[f"class_{place}"], float(row[f"probability_{place}"])) == tuple(entry.values())


@pytest.mark.parametrize("kind", ["table", "csv", "json", "jsonl"])
def test_output_into_a_file(kind, home, tmp_path):
    arguments = ["predict", "ckpt=best.ckpt", "input=new", f"format={kind}"]
    printed = run_command(arguments, home)
    target = tmp_path / "a" / ("answers" if kind == "table" else f"answers.{kind}")
    result = run_command([*arguments, f"output={target}"], home)
    assert (result.status, result.stdout) == (0, "")
    assert result.stderr == f"12 predictions written to {target}\n"
    if kind == "table":
        assert len(target.read_text().splitlines()) == 12
    else:
        assert target.read_text() == printed.stdout
    if kind == "json":
        assert [one["input"] for one in json.loads(printed.stdout)] == names(answers(home, "new"))


@pytest.mark.parametrize("kind", ["table", "csv", "json", "jsonl"])
def test_what_cannot_be_read_is_reported_and_the_rest_answered(kind, home):
    bad = home / "bad"
    if not bad.exists():
        write_picture_folder(bad, classes=1, per_class=2, size=8)
        (bad / "text.png").write_text("not an image")
        (bad / "void.png").touch()
    stdin = "bad/class_0/000.png\nbad/text.png\nbad/lost.png\nbad/void.png\nbad/class_0/001.png\n"
    arguments = ["predict", "ckpt=best.ckpt", "input=-", f"format={kind}"]
    result = run_command(arguments, home, stdin=stdin)
    assert result.status == 1
    told = result.stderr.splitlines()
    assert len(told) == 3
    for line, name in zip(told, ("text", "lost", "void"), strict=True):
        assert line.startswith(f"sensorium: bad/{name}.png: ")
    lines = result.stdout.splitlines()
    if kind.startswith("json"):
        records = json.loads(result.stdout) if kind == "json" else list(map(json.loads, lines))
        assert names(records) == stdin.split()
        assert ["error" in record for record in records] == [False, True, True, True, False]
        assert [len(record["classes"]) for record in records] == [3, 0, 0, 0, 3]
    else:
        answered = [line for line in lines[1:] if "class_0/00" in line]
        assert len(answered) == 2
        assert len(lines) == (6 if kind == "csv" else 3)


def test_nothing_on_standard_input_is_no_error(home):
    for kind, expected in (("jsonl", ""), ("json", "[]\n")):
        result = run_command(["predict", "ckpt=best.ckpt", "input=-", f"format={kind}"], home, stdin="")
        assert (result.status, result.stdout, result.stderr) == (0, expected, "")


def test_a_reader_that_goes_away_is_no_error(home):
    command = f"{shlex.quote(sys.executable)} -m sensorium predict ckpt=best.ckpt input=- format=jsonl batch_size=8"
    script = f"yes new/class_0/000.png | head -2000 | {command} | head -1; echo ${{PIPESTATUS[2]}}"
    done = subprocess.run(["bash", "-c", script], cwd=home, capture_output=True, text=True, check=True)
    answer, status = done.stdout.splitlines()
    assert json.loads(answer)["input"] == "new/class_0/000.png"
    assert (status, done.stderr) == ("0", "")
