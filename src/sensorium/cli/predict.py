"""sensorium predict: raw inputs in; class names, translations or more text out, as the checkpoint was trained for."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sensorium import runs
from sensorium.cli import boxes, inputs, listen, masks, output
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.request import WORDS, own_arguments
from sensorium.data.base import counted
from sensorium.errors import RequestError, unknown
from sensorium.evaluator.settings import BeamSettings, settings_from
from sensorium.predictor.classes import TOP_K, Prediction
from sensorium.predictor.generation import TextGenerator
from sensorium.predictor.opened import Opened, open_checkpoint
from sensorium.predictor.pictures import PicturePredictor
from sensorium.predictor.sounds import SoundPredictor
from sensorium.predictor.texts import TextPredictor, Translated, TranslationPredictor
from sensorium.report.plots import plot_attention

OPTIONS = ("attention", "threshold", "overlay", "masks")
# Keys that only some checkpoints have a use for: given to another, they are a mistake.
KEYS_OF_KIND = {
    "image": ("input",),
    "boxes": ("input", "threshold", "overlay"),
    "masks": ("input", "masks", "overlay"),
    "text": ("input", "text"),
    "translation": ("input", "text", "attention"),
    "language": ("prompt",),
    "sound": ("input", "threshold"),
    "speech": ("input",),
}
FORMATS = ("table", "csv", "json")
FORMATS_OF_KIND = {"boxes": (*FORMATS, "coco"), "language": ("table", "json"), "speech": (*FORMATS, "srt", "vtt")}


def run(arguments: list[str]) -> int:
    """Exit status 1 when some inputs could not be read; the others are answered all the same."""
    failures = 0

    # A person's words are taken as they are: Hydra would look for brackets, quotes and ${names} in them.
    words = {key: value for key, _, value in (argument.partition("=") for argument in arguments) if key in WORDS}

    def job(config: Config) -> None:
        nonlocal failures
        failures += _job(config | words)

    run_hydra("predict", own_arguments("predict", arguments), job)
    return 1 if failures else 0


def _job(config: Config) -> int:
    check("predict", config)
    kind_of = {
        "image": _pictures,
        "boxes": boxes.scenes,
        "masks": masks.pixels,
        "text": _texts,
        "translation": _translations,
        "language": _generate,
        "sound": _sounds,
        "speech": listen.transcripts,
    }
    opened = open_checkpoint(checkpoint_path(config["ckpt"]), accelerator=config["accelerator"], trust=config["trust"])
    kind = opened.spec.kind
    useful = KEYS_OF_KIND[kind]
    for key in ("input", "text", "prompt", *OPTIONS):
        if config[key] is not None and key not in useful:
            raise RequestError(f"{key}= means nothing to this checkpoint ({opened.spec}). It takes {useful[0]}=...")
    needed = [key for key in useful if key not in OPTIONS]
    if all(config[key] is None for key in needed):
        raise RequestError(f"sensorium predict needs {'=... or '.join(needed)}=... See: sensorium predict --help")
    if config["stream"] and kind not in ("sound", "speech"):
        raise RequestError(f"stream=true means nothing to this checkpoint ({opened.spec}): it is for sound.")
    if config["format"] not in FORMATS_OF_KIND.get(kind, FORMATS):
        raise unknown("format for this checkpoint", config["format"], FORMATS_OF_KIND.get(kind, FORMATS))
    return kind_of[kind](config, opened)


def checkpoint_path(given: Any) -> Path:
    """The checkpoint a person means: the file, or a run folder's best one."""
    path = Path(str(given))
    return runs.Run(path).best if (path / "checkpoints").is_dir() else path


# -- classes


def _pictures(config: Config, opened: Opened) -> int:
    paths = inputs.picture_files(config["input"])
    top_k = config["top_k"] or TOP_K
    predictor = PicturePredictor(opened)
    return _answer(predictor.predict(paths, top_k=top_k, batch_size=config["batch_size"]), config, opened)


def _texts(config: Config, opened: Opened) -> int:
    top_k = config["top_k"] or TOP_K
    predictor = TextPredictor(opened)
    answers = predictor.predict(
        inputs.texts(config["input"], config["text"]), top_k=top_k, batch_size=config["batch_size"]
    )
    failures = _answer(answers, config, opened)
    if predictor.cut:
        limit = predictor.spec.max_length
        print(f"cut to {limit} tokens (dataset.max_length): {counted(predictor.cut, 'text')}", file=sys.stderr)
    return failures


