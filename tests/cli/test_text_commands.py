"""Texts on the command line, from training to prediction: the real command, on small data made on the spot."""

import csv
import json
import re
from pathlib import Path

import pytest

from command import run_command

pytest.importorskip("sacrebleu")
SHORT = ["threads=1", "accelerator=cpu", "workers=0", "explanation=none"]
NARROW = ["model.embedding_size=16", "model.hidden_size=16"]
WORDS = {"good": "fine lovely great", "bad": "poor dull awful"}


def trained(folder: Path, *arguments: str) -> Path:
    result = run_command(["train", *SHORT, *arguments], folder)
    assert (result.status, result.stderr) == (0, ""), result.stderr
    (folder / "stdout.txt").write_text(result.stdout)
    (run,) = folder.glob("runs/*/*")
    return run


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 300 short reviews, some odd: emoji, Chinese, quotes, line ends inside, one of 100,000 characters."""
    folder = tmp_path_factory.mktemp("reviews")
    with (folder / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([" text ", "label"])
        for number in range(300):
            label = ("good", "bad")[number % 2]
            extra = ("😀", "很好", 'a "quote", with commas', "two\nlines", "plain")[number % 5]
            word = WORDS[label].split()[number % 3]
            writer.writerow([f"film {number} was {word} {extra}", label])
        writer.writerow(["great " * 16_000, "good"])
    trained(
        folder, "dataset=text_csv", "dataset.path=reviews.csv", "dataset.max_length=50", *NARROW,
        "trainer.max_epochs=8", "optimizer.lr=0.02", "batch_tokens=500",
    )  # fmt: skip
    return folder


def test_the_run_says_what_was_cut_and_how_much_is_padding(reviews: Path) -> None:
    told = (reviews / "stdout.txt").read_text()
    assert "truncated to 50 tokens (dataset.max_length)" in told
    assert "padding: " in told
    assert "lstm_classifier: " in told
    assert 'text="..."' in told


def test_a_text_that_is_cut_is_counted(reviews: Path) -> None:
    (run,) = reviews.glob("runs/*/*")
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "format=jsonl"]
    result = run_command([*command, "text=" + "great " * 51], reviews)
    assert result.stderr == "truncated to 50 tokens (dataset.max_length): 1 text\n"
    assert run_command([*command, "text=" + "great " * 50], reviews).stderr == ""


BLANK = "without any text: 1 input; predictions for them mean nothing\n"


def test_a_text_a_file_and_standard_input_give_the_same(reviews: Path) -> None:
    (run,) = reviews.glob("runs/*/*")
    texts = ["a lovely film", "awful and dull", "", "😀 很好 \u202e"]
    (reviews / "new.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "format=jsonl"]
    from_file = run_command([*command, "input=new.txt"], reviews)
    assert (from_file.status, from_file.stderr) == (0, BLANK)
    answers = [json.loads(line) for line in from_file.stdout.splitlines()]
    assert [answer["input"] for answer in answers] == texts
    assert [answer["classes"][0]["class"] for answer in answers[:2]] == ["good", "bad"]
    alone = json.loads(run_command([*command, "text=a lovely film"], reviews).stdout)
    for one, other in zip(alone["classes"], answers[0]["classes"], strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_a_table_is_answered_row_by_row_and_written_to_be_read(reviews: Path) -> None:
    """From the column of the training; a bad row has its error, the others their class; every text comes back."""
    (run,) = reviews.glob("runs/*/*")
    texts = ["a lovely film", "=1+1 was awful\rand dull", "great \x1b[31mfilm"]
    with (reviews / "new.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("id", "text"), *enumerate(texts)])
        file.write("7\n")
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "input=new.csv"]
    result = run_command([*command, "output=answers.csv"], reviews)
    assert (result.status, result.stderr.splitlines()) == (
        1,
        [
            "sensorium: new.csv:6: 1 cells where the first line has 2",  # the return ends a line for readers of files
            "answers.csv: 1 cell begins like a formula ('=1+1 was awful\\rand dull'); in a spreadsheet, import the"
            " columns as text",
            "3 predictions written to answers.csv",
            "unknown to the model: 13 of 20 tokens; predictions are unreliable",
        ],
    )
    with (reviews / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == [*texts, "new.csv:6"]
    assert [row["class_1"] for row in rows] == ["good", "bad", "good", ""]
    shown = run_command([*command, "column=id"], reviews).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["input", "0", "1", "2"]
    assert r"\x1b[31mfilm" in run_command(command, reviews).stdout
    refused = run_command([*command, "column=review"], reviews)
    assert (refused.status, refused.stdout) == (2, "")


def test_a_file_in_another_encoding_is_refused_or_read_as_told(reviews: Path) -> None:
    (run,) = reviews.glob("runs/*/*")
    (reviews / "latin1.txt").write_bytes("a lovely café\n".encode("latin-1"))
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "format=jsonl", "input=latin1.txt"]
    result = run_command(command, reviews)
    assert (result.status, result.stdout) == (2, "")
    assert result.stderr == (
        "sensorium: latin1.txt:1: not UTF-8 (byte 0xe9); if it is in another encoding,"
        " encoding=NAME says so (latin-1 ...).\n"
    )
    result = run_command([*command, "encoding=latin-1"], reviews)
    assert json.loads(result.stdout)["input"] == "a lovely café"


@pytest.mark.parametrize(
    "text", ["a ${b} c", "${now:%Y}", "back\\slash \\", 'he said "no"', "[x, {y: 1}", "", "null", "12"]
)
def test_a_text_is_taken_as_it_is(reviews: Path, text: str) -> None:
    (run,) = reviews.glob("runs/*/*")
    result = run_command(["predict", f"ckpt={run}", "accelerator=cpu", "format=jsonl", f"text={text}"], reviews)
    assert result.status == 0, result.stderr
    # Tokens that no review has are noted, and so is a text without any; nothing else is.
    unknown = r"(unknown to the model: \d+ of \d+ tokens?; predictions are unreliable\n)?"
    assert re.fullmatch(unknown if text else re.escape(BLANK), result.stderr)
    assert json.loads(result.stdout)["input"] == text


def test_eval_finds_what_training_found_and_lists_the_worst(reviews: Path) -> None:
    (run,) = reviews.glob("runs/*/*")
    result = run_command(["eval", f"ckpt={run}", "accelerator=cpu", "format=json", "bootstrap=20"], reviews)
    assert result.status == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["test/accuracy"] > 0.9
    for key, value in json.loads((run / "metrics.json").read_text()).items():
        assert key.startswith("val/") or found[key] == value  # calibration is measured on validation examples
    with (run / "eval_test" / "worst.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == ["index", "label", "prediction", "confidence", "count", "text"]


def test_texts_that_are_cut_are_counted(reviews: Path) -> None:
    (run,) = reviews.glob("runs/*/*")
    result = run_command(["eval", f"ckpt={run}", "accelerator=cpu", "split=all", "folder=cut"], reviews)
    assert (result.status, result.stderr) == (0, "truncated to 50 tokens (dataset.max_length): 1 text\n")


def judged(folder: Path, *arguments: str) -> dict[str, float]:
    (run,) = folder.glob("runs/*/*")
    result = run_command(["eval", f"ckpt={run}", "accelerator=cpu", "format=json", *arguments], folder)
    assert result.status == 0, result.stderr
    found: dict[str, float] = json.loads(result.stdout)
    return found


def test_another_table_is_judged_whole_unless_it_has_a_test_part(reviews: Path) -> None:
    lines = [f"lovely film {number},good,train\nawful film {number},bad,train" for number in range(6)]
    table = "\n".join(["text,label,split", *lines, "a great one,good,test", "a poor one,bad,test"]) + "\n"
    (reviews / "parts.csv").write_text(table)
    (reviews / "whole.csv").write_text(table.replace("split", "part"))
    (reviews / "test.csv").write_text("text,label\nso dull,bad\nso fine,good\nso poor,bad\n")
    for more, part, count in (
        (["dataset.path=whole.csv"], "all", 14),
        (["dataset.path=parts.csv"], "test", 2),
        (["dataset.path=whole.csv", "dataset.split_column=part"], "test", 2),
        (["dataset.path=whole.csv", "dataset.test_path=test.csv"], "test", 3),
        (["dataset=text_csv", "dataset.path=whole.csv", "dataset.max_length=50"], "all", 14),
    ):
        found = judged(reviews, *more, f"folder=./{count}")
        assert {name.split("/")[0] for name in found} == {part}
        with (reviews / str(count) / "predictions.csv").open(newline="", encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == count


def test_the_test_file_of_the_training_does_not_belong_to_another_table(tmp_path: Path) -> None:
    for name, words in (("train", ("fine", "dull")), ("val", ("lovely", "poor")), ("test", ("great", "awful"))):
        lines = [f"{words[n % 2]} {name} {n},{('good', 'bad')[n % 2]}" for n in range(12)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    parts = [
        f"dataset.{key}={name}.csv" for key, name in (("path", "train"), ("val_path", "val"), ("test_path", "test"))
    ]
    trained(tmp_path, "dataset=text_csv", *parts, "trainer.max_epochs=1", *NARROW)
    assert {name.split("/")[0] for name in judged(tmp_path)} == {"test"}
    judged(tmp_path, "dataset.path=val.csv", "folder=other")
    with (tmp_path / "other" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        assert {row["name"].split(":")[0] for row in csv.DictReader(file)} == {"val.csv"}


def test_translation_keeps_lines_and_their_order(tmp_path: Path) -> None:
    run = trained(
        tmp_path, "dataset=number_words", "dataset.train=60", "dataset.val=10", "dataset.test=10", *NARROW,
        "trainer.max_epochs=2", "callbacks.checkpoints.keep_epochs=2",
    )  # fmt: skip
    assert set(json.loads((run / "metrics.json").read_text())) == {
        "test/bleu", "test/chrf", "test/exact", "test/loss", "test/perplexity"
    }  # fmt: skip
    assert len((run / "hypotheses.txt").read_text().splitlines()) == 10
    command = ["predict", f"ckpt={run}", "accelerator=cpu"]
    lines = ["one", "two hundred and six", "", "seventeen thousand"]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    together = run_command([*command, "input=in.txt"], tmp_path).stdout.splitlines()
    alone = [run_command([*command, f"text={line}"], tmp_path).stdout.rstrip("\n") for line in lines if line]
    assert len(together) == 4
    assert together[2] == ""
    assert [line for number, line in enumerate(together) if number != 2] == alone
    best = json.loads(run_command([*command, "text=one", "decoding.n_best=3", "format=jsonl"], tmp_path).stdout)
    scores = [answer["score"] for answer in best["translations"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    shown = run_command([*command, "text=one", "attention=seen"], tmp_path)
    assert shown.status == 0, shown.stderr
    assert (tmp_path / "seen" / "00000.png").stat().st_size > 1000
    several = f"ckpt={run}/checkpoints/epoch_1.ckpt,{run}/checkpoints/epoch_2.ckpt"
    averaged = run_command(["eval", several, "average=true", "accelerator=cpu"], tmp_path)
    assert averaged.status == 0, averaged.stderr
    assert "tok:13a" in averaged.stdout


def test_a_language_model_goes_on_with_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("the cat sat on the mat. " * 400)
    run = trained(
        tmp_path, "dataset=text_file", "dataset.path=book.txt", "dataset.tokenizer=char", "dataset.context=32",
        *NARROW, "batch_size=8", "trainer.max_epochs=2",
    )  # fmt: skip
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"test/bits_per_character", "test/bits_per_byte", "test/perplexity"} <= set(metrics)
    assert (run / "samples.txt").read_text().count("--- epoch") == 2
    command = ["predict", f"ckpt={run}", "accelerator=cpu", "prompt=the cat", "length=40"]
    first, again, other = (run_command([*command, f"seed={seed}"], tmp_path).stdout for seed in (1, 1, 2))
    assert first.startswith("the cat")
    assert len(first) == len("the cat") + 40 + 1
    assert first == again != other
    refused = run_command([*command, "format=csv"], tmp_path)
    assert refused.status == 2
    assert "'csv'" in refused.stderr
    assert "Allowed: json, jsonl, table." in refused.stderr
