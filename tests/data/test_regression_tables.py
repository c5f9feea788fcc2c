"""Tables of images and of texts with numbers: columns, parts, and problems with their line; the synthetic ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from images import write_picture_folder
from sensorium.data.base import Data
from sensorium.data.text.price_texts import PriceTexts
from sensorium.data.text.text_regression_csv import TextRegressionCsv
from sensorium.data.vision.digit_pose import DigitPose
from sensorium.data.vision.image_regression_csv import ImageRegressionCsv
from sensorium.errors import RequestError
from sensorium.synthetic.poses import draw_digit
from sensorium.synthetic.price_texts import MATERIALS, NOISE, PIECES

SHARED = {"split_column": None, "encoding": None, "val_fraction": 0.1, "test_fraction": 0.2, "split_seed": 0}
SHARED |= {"on_conflict": "drop"}
TOKENS = {"tokenizer": "word", "vocab_size": 50, "min_count": 1, "lowercase": True, "max_length": 9}


def images(path: Path, on_bad: Any = "fail", **changes: Any) -> Data:
    settings = {"path_column": "path", "target_columns": ["age"], "image_size": 8, "resize": "crop", "channels": 1}
    return ImageRegressionCsv(path=str(path), cache_bytes=1 << 30, **(SHARED | settings | changes)).load(on_bad=on_bad)


def texts(path: Path, on_bad: Any = "fail", **changes: Any) -> Data:
    settings = {
        "text_column": "text",
        "text_separator": " | ",
        "target_columns": ["age"],
        "val_path": None,
        "test_path": None,
    }
    return TextRegressionCsv(path=str(path), **(SHARED | TOKENS | settings | changes)).load(on_bad=on_bad)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with 20 images, a table of them and a table of texts, line for line with the same numbers."""
    write_picture_folder(tmp_path, per_class=10)
    names = [f"class_{row // 10}/{row % 10:03d}.png" for row in range(20)]
    parts = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    for table, column in (("images.csv", "path"), ("texts.csv", "text")):
        cells = names if column == "path" else [f"text {row}" for row in range(20)]
        rows = [f"{cell},{row}.5,{-row},{parts[row]}" for row, cell in enumerate(cells)]
        (tmp_path / table).write_text("\n".join([f"{column},age,depth,part", *rows]) + "\n")
    return tmp_path


LOADERS = pytest.mark.parametrize(("load", "table"), [(images, "images.csv"), (texts, "texts.csv")])


@LOADERS
def test_parts_are_held_out_by_content_and_statistics_are_those_of_train(root: Path, load: Any, table: str) -> None:
    data = load(root / table)
    assert [len(part) for part in (data.train, data.val, data.test)] == [14, 2, 4]
    everything = np.concatenate([part.targets for part in (data.train, data.val, data.test)])
    assert sorted(everything[:, 0].tolist()) == [row + 0.5 for row in range(20)]
    assert data.spec.target_names == ("age",)
    assert data.spec.target_mean == pytest.approx(data.train.targets.mean(0))
    assert data.spec.target_std == pytest.approx(data.train.targets.std(0))
    lines = (root / table).read_text().splitlines()
    (root / table).write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    again = load(root / table)
    assert sorted(again.test.targets.tolist()) == sorted(data.test.targets.tolist())


@LOADERS
def test_several_targets_and_given_parts(root: Path, load: Any, table: str) -> None:
    data = load(root / table, target_columns=["depth", "age"], split_column="part")
    assert data.train.targets[:3].tolist() == [[0, 0.5], [-1, 1.5], [-2, 2.5]]
    assert data.spec.target_mean == (-5.5, 6.0)
    assert data.test.targets[:, 1].tolist() == [16.5, 17.5, 18.5, 19.5]
    batch = data.train.read(np.array([2, 0]))
    standardized = (np.array([[-2, 2.5], [0, 0.5]]) - data.spec.target_mean) / data.spec.target_std
    np.testing.assert_allclose(batch.targets.numpy(), standardized, rtol=1e-6)
    assert batch.indices.tolist() == [2, 0]
    joined = data.train.joined([data.val, data.test]).subset(np.array([12, 0]))
    assert joined.targets.tolist() == [[-12, 12.5], [0, 0.5]]
    np.testing.assert_allclose(joined.read(np.array([1])).targets.numpy(), standardized[1:], rtol=1e-6)
    assert len(joined.names) == len(joined) == 2


@LOADERS
def test_numbers_far_from_zero_keep_their_differences(root: Path, load: Any, table: str) -> None:
    """Seconds since 1970: float32 cannot tell those of two minutes apart."""
    lines = (root / table).read_text().splitlines()
    for row in range(20):
        lines[1 + row] = lines[1 + row].replace(f",{row}.5,", f",{1_700_000_000 + row},")
    (root / table).write_text("\n".join(lines) + "\n")
    data = load(root / table, split_column="part")
    wanted = (np.arange(12) - 5.5) / np.arange(12).std()
    np.testing.assert_allclose(data.train.read(np.arange(12)).targets[:, 0].numpy(), wanted, rtol=1e-5)


