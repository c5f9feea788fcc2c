"""Silenced in training: log lines and warnings that no user can act on."""

import logging
import warnings

from sensorium import distributed

# How warnings of ordinary trainings begin: those recorded on CPUs, and two of machines with a GPU. Others are shown.
EXPECTED_WARNINGS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's own use of torch, in every training
    "You requested to overfit but enabled (train|val) dataloader shuffling",  # debug=overfit
    r"The number of training batches \(\d+\) is smaller than the logging interval",  # small data with logger=csv
    r"It is recommended to use `self.log\(.*sync_dist=True",  # trainer.devices=2: sums of all processes are logged
    "The `srun` command is available on your system but is not used",  # a host of a cluster, and a run of its own
    "GPU available but not used",  # accelerator=cpu is a choice
    r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`",  # 16-mixed leaves out steps that overflow
    "Initializing zero-element tensors",  # the error that follows says it
)


def quiet() -> None:
    """Silences what Lightning logs, the warnings of ordinary trainings that no user can act on, and, in all processes
    of a run but the first, the notes that the first one makes too.
    """
    if distributed.rank() != 0:
        logging.getLogger("sensorium").setLevel(logging.ERROR)
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
