"""What is asked of a search, checked before torch and Optuna are imported: space, settings, limits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from sensorium.cli import configs, schema
from sensorium.cli.app import Config, composed, composed_training, explain
from sensorium.cli.arguments import check_arguments
from sensorium.cli.engines import engine_of
from sensorium.cli.literal import literal
from sensorium.cli.no_search import NO_SEARCH
from sensorium.errors import RequestError, missing_extra, unknown
from sensorium.search.folder import SweepFolder, read_request
from sensorium.search.space import Choice, Number, Params, Space, Value, check_cma, check_grid, parse

LIMITS = tuple(NO_SEARCH)
AGAIN = (*LIMITS, "search.compare")  # keys that a resumed search may be given again
_TRIALS = 20
_MOST_CHECKED = 12  # settings composed before the first trial, a third of a second each
_FEWEST_EPOCHS = 10  # of trainer.max_epochs=auto, which is known when the data is
_FIRST_RUNG = 6  # trials are first compared after the so manyth part of their epochs
_MULTIRUN = ("-m", "--multirun")


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """arguments: as typed. options: Hydra's, such as --config-dir. config: with the keys of the search. trials: how
    many, all together.
    """

    arguments: list[str]
    options: list[str]
    space: Space
    config: Config
    trials: int

    @property
    def search(self) -> Config:
        """The section of the config, with the epochs that it leaves to the length of a training."""
        found: Config = self.config["search"]
        if found["min_epochs"] is not None:
            return found
        return {**found, "min_epochs": _first_rung(self.config["trainer"]["max_epochs"])}


def asks_for_search(arguments: Sequence[str]) -> bool:
    """Whether a training's arguments are a sweep with a search."""
    several = any(argument in _MULTIRUN for argument in arguments)
    return several and any(a.lstrip("+").startswith("search=") and a.partition("=")[2] != "none" for a in arguments)


def as_search(arguments: list[str]) -> list[str]:
    """A plain sweep (-m) on a cluster is a search of every combination: Hydra's own sweeper would wait for each job."""
    swept = any(argument in _MULTIRUN for argument in arguments) and not asks_for_search(arguments)
    elsewhere = any(a.lstrip("+").startswith("launcher=") and a.partition("=")[2] != "local" for a in arguments)
    return ["search=grid", *arguments] if swept and elsewhere else arguments


def search_request(arguments: Sequence[str]) -> SearchRequest:
    """The search that a command line asks for. Raises RequestError for one that cannot be."""
    check_arguments("train", list(arguments))
    typed = literal(arguments)
    overrides = [one for one in typed if not one.startswith("-") and ("=" in one or one.startswith("~"))]
    options = [one for one in typed if one not in overrides and one not in _MULTIRUN]
    own = [one for one in overrides if _is_own(one)]
    _check_own(own)
    _check_names(overrides)
    try:
        space = parse([one for one in overrides if one not in own])
    except (HydraException, ValueError) as error:
        raise explain(error, "train", list(arguments)) from error
    corners = _corners(space)
    with _whole_numbers_explained(space):
        config = composed("train", [*options, *space.fixed, *space.overrides(corners[0]), *own])
        schema.check("train", config)
    _check(config, space)
    _check_pruning(config["search"], config["trainer"]["max_epochs"])
    if engine_of(config["launcher"]) is not None and not config["launcher"]["wait"]:
        raise RequestError("launcher.wait=false is for a single training: a search has to wait for what it proposed.")
    with _whole_numbers_explained(space):
        for params in corners:
            for repeat in (space.repeats[0], space.repeats[-1]) if params is corners[0] else (space.repeats[0],):
                composed_training([*space.fixed, *space.overrides(params), *repeat], options)
    metric, mode = config["search"]["metric"], config["search"]["mode"]
    if metric is not None:  # each training chooses its best checkpoint by it
        chosen_by = (f"callbacks.checkpoints.monitor={metric}", f"callbacks.checkpoints.mode={mode}")
        space = replace(space, fixed=(*space.fixed, *chosen_by))
    return SearchRequest(
        arguments=list(arguments), options=options, space=space, config=config, trials=_trials(config, space)
    )


def resumed_request(sweep: SweepFolder, arguments: Sequence[str]) -> SearchRequest:
    """A search that is resumed, with what its command was given; its limits may be given anew."""
    stored = read_request(sweep)
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        if key not in AGAIN and not key.startswith("launcher."):
            elsewhere = any(one.lstrip("+").startswith("launcher=") for one in stored)
            allowed = (*AGAIN, "launcher.KEY") if elsewhere else AGAIN
            raise RequestError(
                f"{argument}: a search is resumed with the space and settings that it began with.\n"
                f"Allowed with resume: {', '.join(allowed)}. For another space, start a new search."
            )
    again = {argument.lstrip("+").partition("=")[0] for argument in arguments}
    kept = [one for one in stored if one.lstrip("+").partition("=")[0] not in again]
    request = search_request([*kept, *arguments])
    begun = len(list(sweep.folder.glob("trials/*")))
    if request.trials < begun:
        raise RequestError(
            f"trials={request.trials}: the search has begun {begun} already. Allowed: a whole number from {begun}."
        )
    return request


