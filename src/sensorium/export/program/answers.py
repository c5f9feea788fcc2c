"""What a task answers: a function of the model's outputs for one input -> the fields of its record."""

from typing import Any

import numpy as np

from sensorium.export.program.images import windows
from sensorium.export.program.start import VOID, Found, Record


def classes(found: Found, model: Any, size: Any) -> Record:
    """The most probable classes."""
    probabilities = found[model.outputs[1]][0]
    best = np.argsort(-probabilities, kind="stable")[: model.options.top_k or 5]
    return {"classes": [{"class": model.names[k], "probability": float(probabilities[k])} for k in best]}


def tags(found: Found, model: Any, size: Any) -> Record:
    """The tags from a threshold on."""
    probabilities, least = (
        found[model.outputs[1]][0],
        0.5 if model.options.threshold is None else model.options.threshold,
    )
    kept = [k for k in np.argsort(-probabilities, kind="stable") if probabilities[k] >= least]
    return {"tags": [{"tag": model.names[k], "probability": float(probabilities[k])} for k in kept]}


def values(found: Found, model: Any, size: Any) -> Record:
    """A number for each target."""
    return {"prediction": dict(zip(model.spec["target_names"], found[model.outputs[1]][0].tolist(), strict=True))}


def boxes(found: Found, model: Any, size: Any) -> Record:
    """Bounding boxes in pixels of the file, from a score on."""
    least = 0.3 if model.options.threshold is None else model.options.threshold
    height, width = size
    (new_height, new_width), resize = model.spec["image_size"], model.spec["resize"]
    source, target = map(np.array, windows(height, width, new_height, new_width, resize))
    kept, (x, y), (w, h) = [], target[:2], target[2:]
    for number in range(int(found["counts"][0])):
        box, score = found["boxes"][0][number].reshape(2, 2).astype(np.float64), float(found["scores"][0][number])
        box = ((box - (x, y)) * (source[2:] / (w, h)) + source[:2]).clip(0, (width, height)).astype(np.float32)
        if (box[1] > box[0]).all() and score >= least:
            sides = [round(float(side), 2) for side in box.flatten()]
            kept.append(
                {"class": model.names[found["labels"][0][number]], "score": float(f"{score:.6g}"), "box": sides}
            )
    return {"width": width, "height": height, "boxes": kept}


def mask(found: Found, model: Any, size: Any) -> Record:
    """The share of each class of a mask at the size of the file, and the mask's PNG if wanted."""
    shown = found["logits"][0].argmax(axis=0).astype(np.uint8)
    source, target = windows(size[0], size[1], shown.shape[0], shown.shape[1], model.spec["resize"])
    rows = nearest(size[0], shown.shape[0], target[1], target[3], source[1], source[3])
    columns = nearest(size[1], shown.shape[1], target[0], target[2], source[0], source[2])
    inside = (rows >= 0)[:, None] & (columns >= 0)
    shown = np.where(inside, shown[rows.clip(0)[:, None], columns.clip(0)], VOID).astype(np.uint8)
    counts = np.bincount(shown[shown != VOID], minlength=len(model.names))
    order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    shares = [{"class": model.names[k], "share": float(counts[k] / counts.sum())} for k in order]
    return {"height": size[0], "width": size[1], **model.write_mask(shown), "classes": shares}


def nearest(size: int, there: int, start: float, length: float, new_start: float, new_length: float) -> np.ndarray:
    """Which pixel of a side of `there` each pixel of the new side shows; -1 for none."""
    inside = (np.arange(size) + 0.5 - new_start) / new_length
    shown = np.clip(np.floor(start + inside * length), 0, there - 1).astype(np.int64)
    return np.where((inside >= 0) & (inside < 1), shown, -1)


def transcript(found: Found, model: Any, size: Any) -> Record:
    """The text of the most probable path."""
    path = found["log_probs"][0][: int(found["frames"][0])].argmax(axis=1)
    begins = (path != 0) & (path != np.concatenate([[0], path[:-1]]))  # 0 is the blank of CTC
    return {"seconds": round(size, 3), "text": model.tokenizer.decode(path[begins].tolist()).strip()}


TASKS: dict[str, tuple[Any, Record]] = {  # what answers, and the field that is empty in the record of an error
    "image_classification": (classes, {"classes": []}),
    "text_classification": (classes, {"classes": []}),
    "audio_classification": (classes, {"classes": []}),
    "image_tagging": (tags, {"tags": []}),
    "regression": (values, {"prediction": {}}),
    "object_detection": (boxes, {"boxes": []}),
    "semantic_segmentation": (mask, {"classes": []}),
    "speech_recognition": (transcript, {}),
}
