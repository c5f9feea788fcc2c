"""sensorium predict: raw inputs in; class names, boxes, masks, translations, transcripts or generated text out."""

from pathlib import Path
from typing import Any

from sensorium import output, runs
from sensorium.build import load_model
from sensorium.cli import overwriting
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.request import WORDS, own_arguments
from sensorium.data.base import counted
from sensorium.errors import RequestError, unknown
from sensorium.files import is_folder
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel, PredictOptions, Task
from sensorium.tasks.text_sources import READING

INPUTS = ("input", *WORDS)
_PLAIN = (
    "batch_size",
    "top_k",
    "threshold",
    "length",
    "temperature",
    "top_p",
    "seed",
    "pixel_range",
    "coverage",
    "max_error",
)  # options that are passed on as they are


def run(arguments: list[str]) -> int:
    """Exit status 1 when some inputs could not be read; the others are predicted all the same."""
    failures = 0

    # Texts are taken literally: Hydra would look for brackets, quotes and ${names} in them.
    words = {key: value for key, _, value in (argument.partition("=") for argument in arguments) if key in WORDS}

    def job(config: Config) -> None:
        nonlocal failures
        failures += _job(config | words)

    run_hydra("predict", own_arguments("predict", arguments), job)
    return 1 if failures else 0


def checkpoint_path(given: Any) -> Path:
    """The checkpoint that is meant: the file, or a run folder's best one."""
    path = Path(str(given))
    return runs.RunFolder(path).best if is_folder(path / "checkpoints") else path


def _job(config: Config) -> int:
    check("predict", config)
    options = _options(config)
    model = load_model(
        checkpoint_path(config["ckpt"]),
        accelerator=config["accelerator"],
        trust=config["trust"],
        decoding=options.decoding,
    )
    task = registry.of(model.spec)
    if config["format"] == "table":
        config |= {"format": output.named_format(config["output"], task.formats) or "table"}
    _check_keys(config, task, model)
    task.check_options(options, model.spec)
    if config["stream"] or config["input"] == "mic":
        if config["format"] == "json":
            raise RequestError("format=json is one array, and a stream has no end. Use format=jsonl, one line each.")
        task.stream(model, options, config["input"], kind=config["format"], output_file=config["output"])
        return 0
    return _predict(config, task, model, options)


def _check_keys(config: Config, task: Task[Any], model: LoadedModel) -> None:
    """Rejects inputs and formats that the checkpoint's task has no use for, and a request without an input."""
    for key in INPUTS:
        if config[key] is not None and key not in task.input_keys:
            raise RequestError(
                f"{key}= does not apply to this checkpoint ({model.spec}). It takes {task.input_keys[0]}=..."
            )
    for key in READING:
        if config[key] is not None and key not in task.options:
            raise RequestError(f"{key}= does not apply to this checkpoint ({model.spec}): it is for files of texts.")
    if all(config[key] is None for key in task.input_keys):
        raise RequestError(
            f"sensorium predict needs {'=... or '.join(task.input_keys)}=... See: sensorium predict --help"
        )
    if config["stream"] and not task.streams:
        raise RequestError(f"stream=true does not apply to this checkpoint ({model.spec}): it is for audio.")
    if config["format"] not in task.formats:
        raise unknown("format for this checkpoint", config["format"], task.formats)


def _options(config: Config) -> PredictOptions:
    folders: dict[str, Any] = {
        key: None if config[key] is None else str(config[key]) for key in ("overlay", "masks", "attention")
    }
    given = {key: config[key] for key in _PLAIN}
    return PredictOptions(
        **folders,
        **given,
        decoding={key: value for key, value in config["decoding"].items() if value is not None},
        details=config["format"] != "table" or config["output"] is not None or config["threshold"] is not None,
    )


def _predict(config: Config, task: Task[Any], model: LoadedModel, options: PredictOptions) -> int:
    """Writes predictions as they come where the format allows it; returns how many inputs could not be read."""
    predictor = task.predictor(model, options)
    inputs = task.inputs(config, model)
    writer = task.writer(config["format"], output_file=config["output"], inputs=inputs, model=model)
    artifacts = task.artifacts(options, inputs, model)
    targets = [*writer.targets(), *(artifacts.targets() if artifacts else ())]
    overwriting.check_targets(targets, config, inputs if isinstance(inputs, list) else ())
    written = failures = 0
    for prediction in predictor.predict(inputs):
        if prediction.error is not None:
            failures += 1
            output.complain(f"sensorium: {prediction.error}")
        written += prediction.error is None
        writer.write(prediction if artifacts is None else artifacts.write(prediction))
    writer.close()
    if config["output"] is not None:
        output.complain(f"{counted(written, 'prediction')} written to {config['output']}")
    for note in [*predictor.notes(), *(artifacts.notes() if artifacts else ())]:
        output.complain(note)
    return failures
