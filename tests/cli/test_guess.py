"""`sensorium train PATH`: what a folder or a file is taken for, by hand for each kind, and what cannot be told."""

import csv
import json
import shlex
from pathlib import Path

import pytest

from command import run_command
from sensorium.cli.app import composed
from sensorium.cli.guess import expanded, guessed
from sensorium.cli.guess.columns import read_rows
from sensorium.errors import RequestError
from shards import write_tar


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
    (("train/images/a.jpg", "train/labels/a.txt", "data.yaml"), "yolo"),
    (("train/images/a.jpg", "train/masks/a.png"), "segmentation_folder"),
    (("images/a.jpg", "masks/a.png"), "segmentation_folder"),
    (("JPEGImages/a.jpg", "SegmentationClass/a.png"), "voc_segmentation"),
    (("train/pos/0_9.txt", "train/neg/0_1.txt", "test/pos/0_9.txt", "test/neg/0_1.txt", "train/unsup/0_0.txt"), "imdb"),
    (("train/pos/0.txt", "train/neg/0.txt", "test/pos/0.txt", "test/neg/0.txt"), "text_folder"),
    (("rt-polarity.pos", "rt-polarity.neg"), "movie_reviews"),
    (
        tuple(f"{name}.{end}.gz" for name in ("train", "val", "test_2016_flickr") for end in ("en", "de", "fr")),
        "multi30k",
    ),
    (("wav.scp", "text", "segments"), "kaldi"),
    (("train/wav.scp", "dev/wav.scp", "lang/words.txt"), "kaldi"),
]


@pytest.mark.parametrize(("names", "dataset"), FOLDERS, ids=[f"{names[0]}-{dataset}" for names, dataset in FOLDERS])
def test_a_folder(tmp_path: Path, names: tuple[str, ...], dataset: str) -> None:
    root = touch(tmp_path / "data", *names)
    assert guessed(root).overrides == (f"dataset={dataset}", f"dataset.root={root}")


SHARDS = [
    (("a.png", "a.cls"), "image_shards"),
    (("a.jpg", "a.mask.png"), "segmentation_shards"),
    (("a.jpg", 'a.json {"tags": ["cat"], "id": 7}'), "image_tagging_shards"),
    (("a.jpg", 'a.json {"annotations": []}'), "detection_shards"),
    (("a.jpg", 'a.json {"age": 7}', "targets.txt"), "image_regression_shards"),
    (("a.txt", 'a.json {"age": 7}', "targets.txt"), "text_regression_shards"),
    (("a.jpg", 'a.json {"age": 7}'), "image_regression_shards"),
    (("a.jpg", "a.cls", 'a.json {"width": 7}'), "image_shards"),
    (("a.JPG", "a.CLS", "a.txt"), "image_shards"),
    (("a.txt", "a.cls", "a.json"), "text_shards"),
    (("a.source.txt", "a.target.txt"), "parallel_shards"),
    (("a.txt",), "document_shards"),
    (("a.flac", "a.cls"), "audio_shards"),
    (("a.wav", "a.transcript"), "speech_shards"),
]


@pytest.mark.parametrize(("names", "dataset"), SHARDS, ids=[dataset for _, dataset in SHARDS])
def test_a_folder_of_shards_and_a_shard(tmp_path: Path, names: tuple[str, ...], dataset: str) -> None:
    root = touch(tmp_path / "data", "classes.txt", "classes.json", ".hidden.tar", "z.tar")  # the first tells
    beside = [name for name in names if name == "targets.txt"]
    touch(root, *beside)
    pairs = [name.partition(" ") for name in names if name not in beside]
    members = [(name, content.encode() or b"x") for name, _, content in pairs]
    shard = write_tar(root / "train-0.tar", members)
    for path in (root, shard):
        assert guessed(path).overrides == (f"dataset={dataset}", f"dataset.root={path}")
    (root / "z.tar").unlink()
    for split in ("train", "val"):
        write_tar(touch(tmp_path / "split" / split, *beside) / "0.tar", members)
    parts = f"dataset.root=[{tmp_path}/split/train,{tmp_path}/split/val]"
    assert guessed(tmp_path / "split").overrides == (f"dataset={dataset}", parts)


