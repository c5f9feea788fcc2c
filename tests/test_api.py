"""The Python API: what the verbs give, for every kind of raw input, thread-safe, and without torch until it is used."""

import io
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import sensorium
from command import run_command

REPOSITORY = Path(__file__).parents[1]
OLD = REPOSITORY / "tests" / "fixtures" / "checkpoints" / "format_2"


@pytest.fixture(scope="module")
def model(trained_run: Path) -> sensorium.Model:
    return sensorium.load(trained_run, accelerator="cpu")


@pytest.fixture
def digit(tmp_path: Path) -> np.ndarray:
    pixels = np.random.RandomState(0).randint(0, 255, (8, 8)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    return pixels


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, sensorium; print('torch' in sys.modules, sorted(sensorium.__all__)[-1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "train"]
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        sensorium.trian  # noqa: B018


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "api.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks[:2]), "docs/api.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "image 1: not a readable" in printed
    assert re.search(r"\'class\': \'\d\'", printed)


def test_every_form_of_an_image_is_the_same_image(model: sensorium.Model, tmp_path: Path, digit: np.ndarray) -> None:
    path = tmp_path / "digit.png"
    forms = [
        path,
        str(path),
        png(digit),
        digit,
        digit[:, :, None],
        Image.fromarray(digit),
        torch.from_numpy(digit)[None],
        digit / 255,
        torch.from_numpy(digit)[None].float() / 255,
        io.BytesIO(png(digit)),
    ]
    found = [prediction.to_dict()["classes"] for prediction in model.predict(forms)]
    assert all(classes == found[0] for classes in found)
    command = run_command(["predict", f"ckpt={model._checkpoint.path}", f"input={path}", "format=json"], tmp_path)
    assert f'"class": "{found[0][0]["class"]}"' in command.stdout.split("}")[0]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"", "the file is empty"),
        (b"text", "its content is none of"),
        (np.full((8, 8), 1.5), "float values from 1.5 to 1.5, while 0 to 1 is expected"),
        (np.full((8, 8), np.nan), "0 to 1 is expected"),
        (np.zeros((8, 8), np.int64), "int64 of shape (8, 8), while an array is"),
        (np.zeros((3, 8, 8), np.uint8), "is it (C, H, W)?"),
        (np.zeros((9, 8, 8), np.uint8), "of several images pass list(batch)"),
        (np.zeros((8, 8, 5), np.uint8), "of shape (8, 8, 5)"),
        (torch.zeros(2, 8, 8), "a tensor is (C, H, W) with C 1 or 3"),
        (7, "expected a path, bytes, an array, a tensor or a PIL image, got int"),
        (torch.zeros(3, 8, 8, dtype=torch.bfloat16), "torch.bfloat16 of shape (3, 8, 8)"),
        (torch.zeros(8, 8, dtype=torch.uint8).to_sparse(), "a tensor is (C, H, W) with C 1 or 3"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8, device="meta"), "a tensor is (C, H, W) with C 1 or 3"),
        (bytearray(b"text"), "its content is none of"),
        ("a\0b", "embedded null byte"),
        ("missing.png", "no such file"),
    ],
)
def test_a_bad_input_is_an_item_with_an_error(
    model: sensorium.Model, digit: np.ndarray, bad: object, words: str
) -> None:
    good, wrong, after = model.predict([digit, bad, digit])
    assert words in (wrong.error or "")
    assert wrong.to_dict()["classes"] == []
    assert good.to_dict()["classes"] == after.to_dict()["classes"] != []
    with pytest.raises(sensorium.RequestError, match=re.escape(words)):
        list(model.predict([bad], errors="raise"))


def test_a_single_input_needs_no_list(model: sensorium.Model, digit: np.ndarray) -> None:
    for one in (digit, png(digit), Image.fromarray(digit), io.BytesIO(png(digit))):
        (found,) = model.predict(one)
        assert found.error is None
    (found,) = model.predict(5)
    assert "got int" in (found.error or "")


def test_a_batch_is_as_many_images(model: sensorium.Model, digit: np.ndarray) -> None:
    batch = np.stack([digit, 255 - digit])
    expected = [found.to_dict()["classes"] for found in model.predict(list(batch))]
    for several in (batch[..., None], torch.from_numpy(batch)[:, None]):
        assert [found.to_dict()["classes"] for found in model.predict(several)] == expected


