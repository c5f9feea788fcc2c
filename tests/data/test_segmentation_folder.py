"""Images and masks in folders: numbers or colours, what stands for nothing, and what is found to be wrong."""

import re
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from scenes import COMMON, write_mask, write_picture
from sensorium.batches import VOID
from sensorium.data.vision.segmentation_folder import SegmentationFolder
from sensorium.data.vision.voc_segmentation import VocSegmentation
from sensorium.errors import RequestError
from sensorium.vision.palette import distinct_palette, voc_palette

SIZE = (2, 3)
MASK = [[0, 1, 2], [2, 1, 0]]
PARTS = ("train", "val", "test")
COLOURS = {"road": [128, 64, 128], "void": [0, 0, 0], "car": [0, 0, 142]}


def write(root, masks, **how):
    """masks: part -> the mask of each image."""
    for number, (part, of) in enumerate(masks.items()):
        for i, mask in enumerate(of):
            write_picture(root / part / "images" / f"{i}.png", 100 * number + i, size=SIZE)
            if mask is not None:
                write_mask(root / part / "masks" / f"{i}.png", mask, **how)
    return root


def write_all(root, mask, **how):
    return write(root, {part: [mask] for part in PARTS}, **how)


def load(root, on_bad="fail", class_names=None, colours=None, ignore_index=None, **changes):
    given = {"class_names": class_names, "colours": colours, "ignore_index": ignore_index}
    return SegmentationFolder(root=root and str(root), **given, **(COMMON | changes)).load(on_bad=on_bad)


def told(root, **changes):
    with pytest.raises(RequestError) as caught:
        load(root, **changes)
    return str(caught.value)


def mask_of(data, part="train", row=0):
    return getattr(data, part).read(np.array([row])).masks[0].tolist()


