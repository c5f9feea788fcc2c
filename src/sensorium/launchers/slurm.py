"""launcher=slurm: jobs of SLURM, submitted by submitit and watched by squeue."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from types import FrameType
from typing import Any

from sensorium.errors import RequestError, RunError, missing_extra
from sensorium.group_place import of_slurm
from sensorium.launchers.base import Look, end_file, name_of, submissions
from sensorium.launchers.inside import TrainingProcess
from sensorium.parent import import_safely
from sensorium.run_folder import RunFolder

_UNCONFIGURED = "the commands of SLURM are on this machine, and no slurm.conf that names a cluster"
_LIVE = (
    *("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING", "STOPPED", "SIGNALING", "STAGE_OUT"),
    *("REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"),
)
_EVERY = 2.0  # seconds between two questions to the controller, for all jobs together
_SIGNAL_AHEAD = 90  # seconds before its time limit that a job is told
_SLOWEST = 60  # seconds that a command of SLURM may take


@dataclass(frozen=True)
class SlurmJob:
    """What submitit stores (a pickle) and calls inside the job: strings and numbers only."""

    run: str
    arguments: tuple[str, ...]
    restarts: int

    def __call__(self) -> None:
        """Trains. Ends with the exit status of the training, which so becomes that of the job."""
        job, environment = os.environ["SLURM_JOB_ID"], group_environment(os.environ)
        ours = TrainingProcess(self.run, list(self.arguments), restarts=self.restarts)
        _running.append(ours)

        def stop(number: int, frame: FrameType | None) -> None:
            ours.stop()

        signal.signal(signal.SIGTERM, stop)
        status = ours.train(
            job,
            environment,
            in_group=int(environment.get("WORLD_SIZE", "1")) > 1,
            first=environment.get("RANK", "0") == "0",
        )
        if status:
            raise SystemExit(status)

    def checkpoint(self) -> Any:
        """Called by submitit shortly before the time limit, in a signal handler: what the job does when it is back."""
        from submitit.helpers import DelayedSubmission

        for one in _running:
            one.stop()
            one.wait()
        return DelayedSubmission(self)


_running: list[TrainingProcess] = []  # at most one, of this process


def group_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of the training of one task: with its place in the group, where there are several tasks."""
    if int(given.get("SLURM_STEP_NUM_TASKS") or 1) == 1:
        return dict(given)
    # The script of a job runs on its first node, whose address is known also where names are not.
    return {**given, **of_slurm({"MASTER_ADDR": given["SLURM_LAUNCH_NODE_IPADDR"], **given})}


