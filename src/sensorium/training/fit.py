"""One training: the Trainer put together from a config, run, and the state it resumes from."""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, get_args

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from rich.console import Console
from torch import nn

from sensorium import checkpoint, distributed
from sensorium.build import instantiate, make_loader, makes_classes
from sensorium.data.base import Data, Split
from sensorium.data.loader import BatchLoader
from sensorium.data.order import LengthOrder
from sensorium.errors import RequestError, missing_extra, unknown
from sensorium.initial import initialise_from_data
from sensorium.randomness import generator
from sensorium.run_config import RunConfig, Section
from sensorium.runs import RunFolder, Summary, write_monitor
from sensorium.specs import Spec
from sensorium.targets import hints_of
from sensorium.tasks import registry
from sensorium.tasks.precision import MEMORY_FORMATS
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, TaskModule
from sensorium.training import learning
from sensorium.training.backbone import backbone_lr_scale
from sensorium.training.checkpoint_io import AtomicCheckpointIO
from sensorium.training.checkpoints import Checkpoints
from sensorium.training.guard import LossGuard
from sensorium.training.history import History, Row
from sensorium.training.interrupts import StopRequest
from sensorium.training.launch import is_launched
from sensorium.training.progress import ProgressReport
from sensorium.training.quiet import quiet
from sensorium.training.samples import TextSamples
from sensorium.training.sharding import NOT_GATHERED, strategy_of
from sensorium.training.unfreeze import Unfreezing