def test_a_folder_and_a_glob_are_their_files(model: sensorium.Model, tmp_path: Path, digit: np.ndarray) -> None:
    names = [str(tmp_path / name) for name in ("digit.png", "other.png")]
    Image.fromarray(255 - digit).save(names[1])
    for given in (tmp_path, str(tmp_path), f"{tmp_path}/*.png"):
        assert [found.input for found in model.predict(given)] == names
    with pytest.raises(sensorium.RequestError, match="no file matches"):
        model.predict(f"{tmp_path}/*.jpg")
    (missing,) = model.predict(tmp_path / "lost.png")
    assert "no such file" in (missing.error or "")


def test_a_text_file_object_is_refused(model: sensorium.Model) -> None:
    with pytest.raises(sensorium.RequestError, match="open in binary mode; this StringIO gives text"):
        list(model.predict(io.StringIO("digit.png")))


def test_overrides_are_strings() -> None:
    with pytest.raises(sensorium.RequestError, match="'dataset=digits'"):
        sensorium.train(dataset="digits")
    with pytest.raises(sensorium.RequestError, match=r"'dataset\.root=photos'"):
        sensorium.train(dataset_root="photos")
    with pytest.raises(sensorium.RequestError, match="3 is no override"):
        sensorium.train(3)  # type: ignore[arg-type]


def test_evaluation_is_that_of_the_command(model: sensorium.Model, trained_run: Path, tmp_path: Path) -> None:
    found = model.evaluate(split="val", slices="class", corrupt=True)
    metrics = found.metrics
    assert found.slices is not None
    assert found.corruptions is not None
    folder = tmp_path / "e"
    asked = ["split=val", "slices=class", "corrupt=true", "format=json", f"folder={folder}"]
    shown = json.loads(run_command(["eval", f"ckpt={trained_run}", *asked], tmp_path).stdout)
    assert shown["val/accuracy"] == metrics["accuracy"]
    assert shown["slices"] == json.loads(json.dumps(found.slices.to_dict()))
    assert shown["corruptions"] == json.loads(json.dumps(found.corruptions.to_dict()))
    assert shown["corruptions"]["clean"]["accuracy"] == metrics["accuracy"]
    assert {one.name for one in folder.rglob("*") if one.stem in ("slices", "corruptions")} == {
        *("slices.csv", "slices.png", "corruptions.csv", "corruptions.json", "corruptions.png")
    }
    with pytest.raises(sensorium.RequestError, match=r"Did you mean slices=class\?"):
        model.evaluate(slices="clas")
    with pytest.raises(sensorium.RequestError, match="about no dataset"):
        model.evaluate("seed=1")
    with pytest.raises(sensorium.RequestError, match=r"Did you mean dataset\.root=photos"):
        model.evaluate("dataset_root=photos")
    with pytest.raises(sensorium.RequestError, match="split"):
        model.evaluate(split="tset")


def test_a_run_says_what_it_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = list(sys.argv)
    run = sensorium.train("model=perceptron", "trainer.max_epochs=2", "threads=1", "accelerator=cpu", "augment=none")
    assert sys.argv == arguments
    assert len(run.history) == 2
    assert run.summary["monitor"] == "val/accuracy"
    assert run.summary["best"] == pytest.approx(max(row["val/accuracy"] for row in run.history), abs=1e-6)
    assert run.summary["parameters"] == 650  # 64 * 10 + 10
    assert run.config["model"]["_target_"].endswith("Perceptron")
    assert run.load(accelerator="cpu").evaluate().metrics["accuracy"] == pytest.approx(run.metrics["test/accuracy"])
    with pytest.raises(sensorium.RequestError, match="Did you mean lenet"):
        sensorium.train("model=lenett")


def test_audio_comes_as_path_bytes_or_samples(tmp_path: Path) -> None:
    model = sensorium.load(OLD / "sound.ckpt", accelerator="cpu")
    rate = int(model.spec.features["sample_rate"])
    samples = (0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32)
    path = tmp_path / "tone.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    forms = [path, path.read_bytes(), (samples, rate), (samples[:, None], rate)]
    found = [prediction.to_dict()["classes"] for prediction in model.predict(forms)]
    assert all(classes == found[0] for classes in found)
    assert len(list(model.predict((samples, rate)))) == 1
    alone = next(model.predict([(samples, np.int64(rate))])).to_dict()["classes"]  # rounded as a batch of one is
    assert [one["class"] for one in alone] == [one["class"] for one in found[0]]
    assert [one["probability"] for one in alone] == pytest.approx([one["probability"] for one in found[0]], abs=1e-6)
    bad = [
        (samples, 0),
        (samples, 1),  # hours of silence between its samples
        (samples, 10**12),
        (samples, True),
        (samples[None], rate),  # channels first: thousands of channels of one sample
        ([[1.0], [1.0, 2.0]], rate),
        (torch.zeros(5, dtype=torch.bfloat16), rate),
        (samples.astype(np.complex64), rate),
        "a\0b.wav",
        b"RIFF",
        samples,
    ]
    assert all(prediction.error for prediction in model.predict(bad))
    assert len(list(model.predict((samples, 1.5)))) == 1


