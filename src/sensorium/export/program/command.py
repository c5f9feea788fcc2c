"""The command: its options and its exit status."""

import argparse
import os
import sys
from pathlib import Path

from sensorium.export.program.answers import TASKS
from sensorium.export.program.model import READS, Model
from sensorium.export.program.results import line, mask_paths, unwritable, write
from sensorium.export.program.start import Unusable
from sensorium.export.program.writing import WRITERS

MEANT_FOR = {  # options that other tasks have no use for
    "top_k": ("image_classification", "text_classification", "audio_classification"),
    "threshold": ("object_detection", "image_tagging"),
    "masks": ("semantic_segmentation",),
    **dict.fromkeys(("length", "temperature", "seed"), ("language_modeling",)),
}


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
