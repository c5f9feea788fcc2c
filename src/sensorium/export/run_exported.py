"""Predictions of a model that `sensorium export` wrote, without Sensorium and without PyTorch.

    python run.py cat.png dog.jpg          images, or recordings
    python run.py --text "a lovely film"   texts to classify, translate or continue

needs onnxruntime and NumPy, and Pillow for images or soundfile for audio. It reads model.onnx beside it, and prints a
line of JSON for each input, as `sensorium predict format=jsonl` does. Exit status: 0; 1 when an input has an error,
which its line states; 2 when nothing could be started.
"""

import argparse
import base64
import json
import math
import os
import re
import struct
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import count, pairwise
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import onnxruntime
except ModuleNotFoundError as error:
    sys.stderr.write(f"run.py needs {error.name}: pip install onnxruntime numpy pillow soundfile\n")
    sys.exit(2)

FORMAT = 1  # of the metadata, the latest that this file knows
PAD, UNK, BOS, EOS, VOID, WHITE = 0, 1, 2, 3, 255, 65535
Found = dict[str, np.ndarray]  # the graph's outputs by name, for a batch of one
Record = dict[str, Any]


class Unreadable(Exception):
    """Why an input has no result."""


class Unusable(Exception):
    """Why a model cannot be used."""


# -- images: decoded, turned, made gray or RGB, resized

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
# Pillow has no color of 16 bits: it gives the high bytes, and in the other byte order the low ones; of LA;16B, both.
LOW_BYTES = {f"{mode};16{order}": f"{mode};16{other}" for mode in ("RGB", "RGBX", "RGBA")
             for order, other in (("B", "L"), ("L", "B"), ("N", "B"))} | {"LA;16B": "RGBA"}  # fmt: skip
DAMAGE = (OSError, ValueError, SyntaxError, TypeError, LookupError, ArithmeticError, EOFError, struct.error, zlib.error)


def read_image(path: str | Path, spec: dict[str, Any]) -> tuple[np.ndarray, tuple[int, int]]:
    """The file's pixels (C, H, W), uint8 or float32 as the model takes them, and (height, width) as displayed."""
    from PIL import Image, UnidentifiedImageError

    data = b""
    try:
        data = Path(path).read_bytes()
        return decoded(data, spec)
    except UnidentifiedImageError:
        reason = f"its content is none of {', '.join(FORMATS)}" if data else "the file is empty"
    except Image.DecompressionBombError:
        reason = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    except DAMAGE as error:
        if strerror := getattr(error, "strerror", None):
            reason = strerror.lower()
        else:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
    raise Unreadable(f"{path}: not a readable image ({reason})")


def decoded(data: bytes, spec: dict[str, Any]) -> tuple[np.ndarray, tuple[int, int]]:
    """As `read_image`, of the content of a file."""
    from PIL import Image, ImageOps

    channels, (height, width), limits = spec["in_channels"], spec["image_size"], spec.get("pixel_range")
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        raw = raw_mode(image)  # known only until the pixels are decoded
        turned = image.getexif().get(0x0112, 1) >= 5 and image.format != "TIFF"
        size = (image.width, image.height) if turned else (image.height, image.width)
        if limits is not None and (image.mode[0] in "IF" or raw in LOW_BYTES):
            planes = in_range(*deep_values(image, data, raw), limits)
            if channels == 1 and len(planes) == 3:
                planes = np.tensordot((0.299, 0.587, 0.114), planes, axes=1)[None].astype(np.float32)
            fitted = [np.asarray(fit(Image.fromarray(plane), height, width, spec["resize"])) for plane in planes]
            pixels = np.rint(fitted).clip(0, WHITE).astype(np.float32) / WHITE
            return np.broadcast_to(pixels, (channels, height, width)), size
        image.draft(None, (2 * max(height, width), 2 * max(height, width)))
        ImageOps.exif_transpose(image, in_place=True)
        fitted = fit(eight_bit(image), height, width, spec["resize"])
        wanted = np.asarray(fitted.convert("L"))[None] if channels == 1 else np.asarray(fitted.convert("RGB"))
        pixels = wanted if channels == 1 else wanted.transpose(2, 0, 1)
        return (pixels if limits is None else pixels.astype(np.float32) / 255), size


