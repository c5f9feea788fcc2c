"""sensorium export: a checkpoint as files that run without Sensorium, proven to answer as it does."""

from pathlib import Path

from sensorium import checkpoint
from sensorium.build import check_targets
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.eval_data import load_splits
from sensorium.cli.predict import checkpoint_path
from sensorium.cli.request import own_arguments
from sensorium.errors import RequestError, unwritable
from sensorium.export.exporting import SUFFIXES, Data, Exported, export
from sensorium.export.standalone import run_script
from sensorium.files import exists, is_folder, json_text, user_path, write_atomically
from sensorium.output import Record, complain, console, table
from sensorium.tasks import registry

RUN, PROOF = "run.py", "proof.json"


def run(arguments: list[str]) -> int:
    """The exit status."""
    run_hydra("export", own_arguments("export", arguments), _job)
    return 0


def _job(config: Config) -> None:
    check("export", config)
    loaded = checkpoint.read(checkpoint_path(config["ckpt"]))
    found, place = write(
        loaded,
        kind=config["format"],
        output=config["output"],
        tolerance=config["tolerance"],
        overwrite=config["overwrite"],
        trust=config["trust"],
    )
    _print(found, place)


def write(
    loaded: checkpoint.Checkpoint,
    *,
    kind: str,
    output: str | Path | None,
    tolerance: float | None,
    overwrite: bool,
    trust: bool,
) -> tuple[Exported, Path]:
    """Exports, proves and writes; what was found, and the first file. Raises RequestError before, RunError after."""
    alone, first = _place(loaded.path, kind, output)
    others = registry.of(loaded.spec).graph_names[1:]
    graphs = [first, *(first.with_name(f"{first.stem}.{name}{SUFFIXES[kind]}") for name in others)]
    beside = [] if alone else [first.with_name(name) for name in (PROOF, *([] if kind == "torch" else [RUN]))]
    _check_places([*graphs, *beside], overwrite=overwrite)
    if not trust:
        for section in ("dataset", "model"):
            check_targets(section, loaded.config[section])
    data = _data(loaded)
    found = export(loaded, kind=kind, tolerance=tolerance, data=data, trust=trust, name=first.stem)
    contents: list[bytes | str] = list(found.files.values())
    notes = [json_text(found.to_dict(), indent=2) + "\n", run_script()][: len(beside)]
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        for path, content in zip([*graphs, *beside], [*contents, *notes], strict=True):
            write_atomically(path, content)
    except OSError as error:
        raise unwritable(str(first.parent), error, "Choose output=OTHER.") from error
    return found, first


def _place(ckpt: Path, kind: str, output: str | Path | None) -> tuple[bool, Path]:
    """Whether the model's files stand alone, and the first of them."""
    suffix = SUFFIXES[kind]
    if output is None:
        run = ckpt.parent.parent if ckpt.parent.name == "checkpoints" else ckpt.parent
        return False, run / "export" / kind / f"model{suffix}"
    path = user_path(output)
    if path.suffix.lower() == suffix:
        return True, path
    if path.suffix.lower() in (".onnx", ".pt2", ".pt", ".pth", ".ckpt"):
        raise RequestError(f"output={output}: format={kind} writes {suffix} files. Name a folder, or NAME{suffix}.")
    return False, path / f"model{suffix}"


def _check_places(paths: list[Path], *, overwrite: bool) -> None:
    """Rejects what cannot be written, and, unless asked to, files that are there already, of an export or not."""
    folder = paths[0].parent
    if exists(folder) and not is_folder(folder):
        raise RequestError(f"output= needs a folder, and {folder} is a file.")
    for path in filter(exists, paths):
        if is_folder(path):
            raise RequestError(f"{path} is a folder; choose another output=.")
        if not overwrite:
            raise RequestError(f"{path} already exists; overwrite=true replaces it, or choose another output=.")


def _data(loaded: checkpoint.Checkpoint) -> Data | None:
    """The data of the training, to compare on; None, with a line, where it is not there."""
    try:
        settings, data = load_splits(loaded)
    except RequestError as error:
        complain(f"metrics are not compared, as the training data is not there: {str(error).splitlines()[0]}")
        return None
    return Data(config=settings, train=data.train, val=data.val)


def _print(found: Exported, place: Path) -> None:
    row: Record = {"format": found.kind, "MB": round(found.size / 1e6, 2)}
    for one in found.timings:
        row[f"ms, batch {one.batch}"] = f"{one.torch:.2f} -> {one.exported:.2f}"
    row["largest difference"] = f"{found.difference:.1e}"
    if found.metrics:
        name = found.headline
        row[f"val/{name}"] = f"{found.metrics[name]:.4f} -> {found.exported_metrics[name]:.4f}"
    count = f", {found.examples:,} validation examples" if found.examples else ""
    console().print(table([row], title=f"checkpoint -> exported, one thread{count}"))
    console().print(f"exported: {place}", markup=False, soft_wrap=True)
    if place.suffix == ".onnx":
        console().print(f"use it: sensorium predict ckpt={place} ...", markup=False, soft_wrap=True)