@LOADERS
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "no age"),
        ("old", "age is 'old', not a number"),
        ("1_0", "age is '1_0', not a number"),
        ("nan", "age is 'nan', not a finite number"),
        ("-inf", "age is '-inf', not a finite number"),
        ("1e31", "age is '1e31', beyond 1e+30"),
    ],
)
def test_what_is_no_number_is_named_with_its_line(root: Path, load: Any, table: str, cell: str, message: str) -> None:
    path = root / table
    path.write_text(path.read_text().replace(",3.5,", f",{cell},"))
    with pytest.raises(RequestError) as caught:
        load(path)
    assert f"{path}:5: {message}" in str(caught.value)
    data = load(path, on_bad="skip")
    assert [str(problem) for problem in data.problems] == [f"{path}:5: {message}"]
    assert sum(len(part) for part in (data.train, data.val, data.test)) == 19


@LOADERS
def test_other_problems(root: Path, load: Any, table: str) -> None:
    path = root / table
    lines = path.read_text().splitlines()
    # The same content with two numbers; in two parts; a part that is none; nothing where path or text should be.
    content = lines[1].split(",")[0]
    path.write_text("\n".join([*lines, f"{content},9.5,0,train", f"{lines[3]}x", ",1,1,val"]) + "\n")
    with pytest.raises(RequestError) as caught:
        load(path, split_column="part")
    told = str(caught.value)
    assert "labeled '0.5'" in told
    assert "label '9.5'" in told
    assert "split 'trainx' is none of" in told
    assert ("no path" if load is images else "no text") in told
    path.write_text("\n".join([*lines, lines[1].replace("train", "test")]) + "\n")
    with pytest.raises(RequestError, match="which is in test"):
        load(path, split_column="part")


@LOADERS
def test_targets_that_cannot_be(root: Path, load: Any, table: str) -> None:
    path = root / table
    content = path.read_text().splitlines()[0].split(",")[0]
    for columns, message in (
        (None, r"target_columns=null: give a list"),
        ("age", r"target_columns=age: give a list"),
        (["age", "age"], "names a column twice"),
        (["agee"], r"no column 'agee'. Did you mean dataset.target_columns=age\?"),
        ([content], f"names {content}, which is dataset.{content}_column"),
    ):
        with pytest.raises(RequestError, match=message):
            load(path, target_columns=columns)
    path.write_text("\n".join(f"{line},7" for line in path.read_text().splitlines()).replace("part,7", "part,same"))
    with pytest.raises(RequestError, match="same is 7 for each of the 14 training examples; there is nothing"):
        load(path, target_columns=["same"])


@LOADERS
def test_too_few_to_hold_out(root: Path, load: Any, table: str) -> None:
    path = root / table
    path.write_text("\n".join(path.read_text().splitlines()[:3]) + "\n")
    with pytest.raises(RequestError, match=r"has 2 different (images|texts) in train, too few to hold out"):
        load(path)


def test_an_unreadable_image_is_named_with_its_line(root: Path) -> None:
    (root / "class_0" / "002.png").write_bytes(b"no image")
    with pytest.raises(RequestError, match=r"images.csv:4"):
        images(root / "images.csv")
    (root / "class_0" / "002.png").unlink()
    with pytest.raises(RequestError, match=r"images.csv:4: there is no file"):
        images(root / "images.csv")


def pose(**changes: Any) -> Data:
    settings = {"num_train": 30, "num_val": 5, "num_test": 5, "max_angle": 60, "image_size": None, "resize": "crop"}
    return DigitPose(**(settings | {"channels": "auto", "split_seed": 0} | changes)).load(on_bad="fail")


def test_digit_pose_is_the_same_each_time_and_its_parts_differ() -> None:
    data, more = pose(), pose(num_train=31)
    rows = np.arange(30)
    assert np.array_equal(data.train.images.read(rows), more.train.images.read(rows))
    assert np.array_equal(data.train.targets, more.train.targets[:30])
    assert np.abs(data.train.targets[:, 0]).max() <= 60
    assert data.train.targets[:, 1].min() >= 10
    assert data.train.targets[:, 1].max() <= 18
    with pytest.raises(RequestError, match="max_angle=91"):
        pose(max_angle=91)


def test_a_digit_is_turned_counterclockwise_around_the_middle() -> None:
    bar = np.zeros((8, 8))
    bar[3:5, 4:] = 16  # from the middle to the right
    for angle, where in ((0, np.s_[9:15, 12:20]), (90, np.s_[4:12, 9:15]), (-90, np.s_[12:20, 9:15])):
        drawn = draw_digit(bar, angle=angle, size=16).astype(float)
        assert drawn[where].sum() > 0.9 * drawn.sum(), angle
    ours = draw_digit(np.full((8, 8), 16.0), angle=30, size=12)
    theirs = Image.fromarray(np.pad(np.full((12, 12), 230, np.uint8), 6)).rotate(30, resample=Image.Resampling.BILINEAR)
    assert np.abs(ours.astype(int) - np.asarray(theirs)).mean() < 8  # apart from the blurred edge


def test_a_price_is_the_sum_of_its_words() -> None:
    data = PriceTexts(train=400, val=10, test=10, data_seed=0, **TOKENS).load(on_bad="fail")
    plain = [
        (text.split(), price)
        for text, (price,) in zip(data.train.texts, data.train.targets.tolist(), strict=True)
        if text.startswith("one plain") and "," not in text
    ]
    assert len(plain) >= 3
    for (_, _, material, piece), price in plain:
        assert abs(price - PIECES[piece] - MATERIALS[material]) < 5 * NOISE
    assert len(set(data.train.texts)) == 400