@dataclass(kw_only=True)
class Slurm:
    """The cluster that the commands of SLURM on this machine belong to. Keys are those of configs/launcher/slurm.yaml;
    time is in minutes.
    """

    partition: str | None
    account: str | None
    time: int
    cpus: int
    mem_gb: float | None
    gpus: int
    nodes: int
    tasks: int
    requeue: int
    setup: list[str]
    sbatch: list[str]
    name: str = "slurm"
    address: str | None = None
    _asked: float = -_EVERY
    _states: dict[str, str] = field(default_factory=dict)
    _gone: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_here():
            raise RequestError(
                "launcher=slurm: there is no sbatch on this machine. Type it on a login node of the cluster,\n"
                "or train here: launcher=local."
            )
        try:
            _tell("squeue", "--me", "--noheader")
        except RunError as error:  # a controller that restarts will answer later
            if _UNCONFIGURED in str(error):
                raise RequestError(
                    f"launcher=slurm: {_UNCONFIGURED}. Type it on a login node of the cluster, or train here:"
                    " launcher=local."
                ) from error

    def submit(self, run: RunFolder, arguments: list[str]) -> str:
        """As of every engine."""
        try:
            from submitit import SlurmExecutor
            from submitit.core.utils import FailedJobError
        except ModuleNotFoundError as error:
            raise missing_extra("submitit", "slurm") from error

        executor = SlurmExecutor(
            submissions(run), max_num_timeout=1_000_000, python=shlex.join([sys.executable, *import_safely()])
        )
        executor.update_parameters(**self._parameters(run))
        job = SlurmJob(str(run.folder.resolve()), tuple(arguments), self.requeue)
        try:
            with redirect_stderr(StringIO()):  # submitit prints what it raises
                return str(executor.submit(job).job_id)
        except FailedJobError as error:
            raise RequestError(f"SLURM refuses the job: {one_line(str(error))}") from error

    def _parameters(self, run: RunFolder) -> dict[str, Any]:
        options = [one.partition("=") for one in self.sbatch]
        further = {name: value if equals else True for name, equals, value in options}
        given = {
            "job_name": name_of(run),
            "time": self.time,
            "partition": self.partition,
            "account": self.account,
            "cpus_per_task": self.cpus,
            "mem": None if self.mem_gb is None else f"{round(self.mem_gb * 1024)}MB",
            "gpus_per_node": self.gpus or None,
            "nodes": self.nodes,
            "ntasks_per_node": self.tasks,
            "signal_delay_s": min(_SIGNAL_AHEAD, self.time * 30),
            "stderr_to_stdout": True,
            "setup": self.setup or None,
            "teardown": [self._requeued_if_lost(run)],
            "srun_args": ["--kill-on-bad-exit=1"],
            "additional_parameters": {"requeue": True, **further},
        }
        return {key: value for key, value in given.items() if value is not None}

    def _requeued_if_lost(self, run: RunFolder) -> str:
        """The line of the batch script behind the training: one that noted no end was killed, and is started again."""
        end = shlex.quote(str(end_file(run).resolve()))
        return (
            f'test -e {end} || test "${{SLURM_RESTART_COUNT:-0}}" -ge {self.requeue} '
            "|| scontrol requeue $SLURM_JOB_ID || exit 1"
        )

    def find(self, run: RunFolder) -> str | None:
        """As of every engine."""
        return find(run)

    def look(self, job: str) -> Look:
        """As of every engine. A job is gone when two answers in a row say so: a requeued one ends for a moment."""
        self._states.setdefault(job, "unknown to SLURM")
        if time.monotonic() > self._asked + _EVERY:
            self._ask()
        return Look(self._gone.get(job, 0) > 1, self._states[job])

    def _ask(self) -> None:
        self._asked = time.monotonic()
        try:
            lines = _tell("squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%r|%N").splitlines()
        except RunError:
            return  # a controller that restarts: what it said before still holds
        known = {job: (state, reason, nodes) for job, state, reason, nodes in (line.split("|", 3) for line in lines)}
        for job in {*self._states, *known}:
            state, reason, nodes = known.get(job, ("gone", "", ""))
            more = f" on {nodes}" if nodes else f" ({reason})" if reason not in ("", "None") else ""
            self._states[job] = f"{state}{more}"
            self._gone[job] = 0 if state in _LIVE else self._gone.get(job, 0) + 1

    def cancel(self, job: str, *, at_once: bool = False) -> None:
        """As of every engine. SIGTERM comes first, SIGKILL after the KillWait of the cluster."""
        options = ["--full", "--signal=KILL"] if at_once else []
        try:
            _tell("scancel", *options, job)
        except RunError:
            if not self.look(job).is_gone:
                raise

    def described(self, job: str) -> str:
        """As of every engine."""
        return f"SLURM job {job}"

    def how_to_cancel(self, job: str) -> str:
        """As of every engine."""
        return f"scancel {job}"


def is_here() -> bool:
    """Whether the commands of SLURM are on this machine."""
    return all(shutil.which(name) is not None for name in ("sbatch", "srun", "squeue", "scancel"))


def find(run: RunFolder) -> str | None:
    """The job of a run folder that is queued or runs."""
    return next(iter(_tell("squeue", "--me", "--noheader", f"--name={name_of(run)}", "--format=%i").split()), None)


def one_line(text: str) -> str:
    """What sbatch says, without its name before each line."""
    if re.search(r"configuration source|fetch_config|resolve_ctls", text):
        return f"{_UNCONFIGURED}."
    lines = [re.sub(r"^\w+: (error: )?", "", line).strip() for line in text.splitlines() if line.strip()]
    return " ".join(line if line.endswith(".") else f"{line}." for line in lines)


def _tell(*command: str) -> str:
    """What a command of SLURM prints. Raises RunError with its own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SLOWEST, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"{command[0]} does not answer: {error}") from error
    if done.returncode:
        raise RunError(f"{command[0]}: {one_line(done.stderr) or f'exit status {done.returncode}'}")
    return done.stdout
