"""sensorium export as a command and from Python: what it writes, proves and rejects; exported models as checkpoints."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

import sensorium
from command import run_command
from sensorium import checkpoint
from sensorium.errors import RequestError, RunError
from sensorium.export import exporting
from sensorium.export.proof import Timing
from sensorium.models.exported import ABOUT, FACTS
from sensorium.vision.decode import fit_pixels
from sensorium.vision.fit_graph import fit


@pytest.fixture(scope="module")
def home(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with best.ckpt and its export: onnx/model.onnx, run.py and proof.json."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copy(trained_run / "checkpoints" / "best.ckpt", folder)
    result = run_command(["export", "ckpt=best.ckpt", "output=onnx"], folder)
    assert result.status == 0, result
    assert "val/accuracy" in result.stdout
    assert "exported: onnx/model.onnx" in result.stdout
    return folder


def test_it_leaves_the_model_a_program_and_the_proof(home: Path) -> None:
    assert sorted(path.name for path in (home / "onnx").iterdir()) == ["model.onnx", "proof.json", "run.py"]
    proof = json.loads((home / "onnx" / "proof.json").read_text())
    assert proof["format"] == "onnx"
    assert proof["bytes"] == {"model.onnx": (home / "onnx" / "model.onnx").stat().st_size}
    assert 0 <= proof["largest_difference"] < 1e-4
    assert proof["examples"] == 143
    assert proof["metrics"].keys() == proof["exported_metrics"].keys()
    assert proof["exported_metrics"]["accuracy"] == proof["metrics"]["accuracy"]
    assert [one["batch"] for one in proof["milliseconds"]] == [1, 32]


def test_evaluated_it_has_the_checkpoint_s_metrics(home: Path) -> None:
    def metrics(ckpt: str) -> dict[str, float]:
        result = run_command(["eval", f"ckpt={ckpt}", "format=json", f"folder=of_{Path(ckpt).stem}"], home)
        assert result.status == 0, result
        found: dict[str, float] = json.loads(result.stdout)
        return found

    assert metrics("onnx/model.onnx") == pytest.approx(metrics("best.ckpt"), abs=1e-4)


def test_it_predicts_as_the_checkpoint_from_python(home: Path) -> None:
    digits = [np.full((8, 8), value, dtype=np.uint8) for value in (0, 90, 255)]
    digits.append(np.arange(300, dtype=np.uint8).reshape(20, 15))  # brought to 8x8 first
    ours, theirs = (
        [one.to_dict()["classes"][0] for one in sensorium.load(home / name).predict(digits)]
        for name in ("best.ckpt", "onnx/model.onnx")
    )
    assert [one["class"] for one in ours] == [one["class"] for one in theirs]
    assert [one["probability"] for one in ours] == pytest.approx([one["probability"] for one in theirs], abs=1e-5)


def test_its_metadata_is_data_and_names_no_place(home: Path) -> None:
    model = onnx.load(home / "onnx" / "model.onnx")
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found.keys() == {ABOUT, FACTS}
    facts = json.loads(found[FACTS])
    assert facts["spec"]["class_names"] == [str(digit) for digit in range(10)]
    assert facts["inputs"] == ["images"]
    assert facts["outputs"][:2] == ["logits", "probabilities"]
    assert [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim][::2] == ["batch", "height"]
    assert str(Path(sensorium.__file__).parent).encode() not in model.SerializeToString()


def test_from_python_a_file_alone(home: Path, tmp_path: Path) -> None:
    path = sensorium.load(home / "best.ckpt").export(tmp_path / "m.ONNX")
    assert path == tmp_path / "m.ONNX"
    assert [one.name for one in tmp_path.iterdir()] == ["m.ONNX"]
    assert sensorium.load(path).class_names == tuple("0123456789")
    with pytest.raises(RequestError, match="already exists; overwrite=true"):
        sensorium.load(home / "best.ckpt").export(path)


@pytest.mark.parametrize("name", ["run.py", "proof.json"])
def test_files_of_others_in_the_folder_are_not_replaced(home: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RequestError, match=f"{name} already exists; overwrite=true"):
        sensorium.load(home / "best.ckpt").export(tmp_path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(name, "mine")]
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(RequestError, match=r"model\.onnx is a folder"):
        sensorium.load(home / "best.ckpt").export(tmp_path, overwrite=True)


def test_what_needs_the_network_itself_is_refused(home: Path, tmp_path: Path) -> None:
    model = "ckpt=onnx/model.onnx"
    for arguments, said in (
        (["explain", model, "row=1"], "explain needs the checkpoint"),
        (["export", model], "is exported already"),
        (["eval", model, "calibrate=new.ckpt"], "calibrate= needs the checkpoint"),
        (["eval", model, "index=true"], "index=true needs the checkpoint"),
        (["eval", "ckpt=onnx/model.onnx,best.ckpt"], "can be averaged"),
        (["train", "model.init=onnx/model.onnx"], "give the checkpoint that it came from"),
    ):
        result = run_command(arguments, home)
        assert result.status == 2, arguments
        assert said in result.stderr, result.stderr


def test_a_stranger_s_file_is_refused_in_words(home: Path, tmp_path: Path) -> None:
    good = onnx.load(home / "onnx" / "model.onnx")

    def said(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RequestError) as refused:
            sensorium.load(tmp_path / name)
        return str(refused.value)

    assert "is not an ONNX file" in said("noise.onnx", b"\xff" * 100)
    assert "is not an ONNX file" in said("half.onnx", good.SerializeToString()[:-1000])
    (about,) = [entry for entry in good.metadata_props if entry.key == ABOUT]
    about.value, kept = "bm90IGEgY2hlY2twb2ludA==", about.value
    assert "its metadata cannot be opened" in said("other.onnx", good.SerializeToString())
    about.value = kept
    (facts,) = [entry for entry in good.metadata_props if entry.key == FACTS]
    kept = facts.value
    for value, message in (
        ("{", "is damaged: its metadata is no JSON"),
        ("[]", "is damaged: its metadata is of another form"),
        ('{"format": 2}', "has format 2; this Sensorium reads format 1"),
        ('{"outputs": ["boxes"]}', "its metadata describes another graph"),
    ):
        facts.value = value
        assert message in said("facts.onnx", good.SerializeToString())
    facts.value = kept
    tensor = good.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    assert "refers to other files" in said("external.onnx", good.SerializeToString())
    del good.metadata_props[:]
    tensor.data_location = TensorProto.DEFAULT
    assert "was not written by sensorium export" in said("plain.onnx", good.SerializeToString())
    with pytest.raises(RequestError, match="There is no exported model"):
        sensorium.load(tmp_path / "no.onnx")


def test_nothing_is_written_where_the_proof_fails(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting.proof, "largest_difference", lambda *_: 0.25)
    with pytest.raises(RunError, match=r"differs from the checkpoint by up to 0\.25, more than tolerance=0\.0001"):
        sensorium.load(home / "best.ckpt").export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_metric_that_is_lost_is_a_failure_and_one_that_is_gained_is_none() -> None:
    accuracy, loss = exporting.Metric("accuracy"), exporting.Metric("wer", higher_is_better=False)
    exporting._check_metrics({"accuracy": 0.9}, {"accuracy": 0.95}, accuracy, 0.005)
    exporting._check_metrics({"wer": 0.2}, {"wer": 0.1}, loss, 0.005)
    exporting._check_metrics({}, {}, loss, 0.005)
    exporting._check_metrics({"wer": float("nan")}, {"wer": float("nan")}, loss, 0.005)
    for before, after, metric in (
        ({"accuracy": 0.9}, {"accuracy": 0.89}, accuracy),
        ({"wer": 0.1}, {"wer": 0.2}, loss),
        ({"wer": 0.1}, {"wer": float("nan")}, loss),
    ):
        with pytest.raises(RunError, match="worse by more than tolerance"):
            exporting._check_metrics(before, after, metric, 0.005)


@pytest.mark.slow
def test_other_formats(home: Path) -> None:
    result = run_command(["export", "ckpt=best.ckpt", "format=torch", "output=pt"], home)
    assert result.status == 0, result
    program = torch.export.load(home / "pt" / "model.pt2").module()
    images = torch.arange(5 * 64, dtype=torch.uint8).reshape(5, 1, 8, 8)
    model = sensorium.load(home / "onnx" / "model.onnx")
    wanted = [dict(one.classes) for one in model.predict(list(images.numpy()[:, 0]), top_k=10)]
    found = program(images)[1]
    for row, classes in zip(found, wanted, strict=True):
        assert row.tolist() == pytest.approx([classes[str(digit)] for digit in range(10)], abs=1e-5)
    result = run_command(["export", "ckpt=best.ckpt", "format=onnx-int8", "output=small", "tolerance=1"], home)
    assert result.status == 0, result
    assert (home / "small" / "model.onnx").stat().st_size < (home / "onnx" / "model.onnx").stat().st_size / 2
    assert run_command(["export", "ckpt=best.ckpt", "output=a.pt2"], home).status == 2


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(8, 8), (9, 31), (40, 13), (3, 5)])
def test_images_are_resized_as_pillow_does(resize: str, size: tuple[int, int]) -> None:
    """To one of 255 steps, which is where Pillow's whole numbers round elsewhere."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
    found = fit(torch.from_numpy(pixels)[None], 8, 8, resize)[0].numpy()
    wanted = fit_pixels(pixels, image_size=(8, 8), in_channels=3, resize=resize)  # type: ignore[arg-type]
    assert np.abs(found - wanted).max() <= (0 if size == (8, 8) else 1)


def test_the_proof_as_plain_types() -> None:
    exported = exporting.Exported(
        kind="onnx",
        files={"model.onnx": b"123", "model.step.onnx": b"4"},
        difference=1e-7,
        metrics={"bleu": 30.0},
        exported_metrics={"bleu": 30.0},
        headline="bleu",
        examples=7,
        timings=[Timing(1, 2.0, 0.5)],
    )
    assert exported.size == 4
    assert exported.to_dict()["milliseconds"] == [{"batch": 1, "torch": 2.0, "exported": 0.5}]


def test_a_checkpoint_keeps_all_but_its_weights(home: Path) -> None:
    read = checkpoint.read(home / "onnx" / "model.onnx")
    original = checkpoint.read(home / "best.ckpt")
    assert read.weights == {}
    assert (read.spec, read.config, read.epoch) == (original.spec, original.config, original.epoch)
    scores = [one.calibration.scores.tolist() for one in (read, original) if one.calibration]
    assert [len(one) for one in scores] == [143, 143]  # validation examples
    assert scores[0] == scores[1]
