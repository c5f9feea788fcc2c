"""Images with bounding boxes in the folders of Pascal VOC, one XML file an image.

M. Everingham et al., The Pascal Visual Object Classes Challenge, International Journal of Computer Vision 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.vision.box_targets import Annotation, Box, whole_number
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_boxes
from sensorium.data.vision.line_xml import LINE, UnreadableXml, read_xml
from sensorium.data.vision.listing import ImageListing
from sensorium.data.vision.voc_lists import Listed, voc_listing

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, kw_only=True)
class Voc(ImageFileSettings):
    """`root/Annotations/*.xml`, `root/JPEGImages/*` and `root/ImageSets/Main/{train,val,test}.txt`.

    Corners are numbers of pixels, counted from 1, that belong to the box: xmin = 1 and xmax = 2 is a box two pixels
    wide, from 0 to 2. An image is the one called as its annotation, whatever the annotation calls it.

    class_names: in this order; None takes those of the boxes in train.
    """

    task = "detection"

    root: str | None
    class_names: Sequence[str] | None

    def load(self, *, on_bad: OnBad) -> Data:
        found, listed = voc_listing(self.root, "Annotations", "Main")
        for entry, image in listed:
            _add(found, Path(found.source) / "Annotations" / f"{entry.stem}.xml", entry, image)
        found.need()
        return image_boxes(found, self, on_bad=on_bad, class_names=self.class_names)


def _add(found: ImageListing, path: Path, listed: Listed, image: Path) -> None:
    """Adds an image and the boxes of its annotation, or says why not."""
    try:
        content = read_xml(path)
    except UnreadableXml as error:
        found.problems.append(Problem(f"{path}:{error.line}", error.what))
        return
    except OSError:
        found.problems.append(Problem(listed.place, f"there is no annotation {path}"))
        return
    size, place = _size(content, path)
    annotation = Annotation(size=size, size_place=place)
    for element in content.iter("object"):
        annotation.add(_box(element, path))
    found.add(image, annotation, split=listed.split)


def _box(element: Element, path: Path) -> Box | Problem:
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
        return Problem(place, f"box with a value that is not a number ({written})")
    # The first pixel begins at 0. A box from a pixel to the same one is never meant to be empty, but drawn so.
    corners = (left - (right > left), top - (bottom > top), right, bottom)
    difficult = (element.findtext("difficult") or "").strip() == "1"
    return Box(place, label, corners, written, difficult)


def _size(annotation: Element, path: Path) -> tuple[tuple[int, int] | None, str]:
    """(height, width) that the annotation says, None when it says none, and where."""
    element = annotation.find("size")
    words = [(element.findtext(side) or "").strip() for side in ("height", "width")] if element is not None else []
    sides = [whole_number(word) for word in words]
    if element is None or min(sides) <= 0:  # 0 stands for unknown
        return None, ""
    return (sides[0], sides[1]), f"{path}:{element.get(LINE)}"