def raw_mode(image: Any) -> str:
    """How the file stores the image, in the names of Pillow's decoders."""
    arguments = image.tile[0].args if image.tile else ""
    found = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return found if isinstance(found, str) else ""


def numbers(image: Any) -> np.ndarray:
    """Values of more than 8 bits, 0 for black: Pillow leaves a 16-bit TIFF as it is in which 0 is white."""
    values = np.asarray(image)
    return WHITE - values if getattr(image, "tag_v2", {}).get(262) == 0 and image.mode.startswith("I;16") else values


def eight_bit(image: Any) -> Any:
    """An image of any mode as L or RGB: 16-bit gray scaled, what is transparent white."""
    from PIL import Image

    if image.mode[0] in "IF":
        values = numbers(image)
        top = 65535 if image.mode[0] == "I" else 1 if values.max() <= 1 else 255
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= top):
            kind = values.dtype
            raise ValueError(f"its values run from {low:g} to {high:g}; 0 to {top} is expected of mode {kind}")
        return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def deep_values(image: Any, data: bytes, raw: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Values of more than 8 bits, (H, W) or (H, W, 3), and opacity (H, W) from 0 to 1 or None."""
    from PIL import Image, ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    if raw not in LOW_BYTES:
        values = numbers(image)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"NaN or infinite in {(~np.isfinite(values)).sum():,} of {values.size:,} values")
        return values, None
    with Image.open(BytesIO(data), formats=FORMATS) as again:
        again.tile = [tile._replace(args=(LOW_BYTES[raw], *tile.args[1:]) if isinstance(tile.args, tuple)
                                    else LOW_BYTES[raw]) for tile in again.tile]  # fmt: skip
        ImageOps.exif_transpose(again, in_place=True)
        low, high = np.asarray(again), np.asarray(image).astype(np.uint16)
    whole = low[..., 0::2].astype(np.uint16) << 8 | low[..., 1::2] if raw == "LA;16B" else high << 8 | low
    opacity = whole[..., -1] / WHITE if whole.shape[2] in (2, 4) else None
    return (whole[..., 0] if whole.shape[2] <= 2 else whole[..., :3]), opacity


def in_range(values: np.ndarray, opacity: np.ndarray | None, limits: list[float]) -> np.ndarray:
    """Values -> (1 or 3, H, W) float32 from 0 to WHITE; what is transparent becomes white."""
    low, high = limits
    found = (np.clip(values.astype(np.float64), low, high) - low) * (WHITE / (high - low))
    if opacity is not None:
        cover = opacity if found.ndim == 2 else opacity[..., None]
        found = found * cover + WHITE * (1 - cover)
    return (found[None] if found.ndim == 2 else found.transpose(2, 0, 1)).astype(np.float32)


def windows(height: int, width: int, new_height: int, new_width: int, resize: str) -> tuple[Any, Any]:
    """What is kept of an image, and where it lies in the resized one: left, top, width and height each."""
    source: tuple[float, ...] = (0, 0, width, height)
    target: tuple[int, ...] = (0, 0, new_width, new_height)
    if resize == "crop":
        scale = max(new_width / width, new_height / height)
        left, top = max(0.0, (width - new_width / scale) / 2), max(0.0, (height - new_height / scale) / 2)
        source = (left, top, width - 2 * left, height - 2 * top)
    elif resize == "pad":
        scale = min(new_width / width, new_height / height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        target = ((new_width - inner[0]) // 2, (new_height - inner[1]) // 2, *inner)
    return source, target


def fit(image: Any, height: int, width: int, resize: str) -> Any:
    """The image at the model's size, as in training."""
    from PIL import Image

    if image.size == (width, height):
        return image
    (left, top, *_), (x, y, *inner) = windows(image.height, image.width, height, width, resize)
    box = (left, top, image.width - left, image.height - top) if resize == "crop" else None
    small = image.resize(tuple(inner), Image.Resampling.BILINEAR, box=box)
    if resize != "pad":
        return small
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(small, (x, y))
    return canvas


# -- audio: one channel at the model's rate


def read_audio(path: str | Path, spec: dict[str, Any]) -> np.ndarray:
    """The file's samples (N,) float32."""
    import soundfile

    data = b""
    try:
        data = Path(path).read_bytes()  # also of a pipe, in which soundfile cannot go back
        samples, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    except OSError as error:
        raise Unreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (soundfile.SoundFileError, TypeError) as error:
        reason = (getattr(error, "error_string", None) or str(error)).removeprefix("Error : ").rstrip(". ").lower()
        raise Unreadable(f"{path}: {f'not readable audio: {reason}' if data else 'the file is empty'}") from error
    samples = resampled(samples.mean(axis=1), rate, spec["features"]["sample_rate"])
    if wrong := unusable(samples, spec["features"]["sample_rate"]):
        raise Unreadable(f"{path}: {wrong}")
    return samples


def resampled(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """By a windowed sinc of six zero crossings to each side, that of torchaudio.functional.resample."""
    if rate == new_rate:
        return samples
    step, gives = rate // math.gcd(rate, new_rate), new_rate // math.gcd(rate, new_rate)
    cutoff = min(step, gives) * 0.99 / step  # in cycles of half the source's rate
    width = math.ceil(6 / cutoff) + 2
    reach, padded, pieces = np.arange(-width, width + 1), np.pad(samples, width), [samples[:0]]
    length = -(-len(samples) * gives // step)
    for first in range(0, length, 4096):
        whole, rest = np.divmod(np.arange(first, min(first + 4096, length), dtype=np.int64) * step, gives)
        away = (reach - (rest / gives)[:, None]) * cutoff  # zero crossings from the middle
        filters = np.sinc(away) * np.cos(away.clip(-6, 6) * (math.pi / 12)) ** 2 * cutoff
        pieces.append(np.einsum("nt,nt->n", padded[(whole + width)[:, None] + reach], filters.astype(np.float32)))
    return np.concatenate(pieces)


def unusable(samples: np.ndarray, rate: int) -> str | None:
    """What is wrong with samples for which predictions would mean nothing; None where nothing is."""
    if not len(samples):
        return "empty: it has no samples"
    if bad := np.flatnonzero(~np.isfinite(samples)).tolist():
        what = "sample is" if len(bad) == 1 else "samples are"
        return f"{len(bad):,} {what} not a number or infinite, the first at {bad[0] / rate:.3f} s"
    low, high = float(samples.min()), float(samples.max())
    if high - low < 1e-4:
        return "silent: " + ("all samples are zero" if low == high == 0 else f"all samples are near {low:g}")
    if max(-low, high) > 4:
        return f"samples reach {max(-low, high):g}, beyond full scale (1): saved at a different scale"
    return None


# -- texts as token ids

UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
REPLACED = {0x2019: "'", 0x00AD: None, 0xFEFF: None, 0x200B: " "}
ENDING = r"'(?:s|m|d|ll|re|ve)"
PIECES = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII)  # GPT-2's
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
MOVED = [byte for byte in range(256) if byte not in PRINTABLE]  # "Ġ" is a space
SPELLED = dict(zip((*PRINTABLE, *MOVED), map(chr, (*PRINTABLE, *range(0x100, 0x100 + len(MOVED)))), strict=True))
BYTES = {sign: byte for byte, sign in SPELLED.items()}


class Tokenizer:
    """Characters, words or byte pairs, from what the model's metadata has of it."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.kind, self.lowercase = values["kind"], values["lowercase"]
        self.merges: dict[Any, int] = {}
        listed = values.get("characters" if self.kind == "char" else "words", ())
        if self.kind == "bpe":
            pairs = [tuple(merge.split(" ")) for merge in values["merges"]]
            self.merges = {pair: rank for rank, pair in enumerate(pairs)}
            listed = [*sorted(BYTES), *(left + right for left, right in pairs)]
        self.tokens = list(dict.fromkeys(["<pad>", "<unk>", "<bos>", "<eos>", *listed]))
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        marks = {0x200C, 0x200D, *(code for block in (range(0x300, 0x1F000), range(0xE0100, 0xE01F0)) for code in block
                                   if self.kind == "word" and unicodedata.category(chr(code))[0] == "M")}  # fmt: skip
        mark = "".join(map(chr, sorted(marks)))
        word = rf"[^\W_{UNSPACED}]+(?:[{mark}]+[^\W_{UNSPACED}]*)*"
        self.ending = re.compile(rf"(?<=[\w{mark}])(?i:n't|{ENDING})\b")
        self.word = re.compile(rf"\d+(?:[.,]\d+)+|[{UNSPACED}]|{word}(?:'{word})*|(?i:{ENDING})\b|\S[{mark}]*")

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # no lone surrogates
        if self.kind == "word" and not text.isascii():
            text = unicodedata.normalize("NFKC", text.translate(REPLACED))
        text = text.lower() if self.lowercase else text
        if self.kind == "bpe":
            # Each character's kind in ASCII, for the pattern: Python's has no \p{L} and \p{N}.
            kinds = "".join(sign if "\t" <= sign <= "\r" or " " <= sign < "\x7f" else kind_of(sign) for sign in text)
            return [number for found in PIECES.finditer(kinds) for number in self.merged(text[slice(*found.span())])]
        pieces = text if self.kind == "char" else self.word.findall(self.ending.sub(r" \g<0>", text))
        return [self.ids.get(piece, UNK) for piece in pieces]

    def merged(self, piece: str) -> list[int]:
        """The ids of a piece's bytes, the pair that was learned first merged first."""
        parts = [SPELLED[byte] for byte in piece.encode()]
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: self.merges.get(pair, math.inf))
            if best not in self.merges:
                break
            joined, place = [], 0
            while place < len(parts):
                pair = tuple(parts[place : place + 2]) == best
                joined.append(parts[place] + parts[place + 1] if pair else parts[place])
                place += 1 + pair
            parts = joined
        return [self.ids[part] for part in parts]

    def decode(self, ids: list[int]) -> str:
        """The text of ids, special ones omitted; of words with a space between any two."""
        pieces = [self.tokens[number] for number in ids if number > EOS]
        if self.kind == "bpe":
            return bytes(BYTES[sign] for piece in pieces for sign in piece).decode("utf-8", "replace")
        return ("" if self.kind == "char" else " ").join(pieces)


def kind_of(sign: str) -> str:
    """A letter, a digit, white space or a mark of ASCII for a character of the same kind."""
    category = unicodedata.category(sign)[0]
    return {"L": "a", "N": "0"}.get(category, "\t" if sign.isspace() and sign > "\x1f" else "!")


# -- what a task answers: a function of the model's outputs for one input -> the fields of its record


def classes(found: Found, model: "Model", size: Any) -> Record:
    """The most probable classes."""
    probabilities = found[model.outputs[1]][0]
    best = np.argsort(-probabilities, kind="stable")[: model.options.top_k or 5]
    return {"classes": [{"class": model.names[k], "probability": float(probabilities[k])} for k in best]}


def tags(found: Found, model: "Model", size: Any) -> Record:
    """The tags from a threshold on."""
    probabilities, least = (
        found[model.outputs[1]][0],
        0.5 if model.options.threshold is None else model.options.threshold,
    )
    kept = [k for k in np.argsort(-probabilities, kind="stable") if probabilities[k] >= least]
    return {"tags": [{"tag": model.names[k], "probability": float(probabilities[k])} for k in kept]}


def values(found: Found, model: "Model", size: Any) -> Record:
    """A number for each target."""
    return {"prediction": dict(zip(model.spec["target_names"], found[model.outputs[1]][0].tolist(), strict=True))}


def boxes(found: Found, model: "Model", size: Any) -> Record:
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


def mask(found: Found, model: "Model", size: Any) -> Record:
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


def transcript(found: Found, model: "Model", size: Any) -> Record:
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


# -- models that write a text, a token at a time


def translation(model: "Model", text: str) -> Record:
    """The best translations, by the beam search that the checkpoint asks for."""
    if not text.strip():
        return {"translations": [{"text": "", "score": 0.0}]}
    ids = [*model.tokenizer.encode(text)[: model.spec["max_length"] - 1], EOS]
    parts = model.session.run(model.outputs, {"source": np.array([ids]), "lengths": np.array([len(ids)])})
    step = model.step
    names = [one.name for one in step.get_inputs()]
    outputs = [one.name for one in step.get_outputs() if one.name != "probabilities"]
    memory, state = parts[: model.facts["memory"]], parts[model.facts["memory"] :]

    def after(tokens: list[int], state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        rows = [np.repeat(part, len(tokens), axis=0) for part in memory]
        logits, *later = step.run(outputs, dict(zip(names, (np.array(tokens), *rows, *state), strict=True)))
        return logits, later

    rules = {"beam_size": 5, "length_penalty": 1.0, "no_repeat_ngram": 0, "n_best": 1}
    rules |= {name: value for name, value in model.facts["decoding"].items() if value is not None}
    found = beam_search(after, state, rules, limit=2 * len(ids) + 10)
    if not found:
        raise Unreadable(f"{text[:100]}: the model's output is not a number (NaN or infinite)")
    return {"translations": [{"text": model.target.decode(tokens), "score": score} for score, tokens in found]}


def beam_search(after: Any, state: list[np.ndarray], rules: Record, *, limit: int) -> list[tuple[float, list[int]]]:
    """Scores and tokens, the best first. after: tokens (k,) and the state -> logits (k, V) and the state.

    A score is the log probability over ((5 + length) / 6) ** length_penalty (Y. Wu et al. 2016, arXiv 1609.08144).
    """
    size, alpha, repeat, best = (rules[name] for name in ("beam_size", "length_penalty", "no_repeat_ngram", "n_best"))
    finished: list[tuple[float, list[int]]] = []
    sums, texts, tokens = np.zeros(1, np.float32), [list[int]()], [BOS]
    while True:
        logits, state = after(tokens, state)
        scores = log_softmax(logits)
        scores[:, [PAD, BOS]] = -math.inf
        for row, text in enumerate(texts):
            scores[row, repeated(text, repeat)] = -math.inf
        length = len(texts[0])
        if length == limit:
            scores[:, np.arange(scores.shape[1]) != EOS] = -math.inf
        totals = (sums[:, None] + scores).ravel()
        order = np.argsort(-totals, kind="stable")[: 2 * size]
        texts = [[*texts[place // scores.shape[1]], int(place % scores.shape[1])] for place in order]
        penalty = ((6 + length) / 6) ** alpha
        ends = [text[-1] == EOS for text in texts]
        for place, text, ended in list(zip(order, texts, ends, strict=True))[:size]:
            if ended and math.isfinite(totals[place]):
                finished.append((float(totals[place] / penalty), text[:-1]))
        going = [at for at, end in enumerate(ends) if not end and math.isfinite(totals[order[at]])][:size]
        finished.sort(key=lambda one: -one[0])
        worst = finished[best - 1][0] if len(finished) >= best else -math.inf
        # Log probabilities only fall, so a text can still become as good as it is now at the full length.
        if not going or len(finished) >= size or totals[order[going[0]]] / ((6 + limit) / 6) ** alpha <= worst:
            return finished[:best]
        rows = order[going] // scores.shape[1]
        sums, texts, state = totals[order[going]], [texts[at] for at in going], [part[rows] for part in state]
        tokens = [text[-1] for text in texts]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def repeated(text: list[int], size: int) -> list[int]:
    """Tokens that would write `size` tokens in a row for the second time; none for 0."""
    last = text[len(text) - size + 1 :]
    return [text[at + size - 1] for at in range(len(text) - size + 1) if size and text[at : at + size - 1] == last]


def continuation(model: "Model", prompt: str) -> Record:
    """What follows a prompt. At a temperature above 0 tokens are drawn by NumPy: others than `predict` draws."""
    ids, options = model.tokenizer.encode(prompt), model.options
    if not ids:
        raise Unreadable("an empty prompt holds no token to continue")
    random, written, tokens = np.random.default_rng(options.seed or 0), list[int](), ids
    length = 200 if options.length is None else options.length
    temperature = 1.0 if options.temperature is None else options.temperature
    inputs = {one.name: one for one in model.session.get_inputs()}
    empty = [np.zeros([1, *(side if isinstance(side, int) else 0 for side in one.shape[1:])],
                      np.int64 if one.type == "tensor(int64)" else np.float32)
             for one in list(inputs.values())[1:]]  # fmt: skip
    outputs = [one.name for one in model.session.get_outputs() if one.name != "probabilities"]
    context, state = model.facts["context"], empty

    def read(ids: list[int], state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        logits, *later = model.session.run(outputs, dict(zip(inputs, (np.array([ids]), *state), strict=True)))
        return logits[0, -1].astype(np.float64), later

    while len(written) < length:
        while tokens:
            if context and state[0].shape[1] == context:  # full: its second half is read again
                _, state = read(state[0][0, -(context // 2) :].tolist(), empty)
            room = context - state[0].shape[1] if context else len(tokens)
            logits, state = read(tokens[:room], state)
            tokens = tokens[room:]
        if np.isnan(logits).any():
            raise Unreadable(f"{prompt[:100]}: the model's output is not a number (NaN)")
        logits[[PAD, UNK, BOS, EOS]] = -math.inf
        if temperature == 0:
            written.append(int(logits.argmax()))
        else:
            odds = np.exp(log_softmax(logits / temperature))
            written.append(int(random.choice(len(odds), p=odds / odds.sum())))
        tokens = written[-1:]
    before = ids[-8:]  # they decide whether a space comes first
    return {"text": model.tokenizer.decode([*before, *written])[len(model.tokenizer.decode(before)) :]}


MEANT_FOR = {  # options that other tasks have no use for
    "top_k": ("image_classification", "text_classification", "audio_classification"),
    "threshold": ("object_detection", "image_tagging"),
    "masks": ("semantic_segmentation",),
    **dict.fromkeys(("length", "temperature", "seed"), ("language_modeling",)),
}
READS = {"images": "images", "waveform": "audio", "tokens": "texts", "source": "texts"}  # by the first input's name
WRITERS: dict[
    str, tuple[Any, str, Record]
] = {  # what writes, the name of the input, and the field empty after an error
    "translation": (translation, "input", {"translations": []}),
    "language_modeling": (continuation, "prompt", {"text": ""}),
}


def loaded(path: Path) -> tuple[Any, Record]:
    """A graph, and what its metadata says."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map.get("sensorium", "{}"))
    if facts.get("format", FORMAT) != FORMAT:
        raise Unusable(f"{path} has format {facts['format']}; this run.py reads {FORMAT}: take the one beside it")
    return session, facts


class Model:
    """An exported model: its graph, and what its metadata says of it."""

    def __init__(self, path: Path, options: argparse.Namespace) -> None:
        self.session, facts = loaded(path)
        self.facts = facts
        self.step: Any = None  # the graph of a translator's next token
        if facts["spec"]["task"] == "translation":
            beside = path.with_name(f"{path.stem}.step.onnx")
            self.step, about = loaded(beside)
            if about.get("identity") != facts.get("identity"):
                raise Unusable(f"{beside} is of another model than {path}")
        self.spec, self.outputs, self.options = facts["spec"], facts["outputs"], options
        self.names, self.detector = self.spec.get("class_names"), facts.get("out_of_distribution")
        self.reads = facts["inputs"][0]  # images, waveform, tokens or source
        one, other = ("source_tokenizer", "target_tokenizer") if self.reads == "source" else ("tokenizer", "")
        self.tokenizer: Any = Tokenizer(self.spec[one]) if one in self.spec else None
        self.target: Any = Tokenizer(self.spec[other]) if other in self.spec else None
        self.greedy = self.reads == "waveform" and (facts["decoding"].get("beam_size") or 1) > 1

    def record(self, number: int, given: str) -> Record:
        """The record of an input, the number-th."""
        if self.spec["task"] in WRITERS:
            write, name, empty = WRITERS[self.spec["task"]]
            try:
                return {name: given, **write(self, given)}
            except Unreadable as error:
                return {name: given, **empty, "error": str(error)}
        answer, empty = TASKS[self.spec["task"]]
        self.number = number
        try:
            arrays, size = self.read(given)
            names = [one.name for one in self.session.get_inputs()]
            results = self.session.run(self.outputs, dict(zip(names, arrays, strict=True)))
            found = dict(zip(self.outputs, results, strict=True))
            checked = [found[name] for name in self.outputs if name != "features"]
            if any(np.isnan(one).any() or one.max(initial=0) == math.inf for one in checked):
                wrong = (
                    "the model's output is not a number (NaN or infinite); its weights are damaged, or this input is"
                )
                raise Unreadable(f"{given[:100] if self.reads == 'tokens' else given}: {wrong}")
            return {"input": given, **answer(found, self, size), **self.flag(found)}
        except Unreadable as error:
            return {"input": given, **empty, "error": str(error)}

    def read(self, given: str) -> tuple[list[np.ndarray], Any]:
        """The arrays that the graph takes, a batch of one, and the image's size or the audio's seconds."""
        if self.reads == "images":
            pixels, size = read_image(given, self.spec)
            return [np.ascontiguousarray(pixels[None])], size
        if self.reads == "waveform":
            one = read_audio(given, self.spec)
            return [one[None], np.array([len(one)])], len(one) / self.spec["features"]["sample_rate"]
        one = np.array(self.tokenizer.encode(given)[: self.spec["max_length"]] or [UNK])
        return [one[None], np.array([len(one)])], None

    def flag(self, found: Found) -> Record:
        """Whether the input is unlike the training data: the Mahalanobis distance to the nearest class."""
        if self.detector is None or "features" not in found:
            return {}
        arrays = ((name, kind, base64.b64decode(self.detector[name])) for name, kind in
                  (("center", "<f4"), ("whitening", "<f2"), ("means", "<f4")))  # fmt: skip
        center, whitening, means = (np.frombuffer(data, kind).astype(np.float64) for _, kind, data in arrays)
        features = found["features"][0].astype(np.float64)
        white = (features / max(np.linalg.norm(features), 1e-12) - center) @ whitening.reshape(len(center), -1)
        nearest = np.linalg.norm(means.reshape(-1, len(center)) - white * self.detector["scale"], axis=1).min()
        return {"out_of_distribution": not nearest <= self.detector["threshold"]}

    def write_mask(self, shown: np.ndarray) -> Record:
        """The field that names the file of a mask (H, W), in which pixels are class numbers and VOID."""
        if self.options.masks is None:
            return {}
        from PIL import Image

        image, colors = Image.fromarray(shown), np.zeros((256, 3), np.uint8)
        colors[: len(self.names)] = np.reshape(self.spec["palette"], (-1, 3))
        colors[VOID] = 255
        image.putpalette(colors.tobytes())
        path, file = self.options.masks[self.number], BytesIO()
        image.save(file, format="png")
        write(path, file.getvalue())
        return {"masks": str(path)}


def mask_paths(folder: str, inputs: list[str]) -> Iterator[Path]:
    """A PNG for each input; of inputs that share a name, the second ends in _2, and so on."""
    taken = set()
    for given in inputs:
        stem, names = Path(given).stem, count(2)
        name = stem
        while name.lower() in taken:
            name = f"{stem}_{next(names)}"
        taken.add(name.lower())
        yield Path(folder) / f"{name}.png"


def write(path: Path, content: bytes) -> None:
    """A file that is whole or not there; a device or a pipe is written to as it is."""
    target = Path(os.path.realpath(path))  # of a link the file that it leads to
    part = target.with_name(f".{target.name[:50]}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        if part.exists():
            part.unlink()


def is_same(one: Path, other: Path) -> bool:
    """Whether both are there and are one file."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def unwritable(options: argparse.Namespace) -> str | None:
    """Why results cannot be written where they are to go; None where they can."""
    read = [Path(one) for one in (*options.inputs, options.model)]
    for path in (*(options.masks or ()), *([options.output] if options.output else ())):
        if path.is_dir():
            return f"{path} is a folder"
        if path.parent.is_file():
            return f"{path.parent} is a file, no folder"
        if path.is_file():
            if any(is_same(one, path) for one in read):
                return f"{path} is read by this command; choose another place"
            if not options.overwrite:
                return f"{path} is already there; --overwrite replaces it"
    return None


def line(record: Record) -> str:
    """JSON that is safe on a terminal."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The command line; exit status 2 without an input."""
    parser = argparse.ArgumentParser(
        description="Predictions of the exported model beside this file, as lines of JSON."
    )
    parser.add_argument("inputs", nargs="*", metavar="FILE", help="images or recordings")
    parser.add_argument("--text", nargs="+", action="extend", default=[], help="texts, for a model of texts")
    parser.add_argument(
        "--model", type=Path, default=Path(__file__).with_name("model.onnx"), help="default: beside this file"
    )
    parser.add_argument("--top-k", type=int, help="classes for each input (5)")
    parser.add_argument("--threshold", type=float, help="lowest score of a box (0.3), or probability of a tag (0.5)")
    parser.add_argument("--masks", metavar="FOLDER", help="segmentation: where masks are written, a PNG for each image")
    parser.add_argument("--length", type=int, help="language models: tokens to write (200)")
    parser.add_argument("--temperature", type=float, help="language models: 0 is greedy (1)")
    parser.add_argument("--seed", type=int, help="language models: of the tokens that are drawn (0)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="lines go there instead of to standard output")
    parser.add_argument("--overwrite", action="store_true", help="replace masks and output that are already there")
    options = parser.parse_args(arguments)
    if not options.inputs and not options.text:
        parser.print_usage(sys.stderr)
        sys.exit(2)
    if options.top_k is not None and options.top_k < 1:
        parser.error(f"--top-k {options.top_k}: it is a number of classes, 1 or more")
    if any(number is not None and not number >= 0 for number in (options.length, options.temperature, options.seed)):
        parser.error("--length, --temperature and --seed are 0 or more")
    if options.output is not None and not options.output.parent.is_dir():
        parser.error(f"--output {options.output}: there is no folder {options.output.parent}")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        parser.error(f"--threshold {options.threshold:g}: it is from 0 to 1")
    if options.masks is not None:
        options.masks = list(mask_paths(options.masks, options.inputs))
    if wrong := unwritable(options):
        parser.error(wrong)
    return options


def opened(options: argparse.Namespace) -> "Model":
    """The model. Raises SystemExit with what is wrong with it, or with the inputs that it is given."""
    if not options.model.exists():
        raise SystemExit(f"run.py: there is no exported model {options.model}")
    try:
        model = Model(options.model, options)
    except Unusable as error:
        raise SystemExit(f"run.py: {error}") from error
    except (KeyError, ValueError) as error:
        raise SystemExit(f"run.py: {options.model} was not written by sensorium export ({error!r})") from error
    except Exception as error:  # onnxruntime has many
        raise SystemExit(f"run.py: {options.model} does not load: {str(error).splitlines()[0]}") from error
    if model.spec["task"] not in {**TASKS, **WRITERS} or model.reads not in READS:
        task, known = model.spec["task"], ", ".join([*TASKS, *WRITERS])
        raise SystemExit(
            f"run.py does not know the task {task}: only {known}. Use: sensorium predict ckpt={options.model}"
        )
    check_meant(options, model)
    if model.greedy:
        sys.stderr.write(
            "run.py: decoded greedily; the checkpoint asks for a beam search, which may find better texts\n"
        )
    return model


def check_meant(options: argparse.Namespace, model: "Model") -> None:
    """Raises SystemExit for options and inputs that other models take."""
    for name, tasks in MEANT_FOR.items():
        if getattr(options, name) is not None and model.spec["task"] not in tasks:
            option = name.replace("_", "-")
            raise SystemExit(f"run.py: --{option} is for {' and '.join(tasks)}; this model is for {model.spec['task']}")
    takes = READS[model.reads]
    if options.inputs and takes == "texts":
        raise SystemExit('run.py: this model takes texts: --text "..."')
    if options.text and takes != "texts":
        raise SystemExit(f"run.py: this model takes files of {takes}, no --text")


def main() -> int:
    """Exit status."""
    try:
        status = predict(parsed(sys.argv[1:]))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        sys.stderr.write("run.py: stopped\n")
        return 130
    except OSError as error:  # inputs that cannot be read have an error in their line: this is of what is written
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python still holds of standard output
        if isinstance(error, BrokenPipeError):  # run.py ... | head
            return 0
        sys.stderr.write(f"run.py: {error.filename or 'the output'} cannot be written: {error.strerror}\n")
        return 1


def predict(options: argparse.Namespace) -> int:
    """Exit status."""
    try:
        model = opened(options)
    except SystemExit as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    failures, lines = 0, []
    for number, given in enumerate(options.text or options.inputs):
        try:
            record = model.record(number, given)
        except ModuleNotFoundError as error:
            package = "pillow" if error.name == "PIL" else error.name
            sys.stderr.write(f"run.py needs {package} for this model: pip install {package}\n")
            return 2
        failures += "error" in record
        lines.append(line(record))
        if options.output is None:
            sys.stdout.write(lines.pop())
            sys.stdout.flush()
    if options.output is not None:
        write(options.output, "".join(lines).encode())
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
