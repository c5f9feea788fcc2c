"""Raw pictures in, class names out: in order, a batch at a time, and the same in any company."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sensorium.tasks.loaded import load_model
from sklearn.datasets import load_digits

from sensorium.errors import RequestError
from sensorium.tasks.classification.predict import check_top_k
from sensorium.tasks.image_classification.predict import PicturePredictor


@pytest.fixture(scope="module")
def predictor(trained_run: Path) -> PicturePredictor:
    return PicturePredictor(load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty digits as files; number 3 is text and number 10 is cut short."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{number:02d}.png" for number in range(20)]
    for path, pixels in zip(paths, load_digits().images, strict=False):
        Image.fromarray(np.rint(pixels * (255 / 16)).astype(np.uint8)).save(path)
    paths[3].write_text("this is text")
    paths[10].write_bytes(paths[10].read_bytes()[:40])
    return paths


BROKEN = (3, 10)


def test_answers_come_in_order_with_the_unreadable_between(predictor: PicturePredictor, pictures: list[Path]) -> None:
    answers = list(predictor.predict(pictures, batch_size=6))
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
    predictor: PicturePredictor, pictures: list[Path], batch_size: int
) -> None:
    readable = [path for number, path in enumerate(pictures) if number not in BROKEN]
    together = [dict(answer.classes) for answer in predictor.predict(readable, top_k=10, batch_size=18)]
    for answer, expected in zip(
        predictor.predict(pictures, top_k=10, batch_size=batch_size), _with_gaps(together), strict=True
    ):
        assert dict(answer.classes) == pytest.approx(expected, abs=1e-5)


def _with_gaps(answers: list[dict[str, float]]) -> Iterator[dict[str, float]]:
    waiting = iter(answers)
    for number in range(20):
        yield {} if number in BROKEN else next(waiting)


def test_it_sees_what_the_model_was_trained_on(predictor: PicturePredictor, pictures: list[Path]) -> None:
    """The same probabilities as the model itself gives for the digits as arrays."""
    digits = np.rint(load_digits().images[:3, None] * (255 / 16)).astype(np.uint8)
    expected = predictor.classifier.probabilities(torch.from_numpy(digits))
    for row, answer in zip(expected, predictor.predict(pictures[:3], top_k=10), strict=True):
        names = predictor.spec.class_names
        assert dict(answer.classes) == pytest.approx(dict(zip(names, row.tolist(), strict=True)), abs=1e-5)
        assert sum(dict(answer.classes).values()) == pytest.approx(1.0, abs=1e-5)


def test_a_batch_at_a_time_is_read(predictor: PicturePredictor, pictures: list[Path]) -> None:
    taken: list[Path] = []

    def endless() -> Iterator[Path]:
        while True:
            taken.append(pictures[0])
            yield pictures[0]

    answers = predictor.predict(endless(), batch_size=4)
    assert taken == []
    for expected in (4, 4, 4, 4, 8):
        next(answers)
        assert len(taken) == expected


@pytest.mark.parametrize("top_k", [1, 3, 10, 99])
def test_as_many_classes_as_asked_for_or_as_there_are(
    predictor: PicturePredictor, pictures: list[Path], top_k: int
) -> None:
    (answer,) = predictor.predict(pictures[:1], top_k=top_k)
    assert len(answer.classes) == min(top_k, 10)
    assert len({name for name, _ in answer.classes}) == len(answer.classes)


@pytest.mark.parametrize("top_k", [0, -1, 1.5, True, "all", None])
def test_impossible_numbers_of_classes(predictor: PicturePredictor, top_k: object) -> None:
    with pytest.raises(RequestError, match=f"top_k={top_k} is not possible"):
        check_top_k(top_k)
    with pytest.raises(RequestError, match="is not possible"):
        list(predictor.predict([], top_k=top_k))  # type: ignore[arg-type]


def test_nothing_in_nothing_out(predictor: PicturePredictor) -> None:
    assert list(predictor.predict([])) == []


def test_only_unreadable_pictures(predictor: PicturePredictor, pictures: list[Path]) -> None:
    answers = list(predictor.predict([pictures[3], pictures[10], pictures[3].with_name("gone.png")]))
    assert all(answer.error and not answer.classes for answer in answers)


def test_the_checkpoint_alone_is_enough(trained_run: Path, pictures: list[Path], tmp_path: Path) -> None:
    alone = shutil.copy(trained_run / "checkpoints" / "best.ckpt", tmp_path / "anything.ckpt")
    here = PicturePredictor(load_model(alone, accelerator="cpu"))
    there = PicturePredictor(load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu"))
    assert list(here.predict(pictures)) == list(there.predict(pictures))


def test_last_predicts_with_the_weights_it_says(trained_run: Path, pictures: list[Path]) -> None:
    """After one epoch the best and the last checkpoint are the same model."""
    last = PicturePredictor(load_model(trained_run / "checkpoints" / "last.ckpt", accelerator="cpu"))
    best = PicturePredictor(load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu"))
    assert list(last.predict(pictures)) == list(best.predict(pictures))