@dataclass
class Training:
    """Everything `run` needs, put together and ready to start."""

    trainer: pl.Trainer
    task: TaskModule
    data: Data
    device: torch.device
    progress: ProgressReport
    history: History
    stop: StopRequest
    config: RunConfig

    def run(self, resume: Any | None) -> None:
        """Trains; `resume` is the path of the checkpoint to go on from, or None."""
        train, val = self.loaders()
        if distributed.rank() == 0:
            self.history.listeners.append(self._report)
            write_monitor(self.history.run, self._checkpoints().monitor, self._checkpoints().mode)
        if isinstance(train.sampler, LengthOrder) and distributed.rank() == 0:
            unit, share = registry.of(self.data.spec).length_unit, 100 * train.sampler.padding()
            self.progress.console.print(f"padding: {share:.1f}% of the {unit} of a training batch")
        self.task.length = _steps(self.trainer, len(train))
        try:
            self.trainer.fit(self.task, train, val, ckpt_path=resume)
        except SystemExit as stop:  # Lightning's answer to a second Ctrl+C
            raise KeyboardInterrupt from stop
        except MisconfigurationException as error:  # what Lightning finds out once it sees the data
            raise RequestError(f"trainer: {str(error).splitlines()[0]}") from error
        except RuntimeError as error:
            if NOT_GATHERED in str(error):
                raise RequestError(
                    "strategy=fsdp does not work with this model: it uses the weights of a layer in a list without"
                    " calling the layer.\nTake strategy=ddp, or give that layer's class used_in_parts = True."
                ) from error
            if "Error(s) in loading state_dict" not in str(error):
                raise
            raise RequestError(
                f"The model does not fit the run's checkpoint: {str(error).splitlines()[1].strip()}\n"
                "A resumed run keeps its model; train a new one, with model.init=CKPT where weights fit."
            ) from error
        finally:
            self.stop.ignore()
        if table := self.trainer.profiler.summary():  # type: ignore[attr-defined]
            self.progress.console.print(table, highlight=False, soft_wrap=True)

    def _report(self, row: Row) -> None:
        self.progress.report(
            row,
            epochs=self.trainer.max_epochs or 0,
            processes=distributed.world_size(),
            best=self._checkpoints().best_epoch == row["epoch"],
        )

    def _checkpoints(self) -> Checkpoints:
        return next(callback for callback in self.trainer.callbacks if isinstance(callback, Checkpoints))  # type: ignore[attr-defined]

    def summary(self, *, seconds: float) -> Summary:
        """What the training came to, once it has run. seconds: since it was begun or resumed."""
        kept = self._checkpoints()
        return Summary(
            monitor=kept.monitor,
            mode=kept.mode,
            best=kept.best,
            best_epoch=kept.best_epoch,
            epochs=self.trainer.current_epoch,
            headline=f"test/{registry.of(self.data.spec).headline.name}",
            parameters=sum(parameter.numel() for parameter in self.task.model.parameters()),
            seconds=round(kept.earlier_seconds + seconds, 2),
        )

    def loaders(self) -> tuple[BatchLoader, BatchLoader]:
        """This process's share of the training and of the validation batches; at least one of each."""
        config, train, val = self.config, self.data.train, self.data.val
        rank, processes = distributed.rank(), distributed.world_size()
        train = overfitted(config, train, processes=processes)
        if min(len(train), len(val)) < processes:
            raise RequestError(
                f"{processes} processes cannot share {len(train):,} training and {len(val):,} validation examples."
                f"\nTake trainer.devices={max(1, min(len(train), len(val)))} or fewer."
            )
        for_val = replace(config, eval_batch_size=min(config.eval_batch_size, len(val) // processes))
        loader = make_loader(config, train, shuffle=True, device=self.device, rank=rank, world_size=processes)
        _check_interval(self.trainer, len(loader))
        return loader, make_loader(for_val, val, shuffle=False, device=self.device, rank=rank, world_size=processes)


def _check_interval(trainer: pl.Trainer, batches: int) -> None:
    """Rejects a validation every so many batches of an epoch that has fewer."""
    limit, interval = trainer.limit_train_batches, trainer.val_check_interval
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    if isinstance(interval, int) and interval > batches and trainer.check_val_every_n_epoch is not None:
        raise RequestError(
            f"trainer.val_check_interval={interval} is more than the {batches:,} batches of an epoch.\n"
            "To count across epochs, set trainer.check_val_every_n_epoch=null."
        )


def overfitted(config: RunConfig, split: Split, *, processes: int) -> Split:
    """Of trainer.overfit_batches, the examples (a number of batches, or a share of all below 1), the same in every
    epoch; without it, all.
    """
    batches = config.trainer.get("overfit_batches")
    if not batches:
        return split
    count = batches * config.step_size * processes if batches >= 1 else int(batches * len(split))
    return split.subset(np.sort(generator(len(split)).permutation(len(split))[: int(count)]))


def _steps(trainer: pl.Trainer, batches: int) -> tuple[float, int]:
    """Optimiser steps of the whole training (infinite without a limit) and of one epoch."""
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    per_epoch = math.ceil(batches / trainer.accumulate_grad_batches)
    epochs = trainer.max_epochs
    total = math.inf if epochs is None or epochs == -1 else per_epoch * epochs
    return (total if trainer.max_steps == -1 else min(total, trainer.max_steps)), per_epoch


def build_task(config: RunConfig, model: nn.Module, data: Data) -> TaskModule:
    """The task of a config around a built model; the model comes out in the config's memory format."""
    memory_format = MEMORY_FORMATS[config.memory_format]
    model.to(memory_format=memory_format)  # type: ignore[call-overload]
    lr = config.peak_lr
    _check_criterion(config)
    preparation = Preparation(
        prepare=registry.of(data.spec).preprocessing(data.spec, memory_format),
        augment=_augmentation(config.augment, data.spec),
    )
    recipe = OptimizationConfig(
        optimizer=instantiate("optimizer", dict(config.optimizer, lr=lr)),
        scheduler=instantiate("scheduler", config.scheduler),
        lr=lr,
        weight_decay=float(config.optimizer.get("weight_decay", 0.0)),
        backbone_lr_scale=backbone_lr_scale(config.model),
        seed=config.seed,
        layer_lr_decay=config.model.get("layer_lr_decay"),
    )
    weights = class_weights(config.class_weights, data)
    offered = {"model": model, **data.spec.offers, "preparation": preparation, "recipe": recipe}
    offered["class_weights"] = weights
    if config.method is not None:
        return learning.build(config, data, offered)
    task: TaskModule = instantiate("task", config.task, **offered)
    _check_batch(task, data)
    task.repeats = config.epoch_batches is not None
    return task


def _check_batch(task: TaskModule, data: Data) -> None:
    """Rejects the module of another task, which cannot read batches of this data. One that does not say what it reads
    is taken at its word.
    """
    wanted = hints_of(type(task).step).get("batch")
    kinds = get_args(wanted) or (wanted,)
    batch = data.train.read(np.zeros(1, dtype=np.int64))
    if all(isinstance(kind, type) for kind in kinds) and not isinstance(batch, kinds):
        raise RequestError(
            f"task: {type(task).__name__} is not for {data.spec}.\nLeave out task=...; the dataset names its own."
        )


def _check_criterion(config: RunConfig) -> None:
    """Rejects an optimizer that is made for one criterion beside another."""
    needed, found = config.optimizer.get("criterion"), config.task.get("criterion")
    if needed not in (None, found):
        said = f"task.criterion is {found}" if found else "this task has no criterion to choose"
        raise RequestError(f"This optimizer works on the criterion {needed}, and {said}.\nTake another optimizer.")


def _augmentation(section: Section, spec: Spec) -> Any:
    """Rejects an augmentation that is made for another task."""
    augment = instantiate("augment", section)
    task = registry.of(spec)
    if augment.active and augment.takes != task.augmentation:
        raise RequestError(
            f"This augmentation is for {augment.takes}, not for {spec}. Set augment={task.fitting_augmentations}."
        )
    return augment


def class_weights(choice: Any, data: Data) -> torch.Tensor | None:
    """(K,) weights of the classes in the training loss; what "balanced" means, the task knows."""
    if choice is None:
        return None
    names = data.spec.classes
    weights = registry.of(data.spec).balanced_weights(data.train, len(names))
    if choice != "balanced" or weights is None:
        raise RequestError("class_weights is null, or balanced for a dataset of classes.")
    return torch.tensor(weights, dtype=torch.float32)


def assemble(
    config: RunConfig, *, data: Data, model: nn.Module, run: RunFolder, console: Console, started: float | None = None
) -> Training:
    """Puts a training together. The config has no "auto" left (`settings.resolve`).

    started: when work on it began, by time.perf_counter; None for now.
    """
    started = time.perf_counter() if started is None else started
    quiet()
    task = build_task(config, model, data)
    if config.model.get("init") is None:
        initialise_from_data(model, data.train, registry.of(data.spec).preprocessing(data.spec), seed=config.seed)
    tested = config.test and makes_classes(config.learning)
    progress = ProgressReport(console=console, metric=task.best[0], tested=tested)
    history, stop = History(run=run), StopRequest()
    about = checkpoint.description(config.to_dict(), data.spec)
    chosen = {
        name: instantiate(
            f"callbacks.{name}", monitored_by(task.best, section), run=run, about=about, stop=stop, started=started
        )
        for name, section in config.callbacks.items()
        if section
    }
    if not config.logger:
        chosen.pop("learning_rate", None)  # metrics.csv has it already
    # Order matters: the guard before anything is kept, the average before it is saved, the history before the
    # checkpoint that holds it.
    for name, callback in chosen.items():
        _check_monitor(name, callback, task)
    if "checkpoints" not in chosen:
        raise RequestError("callbacks.checkpoints cannot be removed: without it no checkpoint would be written.")
    first, last = [chosen.pop("ema")] if "ema" in chosen else [], [chosen.pop("checkpoints")]
    own = [*_unfreezing(config, model, console), *_samples(config, data, run)]
    callbacks = [LossGuard(run=run), *first, *chosen.values(), *own, history, progress, *last]
    trainer = _trainer(config, callbacks=callbacks, logger=_logger(config, run), run=run)
    if config.compile:
        model.compile()
    return Training(trainer, task, data, trainer.strategy.root_device, progress, history, stop, config)


def _unfreezing(config: RunConfig, model: nn.Module, console: Console) -> list[pl.Callback]:
    """For model.unfreeze_epochs."""
    epochs = config.model.get("unfreeze_epochs")
    if epochs is None:
        return []
    if config.model["freeze"] is not None:
        raise RequestError("model.unfreeze_epochs unfreezes what model.freeze keeps frozen.\nTake one of the two.")
    return [Unfreezing(model=model, epochs=epochs, console=console)]


def _samples(config: RunConfig, data: Data, run: RunFolder) -> list[pl.Callback]:
    """For a model that generates: samples after each validation."""
    write = registry.of(data.spec).sample_writer(data, seed=config.seed)
    return [] if write is None else [TextSamples(run=run, write=write)]


def monitored_by(best: tuple[str, str], section: Section) -> dict[str, Any]:
    """A callback's section with monitor=auto and mode=auto replaced by what a task monitors (`TaskModule.best`)."""
    choices = dict(zip(("monitor", "mode"), best, strict=True))
    return {**section} | {key: choice for key, choice in choices.items() if section.get(key) == "auto"}


def _check_monitor(name: str, callback: pl.Callback, task: TaskModule) -> None:
    """Rejects a metric that is never computed, and an unknown mode, before training instead of after an epoch."""
    monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", "max")
    stages = ("val",) if name == "checkpoints" else ("val", "train")  # best is evaluated when validation is over
    known = [name for stage in stages for name in task.logged(stage)]
    if monitor is not None and monitor not in known:
        of_search = " or search.metric" if name == "checkpoints" else ""
        raise unknown(f"metric for callbacks.{name}.monitor{of_search}:", str(monitor), known)
    if getattr(callback, "patience", 0) < 0:
        raise RequestError(f"callbacks.{name}.patience is {callback.patience}; it counts validations, from 0.")  # type: ignore[attr-defined]
    if mode not in ("max", "min"):
        raise unknown(f"mode for callbacks.{name}.mode", str(mode), ["max", "min"])


def _trainer(config: RunConfig, *, callbacks: list[pl.Callback], logger: Any, run: RunFolder) -> pl.Trainer:
    options = {**config.trainer, "strategy": strategy_of(config, run)}
    try:
        return pl.Trainer(
            **options,
            callbacks=callbacks,
            logger=logger,
            # Named, since Lightning would otherwise read a job's variables (SLURM, LSF) and start processes by them.
            plugins=[AtomicCheckpointIO(run), TorchElasticEnvironment() if is_launched() else LightningEnvironment()],
            default_root_dir=run.folder,
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        raise RequestError(f"trainer: {str(error).splitlines()[0]}") from error


def _logger(config: RunConfig, run: RunFolder) -> Any:
    """The experiment tracker of the config, writing into the run folder; False when metrics.csv is all."""
    if not config.logger:
        return False
    section = {
        key: value.replace("{run}", str(run.folder.absolute())) if isinstance(value, str) else value
        for key, value in config.logger.items()
        if key not in ("package", "extra")
    }
    try:
        return instantiate("logger", section, save_dir=str(run.folder))
    except ModuleNotFoundError as error:
        raise missing_extra(config.logger["package"], config.logger["extra"]) from error