def test_texts_come_as_str_or_bytes() -> None:
    model = sensorium.load(OLD / "text.ckpt", accelerator="cpu")
    one, same, bad = model.predict(["a fine film", b"a fine film", b"caf\xe9"])
    assert one.to_dict()["classes"] == same.to_dict()["classes"]
    assert "byte 3" in (bad.error or "")
    writer = sensorium.load(OLD / "language.ckpt", accelerator="cpu")
    (number,) = writer.predict([5], length=2)
    assert "int" in number.to_dict()["error"]
    translator = sensorium.load(OLD / "translation.ckpt", accelerator="cpu")
    good, wrong = translator.predict(["one", 5])
    assert good.error is None
    assert "int" in (wrong.error or "")


def test_many_threads_get_the_same_answers(model: sensorium.Model) -> None:
    images = [np.full((8, 8), value, np.uint8) for value in range(0, 250, 25)]
    expected = [prediction.to_dict() for prediction in model.predict(images, batch_size=3)]
    found: list[list[dict]] = []
    threads = [
        threading.Thread(target=lambda: found.append([p.to_dict() for p in model.predict(images, batch_size=3)]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(answers == expected for answers in found)


def test_what_is_no_input_at_all_is_one_bad_item(model: sensorium.Model) -> None:
    with io.BytesIO(b"a\nb\nc") as lines:
        for one in (None, 7, 1.5, len, lines, bytearray(b"abc")):
            (prediction,) = model.predict(one)
            assert prediction.error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),  # gave no predictions at all
        ("batch_size", "a"),
        ("length", 5),
        ("temperature", 0.5),
        ("threshold", 0.5),
        ("seed", "a"),
        ("top_p", 2),
        ("decoding", 3),
        ("decoding", {"beam_size": 2}),
    ],
)
def test_options_are_those_of_the_command(model: sensorium.Model, digit: np.ndarray, name: str, value: object) -> None:
    with pytest.raises(sensorium.RequestError, match=name if value != {"beam_size": 2} else "decoding.beam_size"):
        model.predict(digit, **{name: value})  # type: ignore[arg-type]
    if name in ("batch_size", "decoding"):
        with pytest.raises(sensorium.RequestError, match=name):
            model.evaluate(**{name: value})  # type: ignore[arg-type]


def test_training_takes_overrides_only_and_goes_on_with_a_run(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for wrong in ("-m", "--multirun", "--cfg", 3, None, ["seed=1"]):
        with pytest.raises(sensorium.RequestError, match="is no override"):
            sensorium.train(wrong)  # type: ignore[arg-type]
    with pytest.raises(sensorium.RequestError, match="There is no run nothing"):
        sensorium.train("resume=nothing")
    shutil.copytree(trained_run, tmp_path / "run")
    run = sensorium.train(f"resume={tmp_path / 'run'}", "trainer.max_epochs=2")
    assert run.folder == tmp_path / "run"
    assert len(run.history) == 2
    assert not (tmp_path / "runs").exists()


def test_a_typo_in_an_option_is_refused(model: sensorium.Model, digit: np.ndarray) -> None:
    with pytest.raises(sensorium.RequestError, match="top_k=0"):
        list(model.predict(digit, top_k=0))
    with pytest.raises(sensorium.RequestError, match='"return" or "raise"'):
        model.predict(digit, errors="ignore")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="topk"):
        model.predict(digit, topk=1)  # type: ignore[call-arg]


def test_a_range_may_be_an_array(model: sensorium.Model, digit: np.ndarray) -> None:
    deep = digit.astype(np.uint16) * 16
    (one,), (other,) = (list(model.predict([deep], pixel_range=of)) for of in ([0, 4080], np.array([0, 4080])))
    assert one.to_dict() == other.to_dict()


def test_a_name_too_long_for_a_file_is_refused(model: sensorium.Model) -> None:
    (found,) = model.predict("x" * 5000)
    assert "file name too long" in found.to_dict()["error"]
    with pytest.raises(sensorium.RequestError, match="no file matches"):
        list(model.predict("*" + "x" * 5000))


def test_check_gives_findings_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = sensorium.check("dataset=logic", "skip=[labels]")
    assert [(one.check, one.severity) for one in found] == [("balance", "warning")]
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(sensorium.RequestError, match="no override"):
        sensorium.check("--help")
