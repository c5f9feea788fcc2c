"""Raw images in, class names out: in order, a batch at a time, and the same in any company."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from sensorium.build import load_model
from sensorium.errors import RequestError
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.classification.predict import checked_top_k
from sensorium.tasks.image_classification.predict import ImagePredictor


@pytest.fixture(scope="module")
def model(trained_run: Path) -> LoadedModel:
    return load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu")


def predictor_of(model: LoadedModel, **options: Any) -> ImagePredictor:
    return ImagePredictor(model, PredictOptions(**options))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty digits as files; number 3 is text and number 10 is cut short."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number:02d}.png" for number in range(20)]
    for path, pixels in zip(paths, load_digits().images, strict=False):
        Image.fromarray(np.rint(pixels * (255 / 16)).astype(np.uint8)).save(path)
    paths[3].write_text("this is text")
    paths[10].write_bytes(paths[10].read_bytes()[:40])
    return paths


BROKEN = (3, 10)


def test_answers_come_in_order_with_the_unreadable_between(model: LoadedModel, pictures: list[Path]) -> None:
    answers = list(predictor_of(model, batch_size=6).predict(pictures))
    assert [answer.input for answer in answers] == [str(path) for path in pictures]
    assert tuple(number for number, answer in enumerate(answers) if answer.error) == BROKEN
    for answer in answers:
        if answer.error:
            assert answer.classes == ()
            assert answer.input in answer.error
        else:
            values = [value for _, value in answer.classes]
            assert len(values) == 5
            assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("batch_size", [1, 4, 256])
def test_a_batch_of_one_equals_its_row_of_a_large_one(
    model: LoadedModel, pictures: list[Path], batch_size: int
) -> None:
    readable = [path for number, path in enumerate(pictures) if number not in BROKEN]
    together = [dict(answer.classes) for answer in predictor_of(model, top_k=10, batch_size=18).predict(readable)]
    for answer, expected in zip(
        predictor_of(model, top_k=10, batch_size=batch_size).predict(pictures), _with_gaps(together), strict=True
    ):
        assert dict(answer.classes) == pytest.approx(expected, abs=1e-5)


def _with_gaps(answers: list[dict[str, float]]) -> Iterator[dict[str, float]]:
    waiting = iter(answers)
    for number in range(20):
        yield {} if number in BROKEN else next(waiting)


def test_it_sees_what_the_model_was_trained_on(model: LoadedModel, pictures: list[Path]) -> None:
    """The same probabilities as the model itself gives for the digits as arrays."""
    digits = np.rint(load_digits().images[:3, None] * (255 / 16)).astype(np.uint8)
    predictor = predictor_of(model, top_k=10)
    expected = predictor.classifier.probabilities(torch.from_numpy(digits))
    for row, answer in zip(expected, predictor.predict(pictures[:3]), strict=True):
        names = predictor.spec.class_names
        assert dict(answer.classes) == pytest.approx(dict(zip(names, row.tolist(), strict=True)), abs=1e-5)
        assert sum(dict(answer.classes).values()) == pytest.approx(1.0, abs=1e-5)


def test_a_batch_at_a_time_is_read(model: LoadedModel, pictures: list[Path]) -> None:
    taken: list[Path] = []

    def endless() -> Iterator[Path]:
        while True:
            taken.append(pictures[0])
            yield pictures[0]

    answers = predictor_of(model, batch_size=4).predict(endless())
    assert taken == []
    for expected in (4, 4, 4, 4, 8):
        next(answers)
        assert len(taken) == expected


@pytest.mark.parametrize("top_k", [1, 3, 10, 99])
def test_as_many_classes_as_asked_for_or_as_there_are(model: LoadedModel, pictures: list[Path], top_k: int) -> None:
    (answer,) = predictor_of(model, top_k=top_k).predict(pictures[:1])
    assert len(answer.classes) == min(top_k, 10)
    assert len({name for name, _ in answer.classes}) == len(answer.classes)


@pytest.mark.parametrize("top_k", [0, -1, 1.5, True, "all"])
def test_impossible_numbers_of_classes(model: LoadedModel, top_k: object) -> None:
    with pytest.raises(RequestError, match=f"top_k={top_k} is not possible"):
        checked_top_k(top_k)
    with pytest.raises(RequestError, match="is not possible"):
        predictor_of(model, top_k=top_k)
    assert checked_top_k(None) == 5


def test_nothing_in_nothing_out(model: LoadedModel) -> None:
    assert list(predictor_of(model).predict([])) == []


def test_only_unreadable_pictures(model: LoadedModel, pictures: list[Path]) -> None:
    answers = list(predictor_of(model).predict([pictures[3], pictures[10], pictures[3].with_name("gone.png")]))
    assert all(answer.error and not answer.classes for answer in answers)


def test_the_checkpoint_alone_is_enough(trained_run: Path, pictures: list[Path], tmp_path: Path) -> None:
    alone = shutil.copy(trained_run / "checkpoints" / "best.ckpt", tmp_path / "anything.ckpt")
    here = predictor_of(load_model(alone, accelerator="cpu"))
    there = predictor_of(load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu"))
    assert list(here.predict(pictures)) == list(there.predict(pictures))


def test_last_predicts_with_the_weights_it_says(trained_run: Path, pictures: list[Path]) -> None:
    """After one epoch the best and the last checkpoint are the same model, of which only the best is calibrated and
    detects."""
    last = predictor_of(load_model(trained_run / "checkpoints" / "last.ckpt", accelerator="cpu"))
    best_model = load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu")
    best = predictor_of(replace(best_model, calibration=None, out_of_distribution=None))
    assert list(last.predict(pictures)) == list(best.predict(pictures))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "RGBX"])
def test_an_image_of_pillow_in_a_mode_that_no_png_has_is_read_as_rgb(model, mode):
    raw = Image.fromarray(np.random.RandomState(0).randint(0, 256, (9, 7, 3), np.uint8)).convert(mode)
    ours, expected = predictor_of(model).predict([raw, raw.convert("RGB")])
    assert ours.error is None
    assert ours.classes == expected.classes
