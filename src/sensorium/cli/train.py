"""sensorium train: from a config to a run folder with a checkpoint, test metrics and plots."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from sensorium import checkpoint, runs
from sensorium.build import Misfit, build_model, fits, load_data, makes_classes
from sensorium.cli import configs, evaluation, output, schema, sweep
from sensorium.cli.app import Config, check, find_own_modules, override, run_hydra
from sensorium.data.audio.splits import too_short
from sensorium.data.base import Data, Problem, refuse
from sensorium.errors import RequestError, RunError, SensoriumError, listing
from sensorium.runs import Run
from sensorium.specs import PictureSpec
from sensorium.training import fit, launch, learning, settings, trace, tune

# What `predict` is given, by kind of data.
PREDICT_INPUT = {
    "image": "input=FILE",
    "boxes": "input=FILE",
    "masks": "input=FILE",
    "text": 'text="..."',
    "language": 'prompt="..."',
    "translation": "input=-",
    "sound": "input=FILE",
    "speech": "input=FILE",
}


def run(arguments: list[str]) -> int:
    """Trains; with -m several times, ending with one table."""
    try:
        return _run(arguments)
    finally:
        launch.leave()


def _run(arguments: list[str]) -> int:
    resume = next((a.partition("=")[2] for a in arguments if a.lstrip("+").startswith("resume=")), None)
    if resume == "":
        raise RequestError("resume= names no run. Give a run folder, as printed at the end of its training.")
    if resume not in (None, "null"):
        rest = [a for a in arguments if not a.lstrip("+").startswith("resume=")]
        if "-m" in rest or "--multirun" in rest:
            raise RequestError("resume goes on with one run; it cannot be part of a sweep (-m).")
        _resume(Path(str(resume)), rest)
        return 0
    if "-m" in arguments or "--multirun" in arguments:
        return sweep.run(arguments, _job)
    run_hydra("train", arguments, _job)
    return 0


def _job(config: Config) -> None:
    """One training as Hydra hands it over, alone or as a job of a sweep."""
    record = sweep.Recorder.of(HydraConfig.get())
    try:
        run = _train_anew(config)
    except SensoriumError as error:
        if record is None or error.exit_status > 128:
            raise
        record.failed(error)
        print(f"sensorium: {error}")
        return
    if record is not None and launch.rank() == 0:
        record.done(run)


def _train_anew(config: Config) -> Run:
    """A training in a run folder of its own, which is taken away again when the request turns out to be wrong."""
    check("train", config)
    launch.check_devices(config["trainer"])
    hydra = HydraConfig.get()
    config["dataset_name"], config["model_name"] = hydra.runtime.choices["dataset"], hydra.runtime.choices["model"]
    if hydra.mode == RunMode.MULTIRUN and config["threads"] == "auto" and "joblib" in hydra.launcher._target_:
        config["threads"] = 1  # jobs side by side: threads that wait for each other on busy cores stall
    launch.join()
    name = f"{config['dataset_name']}_{config['model_name']}"
    run = Run(launch.agree(runs.create(Path(config["run_root"]), name).folder if launch.rank() == 0 else None))
    if launch.rank() == 0:
        runs.record(run, config, list(hydra.overrides.task))
    try:
        train(config, run, resume=None)
    except RequestError:
        if launch.rank() == 0:
            runs.discard(run)
        raise
    return run


def _resume(path: Path, overrides: list[str]) -> None:
    """Goes on with a run from its last checkpoint that can be read, or from its start when there is none."""
    find_own_modules()
    run = runs.find(path)
    stored = run.read_config()
    if "batch_tokens" not in stored:
        raise RequestError(f"{run.folder} was begun with an earlier Sensorium; go on with it there, or train anew.")
    if isinstance(given := stored["model"].get("pretrained"), str):  # an earlier config.yaml names a file there
        stored["model"] |= {"pretrained": False, "init": given}
    config = override(stored, overrides)
    schema.check("train", config)
    launch.check_devices(config["trainer"])
    launch.join()
    found, note = checkpoint.newest_readable([run.last, run.previous])
    if note and launch.rank() == 0 and not launch.is_spawned(run):
        print(note)
    train(config, run, resume=found)


def train(config: Config, run: Run, resume: Path | None) -> None:
    """One training in its run folder, on as many processes as the config asks for."""
    processes = launch.wanted_processes(config["trainer"])
    if processes > 1 and not launch.is_launched():
        _spawn(config, run, processes)
        return
    launch.adopt(config["trainer"])
    fit.quiet()
    started = time.perf_counter()
    first = launch.rank() == 0
    console = output.console(log=run.log if first else None)
    say = console.print if first else (lambda *_: None)
    if advice := settings.set_threads(config["threads"], processes=int(os.environ.get("LOCAL_WORLD_SIZE", "1"))):
        say(advice)

    data = learning.with_labels(config, load_data(config))
    for note in data.notes:
        say(note)
    evaluation.check_ready(data.spec, config["decoding"])
    model = _model(config if resume is None else config | {"model": config["model"] | {"init": None}}, data, say)
    data = _heard_by(model, data, config["on_bad"])
    evaluation.record_problems(run.folder, data.problems, say=say)
    settings.choose(config, model, data.spec)
    tune.tune(config, data=data, say=say)
    if first:
        runs.write_config(run, config)
    say(_summary(config, data, model))
    if config.get("trace") is not None:  # an older config.yaml does not have it
        trace.show(config, data=data, model=model, say=say)
        runs.discard(run)
        return

    training = fit.assemble(config, data=data, model=model, run=run, console=console)
    if (padding := training.padding()) is not None:
        say(f"padding: {padding:.1%} of the tokens of a training batch")
    training.run(resume)
    say(f"trained in {time.perf_counter() - started:.1f} s")
    if not run.best.exists():
        return
    if config["test"] and makes_classes(config):
        metrics = evaluation.evaluate_run(config, run, data=data, device=training.device)
        say(evaluation.metrics_table(metrics))
    if first:
        say(f"run folder: {run.folder}\n\n{_next_commands(config, run, data)}")


def _next_commands(config: Config, run: Run, data: Data) -> str:
    """What can be done with the run now."""
    if not makes_classes(config):
        return f"sensorium train model.init={run.best}"
    return f"sensorium eval ckpt={run.best}\nsensorium predict ckpt={run.best} {PREDICT_INPUT[data.spec.kind]}"


def _spawn(config: Config, run: Run, processes: int) -> None:
    """The training on several processes of this machine."""
    runs.write_config(run, config)  # with what is changed at a resume
    status = launch.spawn(run, processes)
    if status == RequestError.exit_status:
        raise RequestError(f"The training on {processes} processes did not start, for the reason above.")
    if status:
        stopped = status in (128 + signal.SIGTERM, 128 + signal.SIGINT)
        error = RunError(f"The {processes} processes {'stopped' if stopped else 'failed'}; see {run.folder}.")
        error.exit_status = status
        raise error


def _model(config: Config, data: Data, say: Any) -> torch.nn.Module:
    """The model; when it does not fit the data, the error lists those that do."""
    try:
        return build_model(config, data.spec, say=say)
    except Misfit as error:
        sections = {name: dict(OmegaConf.load(configs.path_of("model", name))) for name in configs.options("model")}
        fitting = [name for name, section in sections.items() if fits(section, data.spec)]
        raise RequestError(f"{error}\nModels that take such data: {listing(fitting)}.") from error


def _heard_by(model: torch.nn.Module, data: Data, on_bad: str) -> Data:
    """The recordings whose transcripts fit into the frames that a recogniser makes of them; others are problems."""
    if data.spec.kind != "speech":
        return data
    splits, problems = {}, list(data.problems)
    for part in ("train", "val", "test"):
        split = getattr(data, part)
        bad = too_short(split, model.output_lengths)  # type: ignore[arg-type]
        problems += [Problem(split.names[row], what) for row, what in bad.items()]
        splits[part] = split.subset(np.setdiff1d(np.arange(len(split)), list(bad))) if bad else split
    refuse(problems[len(data.problems) :], on_bad=on_bad)  # type: ignore[arg-type]
    return replace(data, **splits, problems=tuple(problems))


def _summary(config: Config, data: Data, model: torch.nn.Module) -> str:
    """What is about to happen, in two lines."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    sizes = " + ".join(f"{len(split):,}" for split in (data.train, data.val, data.test))
    layout = f"{config['memory_format']}, " if isinstance(data.spec, PictureSpec) else ""
    tokens = f" of at most {config['batch_tokens']:,} tokens" if config["batch_tokens"] else ""
    return (
        f"{config['dataset_name']}: {sizes} {data.spec} (train + val + test)\n"
        f"{config['model_name']}: {parameters:,} parameters, {config['trainer']['precision']}, {layout}"
        f"lr {float(config['lr']):g}, batch {config['batch_size']}{tokens}"
        + ("" if parameters else f"\nnothing in {config['model_name']} learns: the epochs only measure it")
    )
