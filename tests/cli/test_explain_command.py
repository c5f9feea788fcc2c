"""sensorium explain: what it writes where, and what is wrong with a request, found before anything is computed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import run_command


@pytest.fixture(scope="module")
def home(tmp_path_factory, trained_run: Path) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    (folder / "run").symlink_to(trained_run)
    (folder / "new").mkdir()
    for name, column in (("a", 3), ("b", 5)):
        pixels = np.zeros((8, 8), np.uint8)
        pixels[1:7, column] = 255
        Image.fromarray(pixels).save(folder / "new" / f"{name}.png")
    return folder


FAST = ("accelerator=cpu", "method=gradcam", "random_maps=3")


def test_a_table_and_images_in_a_folder(home):
    (home / "bad.png").write_text("no image")
    result = run_command(["explain", "ckpt=run", "input=[new,bad.png]", "folder=why", *FAST], home)
    assert result.status == 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        *("input", "target", "score", "method", "deletion", "random_deletion", "insertion", "random_insertion"),
        "believe",
    ]
    assert [line.split()[0] for line in lines[1:]] == ["new/a.png", "new/b.png"]
    assert "bad.png" in result.stderr.splitlines()[0]
    assert "2 explanations written to why" in result.stderr
    assert sorted(path.name for path in (home / "why").iterdir()) == ["a.png", "b.png"]
    again = run_command(["explain", "ckpt=run", "input=new", "folder=why", *FAST], home)
    assert (again.status, again.stdout) == (2, "")
    assert "why/a.png and 1 more are already there; overwrite=true" in again.stderr


def test_one_image_and_the_raw_attribution(home):
    result = run_command(["explain", "ckpt=run", "input=new/a.png", "target=1,7", "output=why.png", *FAST], home)
    assert result.status == 0
    assert [line.split()[1] for line in result.stdout.splitlines()[1:]] == ["1", "7"]
    with Image.open(home / "why.png") as drawn:
        assert drawn.size[0] > 3 * 224
    result = run_command(["explain", "ckpt=run", "row=3,4", "split=val", "format=jsonl", *FAST], home)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(records) == 2
    for record in records:
        assert record["input"].startswith("digits[")
        assert np.array(record["targets"][0]["attribution"]).shape == (8, 8)


def test_worst_errors_of_a_run_with_what_is_right(home):
    result = run_command(["explain", "ckpt=run", "worst=2", "format=jsonl", *FAST], home)
    assert result.status == 0
    predictions = (home / "run" / "predictions.csv").read_text().splitlines()[1:]
    wrong = sorted((line.split(",") for line in predictions if ",false," in line), key=lambda cells: -float(cells[5]))
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["input"] for record in records] == [cells[1] for cells in wrong[:2]]
    for record, cells in zip(records, wrong, strict=False):
        assert [one["target"] for one in record["targets"]] == [cells[3], cells[2]]  # predicted, then right


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["input=new", "output=why_all.png"], "output=why_all.png is one explanation, and 2 inputs are given"),
        (["input=new/a.png", "output=why.html"], "this explanation can be saved as .png or .json"),
        (["input=new", "row=3"], "takes one of input=, text=, row=, worst=; given: input, row"),
        ([], "given: none"),
        (["row=3000"], "row=3000: the split test has rows 0 to 358"),
        (["text=hello"], "text= does not apply to this checkpoint"),
        (["input=new", "target=ten"], "There is no target 'ten'"),
        (["input=new", "pixel=3,4"], "pixel= does not apply to explanations of this checkpoint"),
        (["input=new", "method=lime"], "There is no method 'lime'"),
    ],
)
def test_wrong_requests(home, given, said):
    result = run_command(["explain", "ckpt=run", "accelerator=cpu", *given], home)
    assert (result.status, result.stdout) == (2, "")
    assert said in result.stderr