def test_masks_of_numbers(tmp_path):
    write(tmp_path, {"train": [MASK, [[0, 0, 255]] * 2], "val": [MASK], "test": [[[1] * 3] * 2]})
    data = load(tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [2, 1, 1]
    assert (mask_of(data), mask_of(data, row=1)) == (MASK, [[0, 0, VOID]] * 2)
    assert data.spec.class_names == ("0", "1", "2")
    assert data.spec.palette == distinct_palette(3)
    assert (data.spec.image_size, data.spec.resize) == (SIZE, "stretch")
    assert data.train.sizes.tolist() == [list(SIZE)] * 2
    assert data.notes[-1] == "test has no pixels of: 0, 2"
    assert load(tmp_path, class_names=["a", "b", "c"]).spec.class_names == ("a", "b", "c")
    (tmp_path / "classes.txt").write_text("x\ny\nz\n")
    assert load(tmp_path).spec.class_names == ("x", "y", "z")


def test_what_stands_for_nothing_is_no_class(tmp_path):
    write_all(tmp_path, MASK)
    last, first = load(tmp_path, ignore_index=2), load(tmp_path, ignore_index=0, class_names=["a", "b"])
    assert (last.spec.class_names, mask_of(last)) == (("0", "1"), [[0, 1, VOID], [VOID, 1, 0]])
    assert (first.spec.class_names, mask_of(first)) == (("a", "b"), [[VOID, 0, 1], [1, 0, VOID]])
    assert "ignored numbers have no name: the pixel numbers are 1 a, 2 b" in first.notes
    assert not any("ignored numbers" in note for note in last.notes)
    write_all(tmp_path, [[0, 1, 2], [3, 4, 5]])
    several = load(tmp_path, ignore_index=[1, 5])
    assert (several.spec.class_names, mask_of(several)) == (("0", "2", "3", "4"), [[0, VOID, 1], [2, 3, VOID]])


def test_masks_of_colours(tmp_path):
    road, void, car = COLOURS.values()
    write_all(tmp_path, [[road, void, car], [car, car, road]])
    data = load(tmp_path, colours=COLOURS, ignore_index="void")
    assert data.spec.class_names == ("road", "car")
    assert data.spec.palette == (128, 64, 128, 0, 0, 142)
    assert mask_of(data) == [[0, VOID, 1], [1, 1, 0]]
    assert mask_of(load(tmp_path, colours=COLOURS)) == [[0, 1, 2], [2, 2, 0]]
    assert "its pixels are colors, not class numbers; dataset.colours says which" in told(tmp_path)


def test_names_beside_colours_are_those_of_the_colours(tmp_path):
    """By their place in classes.txt they would name other pixels."""
    road, void, car = COLOURS.values()
    write_all(tmp_path, [[road, car, void], [void] * 3])
    given = {"colours": COLOURS, "ignore_index": "void"}
    for names in (["car", "road"], ["road", "car"]):
        (tmp_path / "classes.txt").write_text("\n".join(names) + "\n")
        for class_names in (None, names):
            data = load(tmp_path, class_names=class_names, **given)
            assert (data.spec.class_names, mask_of(data)[0]) == (("road", "car"), [0, 1, VOID])
    for names, shown in (
        (["road"], "road"),
        (["road", "car", "sky"], "road, car, sky"),
        (["road", "bus"], "road, bus"),
    ):
        found = told(tmp_path, class_names=names, **given)
        assert f"has {shown}; dataset.colours names road, car.\nLeave one of the two out" in found


def test_a_palette_gives_numbers_and_the_colours_to_show_them_in(tmp_path):
    palette = [9, 9, 9, 255, 0, 0, 0, 255, 0]
    write_all(tmp_path / "a", MASK, palette=palette)
    data = load(tmp_path / "a", ignore_index=0)
    assert (mask_of(data), data.spec.palette) == ([[VOID, 0, 1], [1, 0, VOID]], (255, 0, 0, 0, 255, 0))
    colours = {"x": [0, 255, 0], "y": [9, 9, 9], "z": [255, 0, 0]}
    assert mask_of(load(tmp_path / "a", colours=colours)) == [[1, 2, 0], [0, 2, 1]]
    write_all(tmp_path / "b", MASK, palette=[0] * 9)  # which tells nothing apart
    assert load(tmp_path / "b").spec.palette == distinct_palette(3)


def test_grey_masks_stored_as_colours_are_numbers(tmp_path):
    write_all(tmp_path, np.repeat(np.array(MASK)[..., None], 3, axis=2))
    assert mask_of(load(tmp_path)) == MASK


def test_without_parts_they_are_held_out(tmp_path):
    data = load(write(tmp_path, {"": [MASK] * 16}))
    assert [len(part) for part in (data.train, data.val, data.test)] == [9, 3, 4]
    assert not set(data.train.names) & set(data.val.names)


def test_what_is_wrong_is_named_and_left_out(tmp_path):
    train = [MASK, [[0, 1]], [[0, 1, 2], [0, 7, 0]], None, MASK, MASK, [[255] * 3] * 2]
    write(tmp_path, {"train": train, "val": [MASK], "test": [MASK]})
    write_mask(tmp_path / "train" / "masks" / "gone.png", MASK)
    write_mask(tmp_path / "train" / "masks" / "jpeg.jpg", MASK)
    write_picture(tmp_path / "train" / "images" / "jpeg.png", 999, size=SIZE)
    (tmp_path / "train" / "masks" / "4.png").write_bytes(b"")
    test = (tmp_path / "test" / "images" / "0.png").read_bytes()
    (tmp_path / "train" / "images" / "5.png").write_bytes(test)
    data = load(tmp_path, class_names=["a", "b", "c"], on_bad="skip")
    folder = f"{tmp_path}/train"
    assert [str(problem).replace(f"{folder}/", "") for problem in data.problems] == [
        "images/3.png: there is no mask masks/3.png",
        "masks/jpeg.jpg: .jpg changes the pixels of a mask; save it as PNG",
        "masks/gone.png: there is no image images/gone.*",
        "masks/1.png: size 2 x 1 (width x height), but images/1.png has 3 x 2",
        "masks/2.png: class number 7 at column 1, row 1; the classes' numbers go up to 2",
        "masks/4.png: not a readable image (the file is empty)",
        f"images/5.png: same content as {tmp_path}/test/images/0.png, which is in test",
    ]
    assert [name.replace(f"{folder}/", "") for name in data.train.names] == ["images/0.png", "images/6.png"]
    assert "train: 1 mask without a labeled pixel, not used by the loss" in data.notes
    assert told(tmp_path, class_names=["a", "b", "c"]).startswith("The data has 7 problems")


def test_a_colour_that_is_not_listed(tmp_path):
    road, _, car = COLOURS.values()
    write(tmp_path, {"train": [[[road, car, car], [[1, 2, 3], road, road]]], "val": [None], "test": [None]})
    what = f"{tmp_path}/train/masks/0.png: color [1, 2, 3] at column 0, row 1 is not in dataset.colours"
    (tmp_path / "val" / "masks").mkdir()
    (tmp_path / "test" / "masks").mkdir()
    with pytest.raises(RequestError, match="has no usable images left in train"):
        load(tmp_path, colours=COLOURS, on_bad="skip")
    for part in PARTS:
        write_mask(tmp_path / part / "masks" / "1.png", [[road] * 3, [car] * 3])
        write_picture(tmp_path / part / "images" / "1.png", 10 * len(part) + ord(part[0]), size=SIZE)
    assert what in told(tmp_path, colours=COLOURS)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"ignore_index": 256}, "dataset.ignore_index=256: give a number from 0 to 255, or a list of such."),
        ({"ignore_index": "void"}, "dataset.ignore_index=void: give a number from 0 to 255"),
        (
            {"ignore_index": "viod", "colours": COLOURS},
            "give a name in dataset.colours (road, void, car), or a list of such. Did you mean void?",
        ),
        ({"colours": {"a": [1, 2]}}, "dataset.colours.a: give red, green and blue, three whole numbers"),
        ({"colours": {"a": [1, 2, 256]}}, "dataset.colours.a: give red"),
        ({"colours": {"a": [1, 2, 3], "b": [1, 2, 3]}}, "dataset.colours has the same color twice"),
        ({"ignore_index": [1, 2]}, "has 1 class (0); allowed are 2 to 255."),
        ({"class_names": ["a", "b", "a"]}, "have the same name: a, b, a."),
    ],
)
def test_settings_are_checked(tmp_path, settings, what):
    write_all(tmp_path, MASK)
    assert what in told(tmp_path, **settings)