def _sounds(config: Config, opened: Opened) -> int:
    if config["stream"] or config["input"] == "mic":
        return listen.spotted(config, opened)
    if config["threshold"] is not None:
        raise RequestError("threshold= is for running sound; say stream=true as well.")
    answers = SoundPredictor(opened).predict(
        inputs.sound_files(config["input"]), top_k=config["top_k"] or TOP_K, batch_size=config["batch_size"]
    )
    return _answer(answers, config, opened)


def _answer(answers: Iterable[Prediction], config: Config, opened: Opened) -> int:
    """Writes answers as they come where the format allows it; returns how many inputs could not be read."""
    kind, failures = config["format"], 0
    top_k = min(config["top_k"] or TOP_K, len(opened.spec.class_names))  # type: ignore[union-attr]
    records: list[output.Record] = []
    streamed = config["output"] is None and kind != "table"
    for number, answer in enumerate(answers):
        if answer.error is not None:
            failures += 1
            print(f"sensorium: {answer.error}", file=sys.stderr)
        record = _record(answer, kind, top_k=top_k)
        if streamed:
            sys.stdout.write(output.as_csv([record], header=number == 0) if kind == "csv" else output.as_json(record))
        elif answer.error is None or kind != "table":
            records.append(record)
    if not streamed and (records or config["output"]):
        output.write_records(records, format=kind, output=config["output"])
    return failures


def _record(answer: Prediction, kind: str, *, top_k: int) -> output.Record:
    if kind == "json":
        classes = [{"class": name, "probability": probability} for name, probability in answer.classes]
        return {"input": answer.input, "classes": classes} | ({"error": answer.error} if answer.error else {})
    if kind == "csv":
        record: output.Record = {"input": answer.input}
        for place in range(top_k):
            name, probability = answer.classes[place] if answer.classes else ("", "")
            record |= {f"class_{place + 1}": name, f"probability_{place + 1}": probability}
        return record | {"error": answer.error or ""}
    shown = "  ".join(f"{name} {probability:.3f}" for name, probability in answer.classes[1:])
    best = answer.classes[0] if answer.classes else ("", None)
    text = answer.input if len(answer.input) <= 100 else f"{answer.input[:97]}..."
    return {"input": text, "class": best[0], "probability": best[1], "next": shown}


# -- text


def _translations(config: Config, opened: Opened) -> int:
    """A line out for each line in; all n best with their scores as JSON or CSV."""
    given = {key: value for key, value in config["decoding"].items() if value is not None}
    predictor = TranslationPredictor(opened, settings_from(BeamSettings, opened.decoding | given))
    folder = Path(config["attention"]) if config["attention"] else None
    texts = inputs.texts(config["input"], config["text"])
    answers = predictor.predict(texts, batch_size=config["batch_size"], attention=folder is not None)
    with output.opened(config["output"]) as file:
        for number, answer in enumerate(answers):
            file.write(_translation_lines(answer, config["format"], first=number == 0))
            if folder is not None and answer.attention is not None:
                plot_attention(
                    weights=answer.attention.numpy(),
                    source=answer.source_tokens,
                    target=answer.target_tokens,
                    path=folder / f"{number:05d}.png",
                )
    return 0


def _translation_lines(answer: Translated, kind: str, *, first: bool) -> str:
    if kind == "json":
        best = [{"text": text, "score": score} for text, score in answer.translations]
        return output.as_json({"input": answer.input, "translations": best})
    if kind == "csv":
        rows = [
            {"input": answer.input, "rank": rank, "translation": text, "score": score}
            for rank, (text, score) in enumerate(answer.translations, start=1)
        ]
        return output.as_csv(rows, header=first)
    return "".join(" ".join(text.split()) + "\n" for text, _ in answer.translations)


def _generate(config: Config, opened: Opened) -> int:
    """The prompt and what follows, written as it is made."""
    pieces = TextGenerator(opened).generate(
        config["prompt"],
        length=config["length"],
        temperature=config["temperature"],
        top_k=config["top_k"],
        top_p=config["top_p"],
        seed=config["seed"],
    )
    if config["format"] == "json":
        with output.opened(config["output"]) as file:
            file.write(output.as_json({"prompt": config["prompt"], "text": "".join(pieces)}))
        return 0
    with output.opened(config["output"]) as file:
        file.write(config["prompt"])
        for piece in pieces:
            file.write(piece)
            file.flush()
        file.write("\n")
    return 0
