"""run.py, which stands beside an exported model: it reads inputs and answers as Sensorium does, without it."""

import itertools
import json
import math
import os
import runpy
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from PIL import Image, PngImagePlugin

import sensorium
import tiny_data
from command import Result, run_command
from sensorium import checkpoint
from sensorium.audio.read import read
from sensorium.build import load_model
from sensorium.cli.export import write
from sensorium.decoding.beam import beam_search
from sensorium.errors import RequestError
from sensorium.export.program import audio, command, results, writing
from sensorium.export.program import images as image_files
from sensorium.export.program import tokenizer as tokenizers
from sensorium.output import as_json
from sensorium.tasks import registry
from sensorium.tasks.base import PredictOptions
from sensorium.text.build_tokenizer import train_tokenizer
from sensorium.vision.decode import decode_image, probe_size
from sensorium.vision.normalise import from_pixels
from trainings import SHORT, TINY, TINY_TEXTS, trained

BLOCKED = ("torch", "torchvision", "torchaudio", "lightning", "hydra", "sensorium", "tokenizers", "onnx")
BLOCKER = f"""
import runpy, sys

WITHOUT = {BLOCKED!r} + tuple(sys.argv[1].split(","))

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in WITHOUT:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TEXTS = [
    "a lovely film", "", "  ", "zyzzyva 😀👩‍👩‍👧 ﬁne", "don't you're o'clock 3.5 1,000", "dull " * 300,
    "映画 great", "A\u2028B\x7f",
]  # fmt: skip


def run_alone(script: Path, *arguments: object, without: str = "") -> Result:
    """run.py in a process of its own, in which the packages that it must not need cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER, without, str(script), *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tiny_data.write_data(folder)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of each odd kind."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.RandomState(0)
    rgb, gray = random.randint(0, 256, (37, 53, 3), np.uint8), random.randint(0, 256, (37, 53), np.uint8)
    deep, opacity = random.randint(0, 65536, (37, 53)).astype(np.uint16), random.randint(0, 256, (37, 53, 1), np.uint8)
    color = Image.fromarray(rgb)
    color.save(folder / "rgb.png")
    color.quantize(16).save(folder / "palette.png")
    color.quantize(16).save(folder / "palette_clear.png", transparency=3)
    color.save(folder / "named_color_clear.png", transparency=tuple(rgb[0, 0].tolist()))
    Image.fromarray(np.concatenate([rgb, opacity], axis=2)).save(folder / "rgba.png")
    Image.fromarray(np.stack([gray, opacity[..., 0]], axis=2)).save(folder / "la.png")
    Image.fromarray(gray).save(folder / "gray.bmp")
    Image.fromarray(gray > 99).save(folder / "bits.png")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(deep).save(folder / "deep_white.tif", tiffinfo={262: 0})
    Image.fromarray((deep / np.float32(65535)).astype(np.float32)).save(folder / "float.tif")
    (folder / "deep.ppm").write_bytes(b"P6 5 4 65535\n" + random.bytes(5 * 4 * 6))
    png16(folder / "deep_color.png", random.randint(0, 65536, (9, 7, 3)), 2)
    png16(folder / "deep_clear.png", random.randint(0, 65536, (9, 7, 4)), 6)
    png16(folder / "deep_gray_clear.png", random.randint(0, 65536, (9, 7, 2)), 4)
    Image.fromarray(rgb).convert("CMYK").save(folder / "cmyk.jpg")
    big = Image.fromarray(random.randint(0, 256, (30, 40, 3), np.uint8)).resize((400, 300))
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        big.save(folder / f"turned_{turn}.jpg", exif=exif)
    color.save(folder / "turned.tif", exif=exif)
    color.save(folder / "frames.gif", save_all=True, append_images=[Image.fromarray(gray)])
    color.save(folder / "plain.webp")
    Image.fromarray(rgb[:1, :1]).save(folder / "one_pixel.png")
    Image.fromarray(rgb[:1]).save(folder / "one_row.png")
    return folder