def test_shards_that_do_not_tell_or_are_two(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "data" / "a.tar", [("a.json", b"{}"), ("a.npy", b"x")])
    (tmp_path / "data" / "classes.txt").write_text("cat\n")
    told = r"its samples have json, npy\. Choose one of image_shards, .*\nsensorium train dataset="
    for path in (shard, shard.parent):
        with pytest.raises(RequestError, match=told):
            guessed(path)
    shard.write_bytes(b"x" * 2000)
    with pytest.raises(RequestError, match=r"a\.tar does not tell what it is a shard of: no sample is found in it\."):
        guessed(shard.parent)
    write_tar(shard, [("a.wav", b"x"), ("a.cls", b"0"), ("a.txt", b"yes")])
    with pytest.raises(RequestError, match=r"dataset=audio_shards dataset\.root=.*\nor .* dataset=speech_shards"):
        guessed(shard)
    write_tar(shard, [("a.png", b"x"), ("a.cls", b"0"), ("a.mask.png", b"x")])
    with pytest.raises(RequestError, match=r"dataset=image_shards dataset\.root=.*\nor .* dataset=segmentation_shards"):
        guessed(shard)
    write_tar(tmp_path / "photos" / "photos.tar", [("a.png", b"x"), ("a.cls", b"0")])  # a download beside its files
    assert guessed(touch(tmp_path / "photos", "cat/a.jpg", "dog/b.jpg")).overrides[0] == "dataset=image_folder"


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
    (
        "a.jsonl",
        json.dumps({"audio": "x/1.wav", "transcript": "hello", "duration": 1.5}) + "\n",
        ("speech_manifest", "text_column=transcript"),
    ),
    ("a.csv", "path,labels\n1.png,cat|dog\n2.png,cat\n", ("image_tagging_csv",)),
    (
        "a.csv",
        "image;Tags\n1.png;cat, dog\n2.png;\n",
        ("image_tagging_csv", "path_column=image", "label_column=Tags", "label_separator=','"),
    ),
    (
        "a.csv",
        "path,id,cat,big dog\n1.png,7,1,0\n2.png,8,1,1\n",
        ("image_tagging_csv", "label_columns=[cat,'big dog']"),
    ),
    ("a.csv", "path,age,split\n1.png,31.5,train\n2.png,4,test\n", ("image_regression_csv", "target_columns=[age]")),
    ("a.csv", "path,x,2\n1.png,0.5,-3e2\n2.png,1,2\n", ("image_regression_csv", "target_columns=[x,'2']")),
    ("a.csv", "path,label\n1.png,0.5\n", ("image_regression_csv", "target_columns=[label]")),
    ("a.csv", "path,label\n1.png,3\n", ("image_csv",)),
    ("a.csv", "path,bird\n1.png,owl\n2.png,owl\n", ("image_csv", "label_column=bird")),
    ("a.csv", "text,price\nan old bicycle,9.5\n", ("text_regression_csv", "target_columns=[price]")),
    (
        "a.csv",
        "id,offer,euros\n1,an old bicycle,9.5\n",
        ("text_regression_csv", "text_column=offer", "target_columns=[euros]"),
    ),
    ("a.csv", "text,toxic\nfine,0\nbad,1\n", ("text_csv", "label_column=toxic")),
    ("a.tsv", "Go away.\tGeh weg.\nI am here.\tIch bin hier.\n", ("parallel_tsv",)),
    (
        "a.csv",
        "premise,hypothesis,id,label\nIt rains.,It is wet.,1,yes\nA dog.,A cat.,2,no\n",
        ("text_csv", "text_column=[premise,hypothesis]"),
    ),
    (
        "a.csv",
        "filename,fold,target,category\n1.wav,2,0,dog\n2.wav,1,1,cat\n",
        ("audio_csv", "audio_column=filename", "label_column=category", "test_fold=1"),
    ),
    (
        "a.json",
        json.dumps({"audio_filepath": "1.wav", "duration": 1.5, "text": "hello"}) + "\n",
        ("speech_manifest", "audio_column=audio_filepath"),
    ),
    ("a.csv", "audio,label\n1.wav,0\n2.wav,1\n", ("audio_csv",)),
    (
        "a.jsonl",
        json.dumps({"translation": {"source": "Go away.", "target": "Geh weg."}}) + "\n",
        ("parallel_table", "source=source", "target=target"),
    ),
    ("deu.txt", "Go away.\tGeh weg.\tby A\nI am here.\tIch bin hier.\tby B\n", ("parallel_tsv",)),
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


