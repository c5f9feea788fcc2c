"""`sensorium train photos/` and `sensorium train reviews.csv`: which dataset a folder or a file is, from its content.

Nothing is trained on a guess unseen: what was taken for what is printed, with the full command. Where two datasets are
likely, the request is rejected with both commands. No torch.
"""

from collections.abc import Sequence
from pathlib import Path

from sensorium.cli.arguments import OPTIONS
from sensorium.cli.guess import coco, folders, shards, tables, texts
from sensorium.cli.guess.base import Guess, command, of_verb, one_of, override, shown
from sensorium.cli.guess.columns import is_json_lines
from sensorium.errors import RequestError
from sensorium.files import not_a_file, refuse_whole_system, user_path

__all__ = ["Guess", "expanded", "guessed", "shown"]

_MEMORIES = (".tmx", ".xliff", ".xlf", ".sdlxliff", ".po")  # of translations
_YAMLS = (".yaml", ".yml")


def expanded(arguments: Sequence[str], *, verb: str = "train") -> tuple[list[str], str | None]:
    """Arguments of a verb in which a path instead of key=value has become overrides; and what to say about it.

    Raises RequestError for a path that is no known kind of data, that could be two, or that is not there.
    """
    values = {
        number + 1 for number, argument in enumerate(arguments) if argument in OPTIONS
    }  # of --config-dir and so on
    paths = [argument for number, argument in enumerate(arguments) if number not in values and _is_path(argument)]
    if not paths:
        return list(arguments), None
    if len(paths) > 1 or any(
        argument.startswith(("dataset=", "dataset.root=", "dataset.path=")) for argument in arguments
    ):
        raise RequestError(
            f"{paths[-1]!r} is a second data path. Give one folder or file, or dataset=NAME with its keys."
        )
    rest = [argument for argument in arguments if argument != paths[0]]
    path = user_path(paths[0])
    found = guessed(path, rest, verb=verb)
    overrides = of_verb(found.overrides, verb)
    full = command((*overrides, *rest), verb)
    return [*overrides, *rest], f"{paths[0]}: detected as {found.what}. Full command: {full}"


def _is_path(argument: str) -> bool:
    """Whether an argument is a path: neither an option nor key=value. What is called a=b is written ./a=b."""
    if argument.startswith(("./", "../", "/", "~/")):
        return True
    if "=" in argument or argument.startswith(("-", "~", "+")):
        return False
    return "/" in argument or Path(argument).suffix.lower() in tables.SUFFIXES or Path(argument).exists()


def guessed(path: Path, rest: Sequence[str] = (), *, verb: str = "train") -> Guess:
    """What is at a path. rest: the other arguments, for the commands in messages. Raises RequestError when that is
    nothing known, or when two datasets are likely.
    """
    if path.is_dir():
        refuse_whole_system(path)
        return one_of(path, folders.guesses(path), rest, otherwise=folders.EXPECTED, verb=verb)
    if not path.exists():
        raise RequestError(f"There is no file or folder {path}.")
    if wrong := not_a_file(path):
        raise RequestError(f"{path} is {wrong}; a file or a folder is needed.")
    suffix = path.suffix.lower()
    if suffix in tables.SUFFIXES or (suffix == ".json" and not coco.is_coco(path) and is_json_lines(path)):
        return one_of(path, tables.guesses(path), rest, otherwise=tables.expected(path), verb=verb)
    if suffix == ".txt":
        return texts.of_file(path)
    if suffix == ".tar":
        return one_of(path, shards.of_shards(path, path), rest, otherwise="", verb=verb)
    if suffix == ".json" and coco.is_coco(path):
        return coco.of_files({"train": path}, root=path.parent)
    if suffix in _MEMORIES:
        raise RequestError(
            f"{path}: {suffix} is not read. Export it as a table of two columns, or as JSON lines such as\n"
            '{"en": "A dog.", "de": "Ein Hund."}; then: sensorium train FILE.jsonl'
        )
    if suffix in _YAMLS and folders.is_yolo(path.parent):
        return Guess(folders.YOLO, ("dataset=yolo", override("root", path.parent)))
    raise RequestError(
        f"The kind of data in {path} is not recognized. Known are folders, {', '.join(tables.SUFFIXES)}, .txt, .tar, "
        "COCO's .json and\nYOLO's data.yaml. For others name the dataset: sensorium list what=datasets"
    )
