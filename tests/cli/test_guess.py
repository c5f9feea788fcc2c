"""`sensorium train PATH`: what a folder or a file is taken for, by hand for each kind, and what cannot be told."""

import json
from pathlib import Path

import pytest

from command import run_command
from sensorium.cli.guess import expanded, guessed
from sensorium.errors import RequestError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


FOLDERS = [
    (("cat/a.jpg", "dog/b.PNG"), "image_folder"),
    (("train/cat/a.jpg", "train/dog/b.jpg", "test/cat/c.jpg", "test/dog/d.jpg"), "image_folder"),
    (("yes/a.wav", "no/b.flac"), "speech_folder"),
    (("pos/a.txt", "neg/b.txt"), "text_folder"),
    (("Annotations/a.xml", "JPEGImages/a.jpg"), "voc"),
    (("images/train/a.jpg", "labels/train/a.txt"), "yolo"),
    (("train/images/a.jpg", "train/masks/a.png"), "segmentation_folder"),
]


@pytest.mark.parametrize(("names", "dataset"), FOLDERS, ids=[f"{names[0]}-{dataset}" for names, dataset in FOLDERS])
def test_a_folder(tmp_path: Path, names: tuple[str, ...], dataset: str) -> None:
    root = touch(tmp_path / "data", *names)
    assert guessed(root).overrides == (f"dataset={dataset}", f"dataset.root={root}")


TABLES = [
    ("a.csv", "text,label\nfine,pos\n", ("text_csv",)),
    ("a.csv", "\ufeffReview;Sentiment\nfine;pos\n", ("text_csv", "text_column=Review", "label_column=Sentiment")),
    ("a.tsv", "sentence\tlabel\nfine, really\tpos\n", ("text_csv", "text_column=sentence")),
    ("a.jsonl", json.dumps({"text": "fine", "label": "pos"}) + "\n", ("text_csv",)),
    ("a.csv", "path,label\nx/1.png,cat\n", ("image_csv",)),
    ("a.csv", "file,class\nx/1.JPG,cat\n", ("image_csv", "path_column=file", "label_column=class")),
    ("a.csv", "audio,text\nx/1.wav,hello\n", ("speech_manifest",)),
    (
        "a.tsv",
        "path\tsentence\nx/1.mp3\thello\n",
        ("speech_manifest", "audio_column=path", "text_column=sentence"),
    ),
]


@pytest.mark.parametrize(("name", "content", "expected"), TABLES)
def test_a_table(tmp_path: Path, name: str, content: str, expected: tuple[str, ...]) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    dataset, *columns = expected
    assert guessed(path).overrides == (
        f"dataset={dataset}",
        f"dataset.path={path}",
        *(f"dataset.{column}" for column in columns),
    )


def test_running_text(tmp_path: Path) -> None:
    path = touch(tmp_path, "book.txt") / "book.txt"
    assert guessed(path).overrides == ("dataset=text_file", f"dataset.path={path}")


@pytest.mark.parametrize(
    ("names", "asked", "words"),
    [
        (("only/a.jpg",), "", "folder per class"),
        (("a/x.pdf", "b/y.pdf"), "", "folder per class"),
        (("model.bin",), "model.bin", "name the dataset"),
        (("t.csv",), "t.csv", "columns none"),
        ((), "missing.csv", "no file or folder"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, names: tuple[str, ...], asked: str, words: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(RequestError, match=words) as caught:
        guessed(tmp_path / asked)
    assert len(str(caught.value).splitlines()) <= 2


def test_only_a_path_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path, "it's here/cat/a.jpg", "it's here/dog/a.jpg", "seed=1"))
    arguments, said = expanded(["it's here", "model=lenet"])
    assert arguments == ["dataset=image_folder", r"dataset.root='it\'s here'", "model=lenet"]
    assert said is not None
    assert "images in a folder per class (cat, dog)" in said
    assert expanded(["model=lenet", "-m", "seed=1,2"]) == (["model=lenet", "-m", "seed=1,2"], None)
    assert expanded(["--config-dir", "it's here", "seed=1"]) == (["--config-dir", "it's here", "seed=1"], None)
    with pytest.raises(RequestError, match="beside other data"):
        expanded(["it's here", "dataset=digits"])


def test_the_command_trains_on_a_table(tmp_path: Path) -> None:
    rows = [f"{'good' if n % 2 else 'bad'} film number {n},{'pos' if n % 2 else 'neg'}" for n in range(60)]
    (tmp_path / "reviews.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    arguments = ("model=bag_of_embeddings", "trainer.max_epochs=1", "threads=1", "accelerator=cpu", "test=false")
    result = run_command(["train", "reviews.csv", *arguments], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "reviews.csv: taken for texts (text) with a class each (label). The same in full: sensorium train "
        "dataset=text_csv dataset.path=reviews.csv model=bag_of_embeddings"
    )
    assert run_command(["train", "revews.csv"], tmp_path).status == 2