def test_hydra_reads_the_overrides_as_they_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("path,it's new,2,null\n1.png,1,0,1\n")
    dataset = composed("train", list(guessed(path).overrides))["dataset"]
    assert (dataset["path"], dataset["label_columns"]) == (str(path), ["it's new", "2", "null"])
    path.write_text("path,labels\n1.png,'cat,dog'\n".replace("'", '"'))
    dataset = composed("train", list(guessed(path).overrides))["dataset"]
    assert (dataset["label_column"], dataset["label_separator"]) == ("labels", ",")


def coco(*images: str) -> str:
    return json.dumps(
        {"images": [{"id": 1, "file_name": name} for name in images], "annotations": [], "categories": []}
    )


def test_annotations_of_coco_and_their_images(tmp_path: Path) -> None:
    root = touch(tmp_path / "coco", "train2017/a.jpg", "val2017/b.jpg", "annotations/captions_train2017.json")
    train, val = (root / "annotations" / f"instances_{split}2017.json" for split in ("train", "val"))
    train.write_text(coco("a.jpg"))
    val.write_text(coco("b.jpg"))
    named = [f"dataset.train_json={train}", f"dataset.train_images={root}/train2017"]
    assert guessed(root).overrides == (
        "dataset=coco",
        *named,
        f"dataset.val_json={val}",
        f"dataset.val_images={root}/val2017",
    )
    beside = touch(tmp_path / "one", "images/c d.jpg") / "boxes.json"
    beside.write_text(coco("c d.jpg"))
    expected = ("dataset=coco", f"dataset.train_json={beside}", f"dataset.train_images={beside.parent}/images")
    assert guessed(beside).overrides == expected
    assert guessed(beside.parent).overrides == expected
    beside.write_text(coco("missing.jpg"))
    with pytest.raises(RequestError, match=r"its first image, missing\.jpg, is in no folder"):
        guessed(beside)


def test_a_yaml_of_yolo(tmp_path: Path) -> None:
    root = touch(tmp_path, "data.yaml", "images/train/a.jpg", "labels/train/a.txt")
    assert guessed(root / "data.yaml").overrides == ("dataset=yolo", f"dataset.root={root}")


def test_a_folder_with_files_of_sentences(tmp_path: Path) -> None:
    named = touch(tmp_path / "named", "train.src", "train.tgt", "dev.src.gz", "dev.tgt.gz", "README.md")
    files = (f"dataset.train={named}/train", f"dataset.val={named}/dev", "dataset.source=src", "dataset.target=tgt")
    assert guessed(named).overrides == ("dataset=parallel_text", *files)
    unnamed = touch(tmp_path / "unnamed", "train.en", "train.de")
    with pytest.raises(RequestError) as caught:
        guessed(unnamed)
    assert [line.rpartition(" dataset.source=")[2] for line in str(caught.value).splitlines()] == [
        "en dataset.target=de",
        "de dataset.target=en",
    ]


def test_a_folder_with_tables_or_with_texts(tmp_path: Path) -> None:
    root = touch(tmp_path / "reviews")
    root.mkdir()
    for split in ("train", "dev", "test"):
        (root / f"{split}.csv").write_text("text,label\nfine,pos\n")
    paths = (f"dataset.path={root}/train.csv", f"dataset.val_path={root}/dev.csv", f"dataset.test_path={root}/test.csv")
    assert guessed(root).overrides == ("dataset=text_csv", *paths)
    images = touch(tmp_path / "images", "files/a.png", "files/b.png")
    (images / "labels.csv").write_text("path,label\nfiles/a.png,cat\nfiles/b.png,dog\n")
    assert guessed(images).overrides == ("dataset=image_csv", f"dataset.path={images}/labels.csv")
    books = touch(tmp_path / "books", "a.txt", "b.txt")
    assert guessed(books).overrides == ("dataset=text_file", f"dataset.path={books}")


AMBIGUOUS = [
    ("path,labels\n1.png,cat\n", "image_tagging_csv", "image_csv"),
    ("path,label\n1.png,cat;dog\n", "image_csv", "image_tagging_csv"),
    ("path,stars\n1.png,5\n", "image_csv", "image_regression_csv"),
    ("text,label\n" + "".join(f"fine,{number}\n" for number in range(21)), "text_csv", "text_regression_csv"),
]


