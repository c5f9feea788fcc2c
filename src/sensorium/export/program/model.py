"""The model: its graphs, and what their metadata says."""

import argparse
import base64
import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.export.program.answers import TASKS
from sensorium.export.program.audio import read_audio
from sensorium.export.program.images import read_image
from sensorium.export.program.results import write
from sensorium.export.program.start import FORMAT, UNK, VOID, Found, Record, Session, Unreadable, Unusable
from sensorium.export.program.tokenizer import Tokenizer
from sensorium.export.program.writing import WRITERS

READS = {"images": "images", "waveform": "audio", "tokens": "texts", "source": "texts"}  # by the first input's name


def loaded(path: Path) -> tuple[Any, Record]:
    """A graph, and what its metadata says."""
    session = Session(str(path), providers=["CPUExecutionProvider"])
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
        if facts["inputs"][0] == "source":
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