def test_folders_that_are_not_there(tmp_path):
    (tmp_path / "train" / "images").mkdir(parents=True)
    assert told(tmp_path) == (
        f"{tmp_path}/train has no folders images and masks.\n"
        f"Expected: {tmp_path}/train/images/IMAGE and {tmp_path}/train/masks/MASK.png, or without train."
    )
    (tmp_path / "train" / "masks").mkdir()
    assert told(tmp_path) == f"{tmp_path} lists no usable image."


def load_voc(root, on_bad="fail", class_names=None):
    return VocSegmentation(root=str(root), class_names=class_names, **COMMON).load(on_bad=on_bad)


def test_vocs_folders(tmp_path):
    for number, name in enumerate("abc"):
        write_picture(tmp_path / "JPEGImages" / f"{name}.jpg", number, size=SIZE)
        write_mask(tmp_path / "SegmentationClass" / f"{name}.png", [[0, 1, 255], [2, 1, 0]], palette=voc_palette(256))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for part, name in zip(PARTS, "abc", strict=True):
        (lists / f"{part}.txt").write_text(f"{name}\n")
    data = load_voc(tmp_path)
    assert [part.names for part in (data.train, data.val, data.test)] == [
        [f"{tmp_path}/JPEGImages/{name}.jpg"] for name in "abc"
    ]
    assert mask_of(data, "test") == [[0, 1, VOID], [2, 1, 0]]
    assert data.spec.palette == voc_palette(3)
    assert load_voc(tmp_path, class_names=["background", "x", "y"]).spec.class_names == ("background", "x", "y")
    (lists / "train.txt").write_text("a\nd\ne\n")
    write_picture(tmp_path / "JPEGImages" / "e.jpg", 4, size=SIZE)
    with pytest.raises(RequestError, match="The data has 2 problems") as caught:
        load_voc(tmp_path)
    assert f"{lists}/train.txt:2: there is no image {tmp_path}/JPEGImages/d.*" in str(caught.value)
    assert f"{lists}/train.txt:3: there is no mask {tmp_path}/SegmentationClass/e.png" in str(caught.value)
    with pytest.raises(RequestError, match=re.escape("Expected: SegmentationClass/*, JPEGImages/*, and ImageSets/Seg")):
        load_voc(tmp_path / "JPEGImages")