@pytest.mark.parametrize(
    ("content", "first", "second"), AMBIGUOUS, ids=[first + second for _, first, second in AMBIGUOUS]
)
def test_what_could_be_two_is_refused_with_both_commands(tmp_path: Path, content: str, first: str, second: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(RequestError) as caught:
        expanded([str(path), "seed=3"])
    commands = [line.partition("sensorium train ")[2].split() for line in str(caught.value).splitlines()]
    assert [(line[0], line[1], line[-1]) for line in commands] == [
        (f"dataset={dataset}", f"dataset.path={path}", "seed=3") for dataset in (first, second)
    ]


def test_boxes_and_masks_in_one_folder_are_refused_with_both_commands(tmp_path: Path) -> None:
    root = touch(tmp_path, "Annotations/a.xml", "JPEGImages/a.jpg", "SegmentationClass/a.png")
    with pytest.raises(RequestError, match=rf"(?s)dataset=voc dataset.root={root}\n.*dataset=voc_segmentation"):
        guessed(root)


def test_of_two_modalities_in_class_folders_the_one_with_most_files_is_taken_if_it_is_clear(tmp_path: Path) -> None:
    root = touch(tmp_path, "cat/a.jpg", "cat/b.jpg", "dog/c.jpg", "dog/d.jpg", "dog/notes.txt", "cat/notes.txt")
    assert guessed(root).overrides == ("dataset=image_folder", f"dataset.root={root}")  # 4 files and 2
    with pytest.raises(RequestError, match=r"(?s)dataset=image_folder .*\n.*dataset=text_folder"):
        guessed(touch(root, "cat/more.txt"))


def test_names_above_sentences_are_not_read_as_a_pair(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Frage\tAntwort\nGo away.\tGeh weg.\nI am here.\tIch bin hier.\n")
    with pytest.raises(RequestError, match=r"a line of names \(Frage, Antwort\).*\n.*dataset.header=true, or false"):
        guessed(path)
    path.with_suffix(".txt").write_text("en\tde\nGo away.\tGeh weg.\nI am here.\tIch bin hier.\n")
    assert guessed(path.with_suffix(".txt")).overrides[0] == "dataset=parallel_tsv"


@pytest.mark.parametrize(
    ("names", "asked", "words"),
    [
        (("only/a.jpg",), "", "folder per class"),
        (("a/x.pdf", "b/y.pdf"), "", "folder per class"),
        (("a.json",), "a.json", "is not recognized"),
        (("config.yaml",), "config.yaml", "is not recognized"),
        (("model.bin",), "model.bin", "name the dataset"),
        (("t.csv",), "t.csv", "columns are none"),
        ((), "missing.csv", "no file or folder"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, names: tuple[str, ...], asked: str, words: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(RequestError, match=words) as caught:
        guessed(tmp_path / asked)
    assert len(str(caught.value).splitlines()) <= 2


def test_splits_of_a_recipe_and_a_table_beside_its_recordings(tmp_path: Path) -> None:
    root = touch(tmp_path / "data", "train_5/wav.scp", "dev_2/wav.scp", "lang/x")
    parts = ("dataset.train=train_5", "dataset.val=dev_2")
    assert guessed(root).overrides == ("dataset=kaldi", f"dataset.root={root}", *parts)
    root = touch(tmp_path / "ESC", "audio/1.wav", "audio/2.wav", "README.md")
    (root / "meta").mkdir()
    (root / "meta" / "esc.csv").write_text("audio,label\n1.wav,dog\n2.wav,cat\n")
    at = (f"dataset.path={root}/meta/esc.csv", f"dataset.audio_root={root}/audio")
    assert guessed(root).overrides == ("dataset=audio_csv", *at)
    root = touch(tmp_path / "cv", "clips/1.mp3")
    (root / "train.tsv").write_text("path\tsentence\n1.mp3\tHello there.\n")
    at = (f"dataset.path={root}/train.tsv", "dataset.audio_column=path", "dataset.text_column=sentence")
    assert guessed(root).overrides == ("dataset=speech_manifest", *at, f"dataset.audio_root={root}/clips")
    root = touch(tmp_path / "lj", "wavs/a.wav")
    (root / "metadata.csv").write_text("a|it is 1|it is one\n")
    assert guessed(root).overrides == ("dataset=ljspeech", f"dataset.root={root}")
    root = touch(
        tmp_path / "LS", *(f"{name}/1/2/1-2.trans.txt" for name in ("train-clean-100", "dev-other", "test-clean"))
    )
    parts = ("dataset.train=[train-clean-100]", "dataset.val=dev-other", "dataset.test=test-clean")
    assert guessed(root).overrides == ("dataset=librispeech", f"dataset.root={root}", *parts)
    root = touch(tmp_path / "SST-2", "original/x.txt")
    for name, header in (("train", "sentence\tlabel"), ("dev", "sentence\tlabel"), ("test", "index\tsentence")):
        (root / f"{name}.tsv").write_text(f"{header}\nfine\t1\n")
    assert guessed(root).overrides == ("dataset=sst2", f"dataset.root={root}")


def test_several_languages_and_languages_as_columns_are_refused_with_commands(tmp_path: Path) -> None:
    root = touch(tmp_path / "three", "train.de", "train.en", "train.fr")
    with pytest.raises(RequestError, match=r"sentences in de, en, fr\. Name two(.|\n)*source=de dataset\.target=en"):
        guessed(root)
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"translation": {"en": "Go away.", "de": "Geh weg."}}) + "\n")
    with pytest.raises(RequestError, match=r"source=en dataset\.target=de\nor .*source=de dataset\.target=en"):
        guessed(path)
    with pytest.raises(RequestError, match=r"\.tmx is not read"):
        guessed(touch(tmp_path, "memory.tmx") / "memory.tmx")


def test_only_a_path_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path, "it's here/cat/a.jpg", "it's here/dog/a.jpg", "seed=1"))
    arguments, said = expanded(["it's here", "model=lenet"])
    assert arguments == ["dataset=image_folder", r"dataset.root='it\'s here'", "model=lenet"]
    taken_for, _, full = str(said).partition(" Full command: ")
    assert taken_for == "it's here: detected as images in a folder per class (cat, dog)."
    assert shlex.split(full) == ["sensorium", "train", *arguments]
    assert expanded(["model=lenet", "-m", "seed=1,2"]) == (["model=lenet", "-m", "seed=1,2"], None)
    assert expanded(["--config-dir", "it's here", "seed=1"]) == (["--config-dir", "it's here", "seed=1"], None)
    with pytest.raises(RequestError, match="a second data path"):
        expanded(["it's here", "dataset=digits"])


