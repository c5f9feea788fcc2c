"""sensorium predict for segmenters: a line a picture, masks as indexed PNGs, and masks laid over the pictures."""

import sys
from pathlib import Path

from PIL import Image

from sensorium.cli import inputs, output
from sensorium.cli.app import Config
from sensorium.cli.drawn import PictureFolder
from sensorium.errors import RequestError
from sensorium.predictor.opened import Opened
from sensorium.predictor.segmentation import Mask, SegmentationPredictor
from sensorium.report.segmentation import indexed, overlay
from sensorium.vision.decode import decode_image


def pixels(config: Config, opened: Opened) -> int:
    """Writes answers as they come where the format allows it; returns how many pictures could not be read."""
    predictor, kind = SegmentationPredictor(opened), config["format"]
    paths = list(inputs.picture_files(config["input"]))
    folders = _folders(config, paths)
    streamed = config["output"] is None and kind != "table"
    records: list[output.Record] = []
    failures = 0
    for number, answer in enumerate(predictor.predict(paths, batch_size=config["batch_size"])):
        if answer.error is not None:
            failures += 1
            print(f"sensorium: {answer.error}", file=sys.stderr)
        written = _written(answer, folders, predictor.spec.palette)
        record = _record(answer, written, config, predictor.spec.class_names)
        if streamed:
            sys.stdout.write(output.as_csv([record], header=number == 0) if kind == "csv" else output.as_json(record))
        elif answer.error is None or kind != "table":
            records.append(record)
    if not streamed and (records or config["output"]):
        output.write_records(records, format=kind, output=config["output"])
    return failures


def _folders(config: Config, paths: list[Path]) -> dict[str, PictureFolder]:
    """Of the keys masks and overlay, those that were given."""
    given = {key: Path(str(config[key])).expanduser() for key in ("masks", "overlay") if config[key] is not None}
    if len({folder.resolve() for folder in given.values()}) < len(given):
        raise RequestError("masks and overlay name the same folder, where one would replace the other.\nGive two.")
    return {key: PictureFolder(key, folder, paths) for key, folder in given.items()}


def _written(answer: Mask, folders: dict[str, PictureFolder], palette: tuple[int, ...]) -> dict[str, str]:
    """Writes what is wanted of one answer; the files, by key."""
    if answer.mask is None:
        return dict.fromkeys(folders, "")
    files = {}
    if "masks" in folders:
        files["masks"] = folders["masks"].write(answer.input, indexed(answer.mask, palette))
    if "overlay" in folders:
        height, width = answer.mask.shape
        picture = decode_image(Path(answer.input), image_size=(height, width), in_channels=3, resize="stretch")
        laid_over = Image.fromarray(overlay(picture, answer.mask, palette))
        files["overlay"] = folders["overlay"].write(answer.input, laid_over)
    return {key: str(path) for key, path in files.items()}


def _record(answer: Mask, written: dict[str, str], config: Config, class_names: tuple[str, ...]) -> output.Record:
    kind, shares = config["format"], answer.shares
    if kind == "csv":
        columns = {f"share_{name}": dict(shares).get(name, 0.0 if shares else "") for name in class_names}
        return {"input": answer.input, **written, **columns, "error": answer.error or ""}
    if kind == "json":
        classes = [{"class": name, "share": share} for name, share in shares]
        size = {} if answer.mask is None else dict(zip(("height", "width"), answer.mask.shape, strict=True))
        error = {"error": answer.error} if answer.error else {}
        return {"input": answer.input, **size, **written, "classes": classes} | error
    shown = "  ".join(f"{name} {share:.3f}" for name, share in shares[: config["top_k"]])
    return {"input": answer.input, **written, "classes": shown}