def png16(path: Path, values: np.ndarray, kind: int) -> None:
    """A PNG of 16 bits a channel, which Pillow does not write. kind: PNG's color type."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    file = BytesIO(b"")
    file.write(b"\x89PNG\r\n\x1a\n")
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, kind, 0, 0, 0])
    for name, content in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        PngImagePlugin.putchunk(file, name, content)
    path.write_bytes(file.getvalue())


# -- what it reads


@pytest.mark.parametrize("pixel_range", [None, (1000.0, 30000.0)], ids=["8 bits", "ranged"])
@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_images_are_read_to_the_last_bit(images: Path, resize: str, pixel_range: tuple[float, float] | None) -> None:
    names = sorted(images.iterdir())
    assert len(names) == 29
    for path, channels, size in itertools.product(names, (1, 3), ((16, 16), (40, 11))):
        spec = {"image_size": size, "in_channels": channels, "resize": resize, "pixel_range": pixel_range}
        found, shown = image_files.read_image(path, spec)
        wanted = from_pixels(decode_image(path, **spec)[None])[0].numpy()  # type: ignore[arg-type]
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted) or np.abs(found - wanted).max() < 1e-7, path.name
        assert shown == probe_size(path), path.name


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000, 22050, 44100, 3999])
def test_audio_is_resampled_as_training_does(tmp_path: Path, rate: int) -> None:
    samples = 0.3 * np.random.RandomState(1).randn(5001, 2)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    found = audio.read_audio(tmp_path / "a.wav", {"features": {"sample_rate": 8000}})
    wanted = read(tmp_path / "a.wav", sample_rate=8000)
    assert len(found) == len(wanted) == math.ceil(5001 * 8000 / rate)
    assert np.abs(found - wanted).max() < 2e-5  # torchaudio's filter is float32


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_texts_become_the_same_token_ids(kind: str, lowercase: bool) -> None:
    document = Path(__file__).parents[2] / "README.md"
    learned = [*document.read_text(encoding="utf-8").splitlines(), *TEXTS, "नमस्ते दुनिया", "Ünïcödé İstanbul"]
    tokenizer = train_tokenizer(kind, learned, vocab_size=700, min_count=1, lowercase=lowercase)  # type: ignore[arg-type]
    ours = tokenizers.Tokenizer(json.loads(json.dumps(tokenizer.to_dict())))
    random = np.random.RandomState(2)
    letters = np.array(
        [*map(chr, range(0x250)), *"\u00a0\u2003\u2028\x1c\x1d\x85٣Ⅷ½²中か한e\u0301😀\u200d'''   \t\n\ud83d\ude00"]
    )
    noise = ["".join(letters[random.randint(len(letters), size=30)]) for _ in range(300)]
    for text in [*learned, *noise, "'s 'S 're'll don'ts", "a  b   c \n\n d", "x" * 500]:
        assert ours.encode(text) == tokenizer.encode(text), repr(text)
    if kind != "word":
        assert all(ours.decode(tokenizer.encode(text)) == tokenizer.decode(tokenizer.encode(text)) for text in learned)


# -- what it answers


@pytest.fixture(scope="module")
def exported(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """The checkpoint of a kind of model, and the script beside what was exported of it."""
    made: dict[str, tuple[Path, Path]] = {}
    sources = {
        "gray": TINY,
        "color": (*TINY, "dataset=image_csv", f"dataset.path={data / 'stripes.csv'}"),
        "words": (*SHORT, "dataset=text_csv", f"dataset.path={data / 'reviews.csv'}", "dataset.max_length=8",
                  "model.embedding_size=8", "model.hidden_size=8", "batch_tokens=200"),
        "audio": (*SHORT, "dataset=speech_folder", f"dataset.root={data / 'tones'}", "dataset.features.num_mels=8",
                  "model=keyword_rnn"),
        "pairs": (*TINY_TEXTS["translation"], "decoding.beam_size=4", "decoding.no_repeat_ngram=2"),
        "language": TINY_TEXTS["language"],
        "context": (*TINY_TEXTS["language"][:-2], "model=transformer_lm", "model.width=8", "model.heads=2",
                    "model.depth=1", "dataset.context=16"),
    }  # fmt: skip

    def make(kind: str) -> tuple[Path, Path]:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            best = trained(folder, *sources[kind]).best
            write(
                checkpoint.read(best), kind="onnx", output=folder / "out", tolerance=None, overwrite=False, trust=False
            )
            made[kind] = best, folder / "out" / "run.py"
        return made[kind]

    return make


def records(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def assert_alike(found: object, wanted: object) -> None:
    """The same keys in the same order, and numbers to 1e-4."""
    if isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=1e-4)
    elif isinstance(wanted, dict):
        assert isinstance(found, dict)
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            assert_alike(found[key], value)
    elif isinstance(wanted, list):
        assert isinstance(found, list)
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert_alike(ours, theirs)
    else:
        assert found == wanted


@pytest.mark.parametrize("kind", ["gray", "color"])
def test_images_are_classified_as_by_predict(
    exported: Callable[[str], tuple[Path, Path]], images: Path, tmp_path: Path, kind: str
) -> None:
    best, script = exported(kind)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.png").write_bytes((images / "rgb.png").read_bytes()[:900])
    paths = [*sorted(images.iterdir()), *sorted(tmp_path.iterdir()), tmp_path / "missing.png"]
    ours = run_alone(script, *paths, without="soundfile")
    theirs = run_command(
        ["predict", f"ckpt={best}", f"input=[{','.join(map(str, paths[:-1]))}]", "format=jsonl", "accelerator=cpu"],
        tmp_path,
    )
    assert ours.status == theirs.status == 1, ours.stderr
    found = records(ours)
    assert_alike(found[:-1], records(theirs))
    assert found[-1] == {
        "input": str(paths[-1]),
        "classes": [],
        "error": f"{paths[-1]}: not a readable image (no such file or directory)",
    }
    flags = {record.get("out_of_distribution") for record in found[:29]}
    assert (
        flags <= {True, False} if kind == "gray" else flags == {None}
    )  # the tiny data set is too small for a detector


def test_the_function_of_the_manual_answers_as_predict_does(
    exported: Callable[[str], tuple[Path, Path]], images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, script = exported("gray")
    file = Path(__file__).parents[2] / "examples" / "deployment" / "function.py"
    shutil.copy(file, script.parent)
    monkeypatch.syspath_prepend(script.parent)
    answer = runpy.run_path(str(script.parent / "function.py"))["answer"]
    monkeypatch.delitem(sys.modules, "run")
    content = (images / "rgb.png").read_bytes()
    (wanted,) = sensorium.load(best, accelerator="cpu").predict([content], top_k=3)
    assert_alike(answer(content)["classes"], wanted.to_dict()["classes"])
    assert answer(content[:900])["error"]


def test_texts_are_classified_as_by_predict(exported: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    best, script = exported("words")
    ours = run_alone(script, "--top-k", 1, "--text", *TEXTS, without="soundfile,PIL")
    assert ours.status == 0, ours.stderr
    model = load_model(best, accelerator="cpu", trust=False)
    predictor = registry.of(model.spec).predictor(model, PredictOptions(top_k=1))
    wanted = [as_json(prediction.to_dict()) for prediction in predictor.predict(TEXTS)]
    assert_alike(records(ours), [json.loads(one) for one in wanted])
    assert "\x7f" not in ours.stdout
    assert "\u2028" not in ours.stdout


@pytest.mark.slow
def test_texts_are_translated_as_by_predict(exported: Callable[[str], tuple[Path, Path]]) -> None:
    best, script = exported("pairs")
    texts = ["two hundred and seven", "nine", "", "zyzzyva 😀 twelve", "one " * 60]
    ours = run_alone(script, "--text", *texts, without="soundfile,PIL")
    assert ours.status == 0, ours.stderr
    wanted = [prediction.to_dict() for prediction in sensorium.load(best, accelerator="cpu").predict(texts)]
    assert [bool(one["translations"][0]["text"]) for one in wanted] == [True, True, False, True, True]
    assert_alike(records(ours), wanted)


@pytest.mark.parametrize("seed", range(20))
def test_the_search_is_the_one_of_the_checkpoint(seed: int) -> None:
    """Of a model whose next token depends on the last one and on how many were written."""
    random = np.random.RandomState(seed)
    rules = {"beam_size": 1 + seed % 5, "n_best": 1 + seed % 5 // 2, "length_penalty": random.rand() * 1.5,
             "no_repeat_ngram": seed % 3}  # fmt: skip
    table = (2 * random.randn(12, 7, 7)).astype(np.float32)

    class Chain:
        def step(self, tokens: torch.Tensor, memory: object, state: tuple[torch.Tensor]) -> tuple[torch.Tensor, tuple]:
            return torch.from_numpy(table)[state[0], tokens].clone(), (state[0] + 1,)

    start = torch.zeros(1, dtype=torch.int64)
    (wanted,) = beam_search(Chain(), (start,), (start,), bos=2, eos=3, pad=0, max_length=9, **rules)
    ours = writing.beam_search(
        lambda tokens, state: (table[state[0], tokens], [state[0] + 1]), [start.numpy()], rules, limit=9
    )
    assert [tokens for _, tokens in ours] == [one.tokens for one in wanted]
    assert [score for score, _ in ours] == pytest.approx([one.score for one in wanted], abs=1e-5)


@pytest.mark.parametrize("kind", ["language", pytest.param("context", marks=pytest.mark.slow)])
def test_prompts_are_continued_as_by_predict(exported: Callable[[str], tuple[Path, Path]], kind: str) -> None:
    best, script = exported(kind)
    prompts = ["def ", "import numpy as np", "x" * 40]
    ours = run_alone(script, "--temperature", 0, "--length", 40, "--text", *prompts, without="soundfile,PIL")
    assert ours.status == 0, ours.stderr
    model = sensorium.load(best, accelerator="cpu")
    wanted = [prediction.to_dict() for prediction in model.predict(prompts, temperature=0.0, length=40)]
    assert {len(one["text"]) for one in wanted} == {40}
    assert_alike(records(ours), wanted)


def test_drawn_tokens_are_those_of_a_seed(exported: Callable[[str], tuple[Path, Path]]) -> None:
    _, script = exported("language")
    drawn = [run_alone(script, "--length", 30, "--seed", seed, "--text", "def ", "").stdout for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    first, empty = (json.loads(line) for line in drawn[0].splitlines())
    assert (first["prompt"], len(first["text"])) == ("def ", 30)
    assert empty == {"prompt": "", "text": "", "error": "an empty prompt holds no token to continue"}


@pytest.mark.slow
def test_recordings_are_classified_as_by_predict(
    exported: Callable[[str], tuple[Path, Path]], data: Path, tmp_path: Path
) -> None:
    best, script = exported("audio")
    samples, rate = soundfile.read(data / "new_tones_0.wav")
    soundfile.write(tmp_path / "a_stereo.flac", np.stack([samples, samples[::-1]], axis=1), rate)
    soundfile.write(tmp_path / "b_fast.wav", samples, 11025)
    soundfile.write(tmp_path / "c_silent.wav", np.zeros(4000), rate)
    soundfile.write(tmp_path / "d_short.wav", samples[1000:1100], rate)
    soundfile.write(tmp_path / "e_long.wav", np.tile(samples, 40), rate)
    (tmp_path / "f_empty.wav").write_bytes(b"")
    paths = [*sorted(data.glob("new_tones_*.wav")), *sorted(tmp_path.iterdir())]
    ours = run_alone(script, *paths, without="PIL")
    theirs = run_command(
        ["predict", f"ckpt={best}", f"input=[{','.join(map(str, paths))}]", "format=jsonl", "accelerator=cpu"], tmp_path
    )
    assert ours.status == theirs.status == 1, ours.stderr
    assert_alike(records(ours), records(theirs))


# -- what it does not take


def test_requests_that_cannot_be_met(
    exported: Callable[[str], tuple[Path, Path]], images: Path, tmp_path: Path
) -> None:
    _, script = exported("gray")
    nothing, text = run_alone(script), run_alone(script, "--text", "a")
    assert nothing.status == text.status == 2
    assert nothing.stderr.startswith("usage:")
    assert text.stderr == "run.py: this model takes files of images, no --text\n"
    image = images / "rgb.png"
    for arguments, wrong in (
        (
            ("--masks", tmp_path),
            "run.py: --masks is for semantic_segmentation; this model is for image_classification\n",
        ),
        (("--output", tmp_path / "no" / "a"), f"there is no folder {tmp_path / 'no'}\n"),
    ):
        refused = run_alone(script, image, *arguments)
        assert refused.status == 2
        assert refused.stderr.endswith(wrong)
    missing = run_alone(script, image, without="PIL")
    assert (missing.status, missing.stdout) == (2, "")
    assert missing.stderr == "run.py needs pillow for this model: pip install pillow\n"
    bare = run_alone(script, image, without="onnxruntime")
    assert (bare.status, bare.stderr) == (
        2,
        "run.py needs onnxruntime: pip install onnxruntime numpy pillow soundfile\n",
    )
    away = run_alone(script, image, "--model", tmp_path / "other.onnx")
    assert away.status == 2
    assert "other.onnx" in away.stderr
    assert "Traceback" not in away.stderr


def test_results_replace_no_input_and_nothing_unasked(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, there = str(images / "rgb.png"), tmp_path / "rgb.png"
    there.write_bytes(b"mine")
    (tmp_path / "link.jsonl").symlink_to(image)
    refused = {
        ("--masks", str(images)): f"{image} is read by this command",
        ("--masks", str(images), "--overwrite"): f"{image} is read by this command",
        ("--output", str(tmp_path / "link.jsonl"), "--overwrite"): "link.jsonl is read by this command",
        ("--masks", str(tmp_path)): f"{there} is already there; --overwrite replaces it",
        ("--masks", str(there)): f"{there} is a file, no folder",
        ("--output", str(there)): f"{there} is already there; --overwrite replaces it",
        ("--output", str(tmp_path)): f"{tmp_path} is a folder",
        ("--threshold", "nan"): "--threshold nan: it is from 0 to 1",
    }
    for arguments, message in refused.items():
        with pytest.raises(SystemExit) as caught:
            command.parsed([image, *arguments])
        assert (caught.value.code, message in capsys.readouterr().err) == (2, True), arguments
    options = command.parsed([image, "--masks", str(tmp_path), "--overwrite"])
    assert options.masks == [there]
    results.write(there, b"a mask")
    assert there.read_bytes() == b"a mask"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.jsonl", "rgb.png"]


def test_what_cannot_be_written_is_one_line(exported: Callable[[str], tuple[Path, Path]], images: Path) -> None:
    _, script = exported("gray")
    full = run_alone(script, images / "rgb.png", "--output", "/dev/full")
    assert (full.status, full.stderr) == (1, "run.py: /dev/full cannot be written: No space left on device\n")


def test_audio_comes_through_a_pipe_too(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.RandomState(0).uniform(-0.3, 0.3, 4000), 8000)
    there, here = os.pipe()
    os.write(here, (tmp_path / "a.wav").read_bytes())
    os.close(here)
    spec = {"features": {"sample_rate": 8000}}
    found = audio.read_audio(f"/dev/fd/{there}", spec)
    os.close(there)
    assert np.array_equal(found, audio.read_audio(tmp_path / "a.wav", spec))


@pytest.mark.slow
def test_a_graph_of_another_model_or_format_is_refused(
    exported: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    _, script = exported("pairs")
    shutil.copytree(script.parent, tmp_path / "out")
    for name, facts, message in (
        ("model.step.onnx", {"format": 1, "identity": "other"}, "model.step.onnx is of another model than"),
        ("model.step.onnx", {"format": 2, "identity": "other"}, "format 2"),
    ):
        path = tmp_path / "out" / name
        model = onnx.load(path)
        model.metadata_props[0].value = json.dumps(facts)
        onnx.save(model, path)
        with pytest.raises(RequestError, match=message):
            sensorium.load(tmp_path / "out" / "model.onnx")
        alone = run_alone(tmp_path / "out" / "run.py", "--text", "one")
        assert (alone.status, message in alone.stderr) == (2, True), alone.stderr
