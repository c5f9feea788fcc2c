"""sensorium train: from a config to a run folder with a checkpoint, test metrics and plots."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from sensorium import distributed, evaluation, output, runs, verdict
from sensorium.build import Misfit, build_model, fits, load_data, makes_classes
from sensorium.cli import configs, engines, guess, launched, resuming, search, sweep
from sensorium.cli.app import Config, check, command_line, run_hydra, typed
from sensorium.cli.composition import load_plugins
from sensorium.cli.next_commands import next_commands
from sensorium.cli.search_request import as_search, asks_for_search, sweep_folder
from sensorium.data.base import SPLITS, Data, Problem, counted, refuse
from sensorium.errors import LAYOUT, RequestError, RunError, SensoriumError, is_full, listing, printable
from sensorium.reports.record import write_report
from sensorium.run_config import RunConfig
from sensorium.run_folder import RunFolder, is_spawned, locked
from sensorium.signals import STOPPING, crashes_described_in
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation
from sensorium.training import advice, alike, first_batch, fit, group, launch, learning, overview, settings, trace
from sensorium.training.interrupts import stopping_at_once
from sensorium.training.quiet import quiet


def run(arguments: list[str]) -> int:
    """Trains; with -m several times, ending with one table."""
    try:
        with group.others_watched():
            status = _run(arguments)
    except Exception as error:
        group.leave(str(error).partition("\n")[0])
        raise
    group.leave()
    return status


def _run(arguments: list[str]) -> int:
    arguments = as_search(_with_data(arguments))
    if "-m" in arguments or "--multirun" in arguments:
        if resuming.asked(arguments)[0] is not None:
            raise RequestError("resume continues one run or search; it cannot be part of a sweep (-m).")
        if asks_for_search(arguments):
            return search.run(arguments)
        return sweep.run(arguments, _job)
    resume, from_start, rest = resuming.asked(arguments)
    if resume is not None and (found := sweep_folder(resume)) is not None:
        return search.resume(found, rest)
    if resume is not None:
        _resume(resume, rest, from_start=from_start)
    else:
        run_hydra("train", arguments, _job)
    return 0


def _with_data(arguments: list[str]) -> list[str]:
    """Arguments in which a path instead of key=value has become overrides, which is printed."""
    arguments, taken_for = guess.expanded(arguments)
    if taken_for is not None and distributed.rank() == 0:
        print(taken_for)
    return arguments


def train_once(overrides: list[str]) -> RunFolder:
    """One training, for the Python API; the run it left. Raises what the command would print."""
    overrides = _with_data(overrides)
    resume, from_start, rest = resuming.asked(overrides)
    if resume is not None:
        return _resume(resume, rest, from_start=from_start)
    finished: list[RunFolder] = []
    with command_line():
        run_hydra("train", overrides, lambda config: finished.append(_train_anew(config)))
    return finished[0]


def _job(config: Config) -> None:
    """One training as Hydra hands it over, alone or as a job of a sweep."""
    record = sweep.Recorder.of(HydraConfig.get())
    if record is not None and distributed.rank() == 0:
        print(f"\n{record.header()}", flush=True)
    try:
        run = _train_anew(config)
    except SensoriumError as error:
        if record is None or error.exit_status > 128:
            raise
        record.failed(error)
        print(f"sensorium: {error}")
        return
    if record is not None and distributed.rank() == 0:
        record.done(run)


def _train_anew(config: Config) -> RunFolder:
    """A training in a run folder of its own, which is taken away again when the request turns out to be wrong."""
    check("train", config)
    hydra = HydraConfig.get()
    alone = hydra.mode == RunMode.RUN
    engine = launched.engine_for(config, in_sweep=not alone)
    chosen = _with_choices(launched.run_config(config), hydra)
    name = f"{chosen.dataset_name}_{chosen.model_name}"
    group.join()
    alike.check_code(chosen.to_dict())
    if alone and (begun := group.remembered(Path(chosen.run_root), name)) is not None:
        return _resume(begun.folder, [], from_start=False)
    run = distributed.from_first(lambda: runs.create(Path(chosen.run_root), name))
    if distributed.rank() == 0:
        runs.record(run, chosen.to_dict(), typed(hydra.overrides.task))
    if alone:
        group.remember(run)
    try:
        if engine is None:
            train(chosen, run, resume=None)
        else:
            launched.train(engine, run, [], wait=config["launcher"]["wait"])
    except Exception as error:
        if distributed.rank() == 0 and (isinstance(error, RequestError) or _without_room(error)):
            runs.discard(run)
        raise
    return run


def _without_room(error: BaseException) -> bool:
    """Whether a full disk is behind an error: a run that ends so before its first checkpoint leaves nothing of use."""
    causes = (error, error.__cause__)
    return any(isinstance(cause, OSError) and is_full(cause) for cause in causes)


def _with_choices(config: RunConfig, hydra: HydraConf) -> RunConfig:
    """The config with what only Hydra knows: the names of what was chosen, and whether jobs run side by side."""
    choices = hydra.runtime.choices
    # Threads of several jobs that wait for each other on busy cores stall.
    side_by_side = hydra.mode == RunMode.MULTIRUN and "joblib" in hydra.launcher._target_
    threads = 1 if side_by_side and config.threads == "auto" else config.threads
    return replace(config, dataset_name=choices["dataset"], model_name=choices["model"], threads=threads)


def _resume(path: Path, overrides: list[str], *, from_start: bool) -> RunFolder:
    """Resumes a run, here or in a job; as `resuming.stored` reads it."""
    load_plugins()
    own, overrides = engines.split(overrides)
    if own and (elsewhere := launched.resume(path, own, overrides)) is not None:
        return elsewhere
    group.join()
    config, run, found = resuming.stored(path, overrides, from_start=from_start)
    alike.check_code(config.to_dict())
    train(config, run, resume=found)
    return run


def train(config: RunConfig, run: RunFolder, resume: Path | None) -> None:
    """One training in its run folder, on as many processes as the config asks for."""
    processes = launch.wanted_processes(config.trainer, force=config.force)
    if processes > 1 and not launch.is_launched():
        with locked(run) as lock, runs.config_restored_if_refused(run):
            _spawn(config, run, processes, lock)
        return
    kept = runs.config_restored_if_refused(run) if distributed.rank() == 0 else nullcontext()
    group.resumes(run)
    crashes = run.log if run.folder.exists() else Path(os.devnull)  # another host need not share the first one's disk
    with _locked_by_the_first(run), crashes_described_in(crashes), kept:
        try:
            with group.others_watched():
                _train(config, run, resume)
            group.forget(run)
        except RunError as error:  # the log, too, says how it ended; standard error may have no reader
            if distributed.rank() == 0:
                with run.log.open("a", encoding="utf-8") as log:
                    log.write(f"sensorium: {printable(str(error), keep=LAYOUT)}\n")
            raise


@contextmanager
def _locked_by_the_first(run: RunFolder) -> Iterator[None]:
    """The run, locked by the first process of a group for all, unless its starter holds the lock."""
    with ExitStack() as held:
        refused = None
        if distributed.rank() == 0 and not is_spawned(run):
            try:
                held.enter_context(locked(run))
            except RequestError as error:
                refused = str(error)
        if refused := distributed.agree(refused):
            raise RequestError(refused)
        yield


def _train(config: RunConfig, run: RunFolder, resume: Path | None) -> None:
    """In this process, alone or as one of a group."""
    started = time.perf_counter()
    first = distributed.rank() == 0
    console = output.console(log=run.log if first else None)
    say: Callable[..., None] = console.print if first else (lambda *_, **__: None)
    quiet()
    if busy := settings.set_threads(config.threads, processes=int(os.environ.get("LOCAL_WORLD_SIZE", "1"))):
        say(busy)

    config, data, model = _prepared(launch.with_world_size(config), run, resumed=resume is not None, say=say)
    warned: list[advice.Advice] = []
    if first:
        runs.write_config(run, config.to_dict())
        facts = overview.facts_of(data)
        warned = advice.about_data(config, data, facts)
        say(overview.table(data, facts))
    say(overview.summary(config, data, model))
    advice.show(warned, say)
    if config.trace is not None:
        trace.show(config, data=data, model=model, say=say)
        runs.discard(run)
        return

    training = fit.assemble(config, data=data, model=model, run=run, console=console, started=started)
    if config.show_batch is not None:
        if first:
            say(first_batch.draw(training, config.show_batch, path=run.batch))
        return
    training.run(resume)
    seconds = time.perf_counter() - started
    summary = training.summary(seconds=seconds)
    say(f"trained in {summary.seconds:.1f} s")
    if first:
        runs.write_summary(run, summary)
    if distributed.from_first(run.best.exists):
        say(verdict.chosen(summary, training.history.rows))
        with stopping_at_once(f"Stopped while testing. Resume with: sensorium train resume={run.folder}"):
            calibration = evaluation.calibrate_run(config, run, data=data, device=training.device, say=say)
            evaluation.fit_detector(config, run, data=data, device=training.device, say=say)
            evaluation.choose_explanation(config, run, data=data, device=training.device, say=say)
            found = _tested(config, run, data=data, device=training.device, say=say)
        if first:
            result = _say_verdict(found, summary, data=data, say=say)
            advice.show(advice.about_result(training.history.rows, result), say)
            if warned:
                say(f"{counted(len(warned), 'warning')} about the data: see above", style="bold yellow")
            write_report(run, training, evaluation=found, verdict=result, calibration=calibration, say=say)
        say(f"run folder: {run.folder}\n\n{next_commands(config, run, data)}")


def _prepared(
    config: RunConfig, run: RunFolder, *, resumed: bool, say: Callable[[str], None]
) -> tuple[RunConfig, Data, torch.nn.Module]:
    """The config with nothing left open in it, its data and its model."""
    data = distributed.together(lambda: learning.with_labels(config, load_data(config.dataset, on_bad=config.on_bad)))
    alike.check_data(data)
    for note in data.notes:
        say(note)
    registry.of(data.spec).check_request(data.spec, config.decoding)
    model = _model(config.with_values("model", init=None) if resumed else config, data, None if resumed else say)
    if distributed.world_size() > 1 and not any(parameter.requires_grad for parameter in model.parameters()):
        raise RequestError(f"{config.model_name} has no trainable parameters to share. Set trainer.devices=1.")
    data = _without_unfit(model, data, config.on_bad)
    evaluation.record_problems(run.folder, data.problems, say=say)
    return settings.resolve(config, data=data, model=model, say=say), data, model


def _tested(
    config: RunConfig, run: RunFolder, *, data: Data, device: torch.device, say: Callable[..., None]
) -> Evaluation | None:
    """Test results, where they are wanted."""
    if not config.test or not makes_classes(config.learning):
        return None
    found = evaluation.evaluate_run(config, run, data=data, device=device, say=say)
    metrics = evaluation.named(found, "test")
    say(output.table([{"metric": name, "value": value} for name, value in metrics.items()]))
    return found


def _say_verdict(
    found: Evaluation | None, summary: runs.Summary, *, data: Data, say: Callable[..., None]
) -> verdict.Verdict | None:
    """Says what the training came to; its verdict, where there was a test."""
    result = None if found is None else verdict.verdict(found, data)
    say(verdict.untested(summary, data) if result is None else result.line)
    return result


def _spawn(config: RunConfig, run: RunFolder, processes: int, lock: int) -> None:
    """The training on several processes of this machine. lock: of the run, which they keep."""
    runs.write_config(run, config.to_dict())  # with what is changed at a resume
    status = launch.spawn(run, processes, lock=lock)
    if status == RequestError.exit_status:
        raise RequestError(f"The training on {processes} processes did not start, for the reason above.")
    if status:
        stopped = status - 128 in STOPPING
        error = RunError(f"The {processes} processes {'stopped' if stopped else 'failed'}; see {run.folder}.")
        error.exit_status = status
        raise error


def _model(config: RunConfig, data: Data, say: Any) -> torch.nn.Module:
    """The model; when it does not fit the data, the error lists those that do."""
    try:
        return build_model(config.model, data.spec, seed=config.seed, name=config.model_name, say=say)
    except Misfit as error:
        sections = {name: dict(OmegaConf.load(configs.path_of("model", name))) for name in configs.options("model")}
        fitting = [name for name, section in sections.items() if fits(section, data.spec)]
        raise RequestError(f"{error}\nModels that take such data: {listing(fitting)}.") from error


def _without_unfit(model: torch.nn.Module, data: Data, on_bad: Literal["fail", "skip"]) -> Data:
    """The data without examples that this model cannot learn from, which are problems of the data."""
    task = registry.of(data.spec)
    splits, problems = {}, list(data.problems)
    for part in SPLITS:
        split = getattr(data, part)
        bad = task.unfit_examples(model, split)
        problems += [Problem(split.names[row], what) for row, what in bad.items()]
        splits[part] = split.subset(np.setdiff1d(np.arange(len(split)), list(bad))) if bad else split
    refuse(problems[len(data.problems) :], on_bad=on_bad)
    return replace(data, **splits, problems=tuple(problems))
