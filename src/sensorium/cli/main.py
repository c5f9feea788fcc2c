"""sensorium VERB key=value ...: finds the verb, and turns errors into one or two lines and an exit status."""

import importlib
import os
import sys
import traceback

from sensorium.cli import help as help_pages
from sensorium.cli import streams
from sensorium.cli.loading import loading
from sensorium.cli.repeated import check_once
from sensorium.errors import LAYOUT, RequestError, SensoriumError, is_full, printable, unknown
from sensorium.group_place import refuse_group, take_place
from sensorium.import_path import leave_working_directory
from sensorium.parent import end_with_parent
from sensorium.signals import DEBUG, signals_on_their_own_stack

# The one list of verbs. Each module is imported only when it is asked for, so that help needs neither torch nor Hydra.
VERBS = {
    "train": "sensorium.cli.train",
    "eval": "sensorium.cli.eval",
    "predict": "sensorium.cli.predict",
    "explain": "sensorium.cli.explain",
    "export": "sensorium.cli.export",
    "serve": "sensorium.cli.serve",
    "report": "sensorium.cli.report",
    "check": "sensorium.cli.check",
    "list": "sensorium.cli.list",
}
_LONGEST = 3000  # characters of a line of a message
LIGHT = ("list", "report")  # verbs that import no torch before they have checked their request


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit status: 0 done, 1 the run failed, 2 the request was wrong."""
    end_with_parent()
    signals_on_their_own_stack()
    leave_working_directory()
    streams.prepare()
    arguments = sys.argv[1:] if arguments is None else arguments
    show_trace = _is_debugging(arguments)
    arguments = [argument for argument in arguments if argument not in ("debug=true", "debug=false")]
    try:
        status = _run(arguments)
        sys.stdout.flush()  # here, where a full disk can be reported
        return status
    except SensoriumError as error:
        if show_trace:
            traceback.print_exc()
        # What every process of one run finds alike (a wrong request, a signal), the first one of each host says.
        if error.exit_status == 1 or os.environ.get("LOCAL_RANK", "0") == "0":
            print(f"sensorium: {_shown(str(error))}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("sensorium: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        streams.close(sys.stdout)  # the reader of our output is gone: `sensorium predict ... | head`
        return 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug of ours, reported in one line
        if show_trace:
            traceback.print_exc()
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """Reports an error without a message of its own; returns the exit status. A full disk and a file that may not be
    read are no faults of ours.
    """
    line = _shown((str(error).splitlines() or [""])[0])
    if isinstance(error, OSError) and is_full(error):
        streams.close(sys.stdout)
        what = "standard output" if error.filename is None else _shown(str(error.filename))
        print(f"sensorium: {what} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    if isinstance(error, PermissionError) and error.filename is not None:
        print(f"sensorium: {_shown(str(error.filename))}: {error.strerror}.", file=sys.stderr)
        return RequestError.exit_status
    if _is_out_of_memory(error):
        print(f"sensorium: out of memory: {line}\nA smaller batch, image or model needs less.", file=sys.stderr)
        return 1
    print(
        f"sensorium: unexpected {type(error).__name__}: {line}\nThis is a fault in Sensorium; debug=true shows where.",
        file=sys.stderr,
    )
    return 1


def _is_debugging(arguments: list[str]) -> bool:
    """Whether stack traces are shown; the processes that this one starts show theirs too."""
    if "debug=true" in arguments:
        os.environ[DEBUG] = "1"
    return DEBUG in os.environ


def _shown(text: str) -> str:
    """A message in which what it quotes of a file cannot steer a terminal, nor fill it."""
    lines = [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in text.split("\n")]
    return printable("\n".join(lines), keep=LAYOUT)


def _is_out_of_memory(error: Exception) -> bool:
    """torch, which is not imported for this, raises a RuntimeError on the CPU, and OutOfMemoryError on a GPU."""
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def _take_place(verb: str) -> None:
    """Only a training is shared by several processes, and only that runs on when its reader has gone."""
    if verb == "train":
        take_place()
        streams.outlive_readers()
    elif verb not in LIGHT:
        refuse_group(verb)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_pages.overview(VERBS))
        return 0
    if arguments[0] in ("-V", "--version"):
        full = arguments[1:] == ["full"]
        runs = importlib.import_module("sensorium.runs") if full else None
        print(help_pages.full_version(runs.environment()) if runs else help_pages.version())
        return 0
    if arguments[0] in ("-sc", "--shell-completion"):
        return importlib.import_module("sensorium.cli.completion").run(arguments, tuple(VERBS))
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        if "=" in verb:
            raise RequestError(
                f"{verb!r} comes before a verb.\nType: sensorium VERB {verb}, VERB one of {', '.join(VERBS)}."
            )
        raise unknown("verb", verb, VERBS)
    if any(argument in ("-h", "--help") for argument in rest):
        print(help_pages.verb(verb, rest))
        return 0
    check_once(verb, rest)
    _take_place(verb)
    if verb not in LIGHT and "torch" not in sys.modules:
        # Seconds of importing are for requests that can be carried out.
        if importlib.import_module("sensorium.cli.request").answer(verb, rest):
            return 0
        with loading():
            importlib.import_module(VERBS[verb])
    return importlib.import_module(VERBS[verb]).run(rest)
