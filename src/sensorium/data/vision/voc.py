"""Pictures with boxes in the folders of Pascal VOC, one XML file a picture.

M. Everingham et al., The Pascal Visual Object Classes Challenge, International Journal of Computer Vision 2010.
"""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.vision.detection_files import FoundBox, FoundScene, SceneList, make_detection
from sensorium.data.vision.line_xml import LINE, UnreadableXml, read_xml
from sensorium.data.vision.listed import existing_image_source
from sensorium.data.vision.scene_files import PictureFile, SceneSettings
from sensorium.data.vision.store import Channels
from sensorium.data.vision.voc_lists import Listed, listed_stems, missing_picture, need_folders, pictures_by_stem
from sensorium.specs import Resize

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Voc:
    """`root/Annotations/*.xml`, `root/JPEGImages/*` and `root/ImageSets/Main/{train,val,test}.txt`.

    Corners are numbers of pixels, counted from 1, that belong to the box: xmin = 1 and xmax = 2 is a box two pixels
    wide, from 0 to 2. A picture is the one called as its annotation, whatever the annotation calls it.

    class_names: in this order; None takes those of the boxes in train.
    """

    task = "detection"

    def __init__(
        self,
        *,
        root: str | None,
        class_names: Sequence[str] | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._root, self._class_names = root, class_names
        self._settings = SceneSettings(
            image_size=image_size,
            resize=resize,
            channels=channels,
            cache_bytes=cache_bytes,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing_image_source("root", self._root, folder=True)
        need_folders(root, ("Annotations", "JPEGImages"), "Main")
        found = SceneList(root, class_names=self._class_names)
        listed, found.notes = listed_stems(root, "Main", root / "Annotations")
        pictures = pictures_by_stem(root / "JPEGImages")
        for entry in listed:
            _add(found, entry, pictures.get(entry.stem))
        return make_detection(found, self._settings, on_bad=on_bad)


def _add(found: SceneList, listed: Listed, picture: Path | None) -> None:
    """Adds one picture and its boxes, or says why not."""
    path = found.source / "Annotations" / f"{listed.stem}.xml"
    if picture is None:
        found.problems.append(missing_picture(listed, found.source / "JPEGImages"))
        return
    try:
        annotation = read_xml(path)
    except UnreadableXml as error:
        found.problems.append(Problem(f"{path}:{error.line}", error.what))
        return
    except OSError:
        found.problems.append(Problem(listed.place, f"there is no annotation {path}"))
        return
    boxes = []
    for element in annotation.iter("object"):
        box = _box(element, path)
        if isinstance(box, Problem):
            found.problems.append(box)
        else:
            boxes.append(box)
    size, place = _size(annotation, path)
    found.scenes.append(FoundScene(PictureFile(picture, listed.part, str(picture)), boxes, size, place))


def _box(element: Element, path: Path) -> FoundBox | Problem:
    place = f"{path}:{element.get(LINE)}"
    label = (element.findtext("name") or "").strip()
    if not label:
        return Problem(place, "object without a name")
    box = element.find("bndbox")
    words = [(box.findtext(corner) or "").strip() for corner in _CORNERS] if box is not None else []
    missing = [corner for corner, word in zip(_CORNERS, words, strict=False) if not word]
    if box is None or missing:
        return Problem(place, f"object {label!r} without {missing[0] if missing else 'a bndbox'}")
    place = f"{path}:{box.get(LINE)}"
    written = ", ".join(f"{corner} {word}" for corner, word in zip(_CORNERS, words, strict=True))
    try:
        left, top, right, bottom = (float(word) for word in words)
    except ValueError:
        return Problem(place, f"box with a number that is none ({written})")
    # The first pixel begins at 0. A box from a pixel to the same one is meant to be empty by nobody, but drawn so.
    corners = (left - (right > left), top - (bottom > top), right, bottom)
    difficult = (element.findtext("difficult") or "").strip() == "1"
    return FoundBox(place, label, corners, written, difficult)


def _size(annotation: Element, path: Path) -> tuple[tuple[int, int] | None, str]:
    """(height, width) that the annotation says, None when it says none, and where."""
    element = annotation.find("size")
    words = [(element.findtext(side) or "").strip() for side in ("height", "width")] if element is not None else []
    if element is None or not all(word.isdigit() for word in words):
        return None, ""
    return (int(words[0]), int(words[1])), f"{path}:{element.get(LINE)}"