def test_masks_of_0_and_255_need_the_colors_named(tmp_path):
    for number, part in enumerate(("train", "val", "test")):
        write_picture(tmp_path / part / "images" / "a.png", number, size=(2, 3))
        write_mask(tmp_path / part / "masks" / "a.png", [[0, 255, 255], [0, 0, 255]])
    message = told(tmp_path, class_names=["background", "thing"])
    assert "the masks hold 0 and 255, and 255 is ignored" in message
    assert "dataset.colours='{background: [0,0,0], object: [255,255,255]}'" in message
    data = load(tmp_path, colours={"background": [0, 0, 0], "thing": [255, 255, 255]})
    assert data.train.read_masks(np.array([0]))[0].tolist() == [[0, 1, 1], [0, 0, 1]]


def test_masks_of_one_class_alone_are_nothing_to_learn_from(tmp_path):
    for number, part in enumerate(("train", "val", "test")):
        write_picture(tmp_path / part / "images" / "a.png", number, size=(2, 3))
        write_mask(tmp_path / part / "masks" / "a.png", [[1, 1, 1], [1, 1, 1]])
    assert "the masks of train have pixels of b only" in told(tmp_path, class_names=["a", "b"])


def test_folders_among_the_images_are_named(tmp_path):
    root = write_all(tmp_path / "a", MASK)
    (root / "train" / "images" / "more").mkdir()
    (root / "train" / "images" / "loop").symlink_to(root)
    assert f"{root}/train/images: folders inside are not read: loop, more" in load(root).notes


def write_gray(path, mask, bits):
    """A PNG of gray with 2 or 4 bits a pixel, which Pillow does not write."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    digits = [row + [0] * (-len(row) % (8 // bits)) for row in mask]
    packed = [int("".join(f"{n:0{bits}b}" for n in row), 2).to_bytes(len(row) * bits // 8, "big") for row in digits]
    head = struct.pack(">IIBBBBB", len(mask[0]), len(mask), bits, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in packed))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


@pytest.mark.parametrize("bits", [2, 4])
def test_gray_of_few_bits_holds_class_numbers(tmp_path, bits):
    root = write_all(tmp_path, MASK)
    for part in PARTS:
        write_gray(root / part / "masks" / "0.png", MASK, bits)
    data = load(root)
    assert data.spec.class_names == ("0", "1", "2")
    assert mask_of(data) == MASK


def test_a_mask_is_turned_as_its_exif_says(tmp_path):
    root = write_all(tmp_path, MASK)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3  # half a turn
    path = root / "train" / "masks" / "0.png"
    Image.fromarray(np.array([[0, 0, 1], [2, 2, 2]], np.uint8)).save(path, exif=exif)
    assert mask_of(load(root)) == [[2, 2, 2], [1, 0, 0]]


def test_fractions_are_no_class_numbers(tmp_path):
    root = write_all(tmp_path, MASK)
    path = root / "train" / "masks" / "0.png"
    Image.fromarray(np.array(MASK, np.float32) + 0.5).save(path, format="tiff")
    assert f"{path}: values that are no whole numbers; class numbers are" in told(root)
    Image.fromarray(np.array(MASK, np.float32)).save(path, format="tiff")
    assert mask_of(load(root)) == MASK


@pytest.mark.parametrize(("names", "what"), [(b"caf\xe9\n", ":1: not UTF-8 (byte 0xe9)"), (b"\n", " names no class.")])
def test_lists_of_classes_that_are_none(tmp_path, names, what):
    root = write_all(tmp_path, MASK)
    (root / "classes.txt").write_bytes(names)
    assert f"{root}/classes.txt{what}" in told(root)