@contextmanager
def _whole_numbers_explained(space: Space) -> Iterator[None]:
    """Says how an interval is one of whole numbers, where a number with a point is rejected that nobody typed."""
    try:
        yield
    except RequestError as error:
        for key in space.keys if "a whole number" in str(error) else ():
            if isinstance(key, Number) and not key.whole and f"{key.key}={key.text(key.low)} " in str(error):
                interval = f"{key.key}=int(interval({key.low:g},{key.high:g}))"
                raise RequestError(f"{error}\nFor whole numbers write '{interval}' or {key.key}=range(...).") from error
        raise


def _is_own(override: str) -> bool:
    key = override.lstrip("+~").partition("=")[0]
    return key.partition(".")[0] in ("search", "launcher") or key in LIMITS


def _check_own(own: Sequence[str]) -> None:
    """Rejects several values for a key of the search, which is one search."""
    for override in own:
        try:
            (item,) = OverridesParser.create().parse_overrides([override])
        except (HydraException, ValueError) as error:
            raise explain(error, "train", [override]) from error
        if item.is_sweep_override():
            raise RequestError(f"{override} are several values; one search has one. Start a search for each.")
        group = item.key_or_group
        if group in ("search", "launcher") and item.value() not in configs.options(group):
            raise unknown(group, str(item.value()), configs.options(group))


def _check_names(overrides: Sequence[str]) -> None:
    """Rejects what is about Hydra's own sweeps."""
    for override in overrides:
        if override.lstrip("+~").startswith(("hydra.", "hydra/")):
            raise RequestError(
                f"{override} is about -m without a search. In a search, jobs=N runs N trials side by side."
            )


def _check(config: Config, space: Space) -> None:
    for key in ("trace", "show_batch"):
        if config.get(key) is not None:
            raise RequestError(f"{key} shows how a training begins and trains nothing; leave it out of a search.")
    search: Config = config["search"]
    if find_spec("optuna") is None:
        raise missing_extra("optuna", "search")
    sampler, metric, mode = search["sampler"], search["metric"], search["mode"]
    if sampler == "grid":
        check_grid(space)
    if sampler == "cma":
        check_cma(space)
        if find_spec("cmaes") is None:
            raise missing_extra("cmaes", "search")
    if metric is not None and str(metric).startswith("test/"):
        raise RequestError(f"search.metric={metric}: settings are not chosen by test results. Take one of val/.")
    if (metric is None) != (mode is None):
        given, other = ("metric", "mode") if mode is None else ("mode", "metric")
        raise RequestError(
            f"search.{given} needs search.{other}: a metric, and max or min for what is better of it.\n"
            "For example: search.metric=val/loss search.mode=min"
        )
    if search["compare"] == 1:
        raise RequestError(
            "search.compare=1 is not possible: an interval needs two seeds or more. Allowed: 0 or from 2."
        )


def _check_pruning(search: Config, epochs: int | str | None) -> None:
    """Rejects a first rung that no trial gets to before its end. epochs: trainer.max_epochs."""
    first = search["min_epochs"]
    if search["pruner"] != "none" and first is not None and isinstance(epochs, int) and 0 < epochs <= first:
        raise RequestError(
            f"search.min_epochs={first} with trainer.max_epochs={epochs} would prune no trial. Give fewer, or"
            " search.pruner=none."
        )


def _trials(config: Config, space: Space) -> int:
    """As many as were asked for, or as the space has settings: none is tried twice."""
    given, count = config["trials"], space.count()
    if given is None:
        given = count if config["search"]["sampler"] == "grid" and count is not None else _TRIALS
    return int(given) if count is None else min(int(given), count)


def _first_rung(max_epochs: int | str | None) -> int:
    """After how many epochs trials are first compared: a sixth of all. Earlier, mostly those with the largest learning
    rate are ahead; scripts/replay_halving.py shows what that costs (docs/search.md).
    """
    epochs = _FEWEST_EPOCHS if max_epochs == "auto" else int(max_epochs or 1)
    return max(1, -(-epochs // _FIRST_RUNG))


def _corners(space: Space) -> list[Params]:
    """Settings by which a wrong name or value is found: all first values, all last ones, and each choice once."""
    ends: list[dict[str, Value]] = [{}, {}]
    for key in space.keys:
        first, last = (key.values[0], key.values[-1]) if isinstance(key, Choice) else (key.low, key.high)
        ends[0][key.key], ends[1][key.key] = first, last
    each = [{**ends[0], key.key: value} for key in space.keys if isinstance(key, Choice) for value in key.values[1:-1]]
    found: list[Params] = [*ends, *each]
    return found[:_MOST_CHECKED]


def sweep_folder(path: Path) -> SweepFolder | None:
    """The folder of a search at a path that resume= names; None for one that is none, such as a run's."""
    found = SweepFolder(path)
    if found.request.is_file():
        return found
    if (path / "sweep.csv").is_file() or any(path.glob("job_*.json")):
        raise RequestError(
            f"{path} is a sweep of plain -m, which cannot go on; its runs can, one by one.\n"
            "A sweep that can is one with search=grid."
        )
    return None