def test_the_command_trains_on_a_table(tmp_path: Path) -> None:
    rows = [f"{'good' if n % 2 else 'bad'} film number {n},{'pos' if n % 2 else 'neg'}" for n in range(60)]
    (tmp_path / "reviews.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    arguments = ("model=bag_of_embeddings", "trainer.max_epochs=1", "threads=1", "accelerator=cpu", "test=false")
    result = run_command(["train", "reviews.csv", *arguments], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "reviews.csv: detected as texts (text) with a class each (label). Full command: sensorium train "
        "dataset=text_csv dataset.path=reviews.csv model=bag_of_embeddings"
    )
    assert run_command(["train", "revews.csv"], tmp_path).status == 2


@pytest.mark.parametrize(
    ("start", "row"),
    [
        ('"text", "label"', '"fine, really", "pos"'),
        ("sep=;\ntext;label", '"fine, really";pos'),
        ("text|label", "fine, really|pos"),
    ],
)
def test_tables_are_cut_into_cells_as_training_does(tmp_path: Path, start: str, row: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{start}\n{row}\n")
    assert read_rows(path) == [["text", "label"], ["fine, really", "pos"]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_table_is_recognized_in_the_encoding_of_its_byte_order_mark(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "a b c,x\nd e f,y\n" * 3, encoding=encoding)
    assert guessed(path).overrides == ("dataset=text_csv", f"dataset.path={path}")


def test_a_table_with_a_text_of_300000_characters_is_recognized(tmp_path):
    path = tmp_path / "a.csv"
    previous = csv.field_size_limit(131072)
    try:
        path.write_text("text,label\n" + "a b c,x\nd e f,y\n" * 3 + "x" * 300_000 + ",x\n")
        assert guessed(path).overrides[0] == "dataset=text_csv"
    finally:
        csv.field_size_limit(previous)


def test_where_two_datasets_are_likely_the_commands_are_of_the_verb_that_was_asked_for(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,value\n" + "".join(f"a b {row},{row % 5}\n" for row in range(40)))
    with pytest.raises(RequestError) as caught:
        expanded(["folder=null", str(path)], verb="check")
    assert str(caught.value).count("sensorium check dataset=") == 2
    assert "sensorium train" not in str(caught.value)
