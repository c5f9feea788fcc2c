"""Where old checkpoints are kept, what they are asked, and how answers are compared with those of the old code."""

import json
from pathlib import Path
from typing import Any

import pytest

from command import run_command

FOLDER = Path(__file__).parent / "fixtures" / "checkpoints"
STRIPES, SCENES, TONES = (
    f"input=new_{name}_*.{end}" for name, end in (("stripes", "png"), ("scene", "png"), ("tones", "wav"))
)
BEAM = ["decoding.beam_size=4", "decoding.language_model=own"]
# For each kind of task, what is predicted from the raw inputs of `tiny_data`, each with a command of its own.
PREDICT = {
    "image": [[STRIPES]],
    "boxes": [[SCENES]],
    "masks": [[SCENES]],
    "text": [["input=new_reviews.txt"]],
    "language": [["prompt=the cat", "temperature=0", "length=60"]],
    "translation": [["input=new_digits.txt"]],
    "sound": [[TONES]],
    "speech": [[TONES], [TONES, *BEAM]],
}
MEASURED = {"test/real_time_factor"}  # by a clock
RENAMED: dict[str, str] = {}  # key of the old records: key of today's


def answers(checkpoint: Path, kind: str, home: Path) -> dict[str, Any]:
    """What `eval` and `predict` print of a checkpoint. home: the folder that `tiny_data.write_data` wrote."""
    return {
        "eval": _ask(["eval", f"ckpt={checkpoint}", f"folder={home / 'report'}"], home),
        "predict": [_ask(["predict", f"ckpt={checkpoint}", *asked], home) for asked in PREDICT[kind]],
    }


def _ask(command: list[str], home: Path) -> list[Any]:
    done = run_command([*command, "accelerator=cpu", "format=jsonl"], home)
    assert done.status == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_alike(found: Any, expected: Any, at: str = "") -> None:
    """Strings and counts are equal, losses to a thousandth, corners of boxes to 0.02 pixels, other numbers to 1e-4.

    at: where in the answers, for the message and for what kind of number it is.
    """
    if isinstance(expected, dict):
        names = {RENAMED.get(key, key): value for key, value in expected.items() if key not in MEASURED}
        assert found.keys() - MEASURED == names.keys(), at
        for key, value in names.items():
            check_alike(found[key], value, f"{at}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            check_alike(one, other, f"{at}[{number}]")
    elif isinstance(expected, float):
        relative = 1e-3 if any(word in at for word in ("loss", "perplexity", "bits")) else 0
        tolerance = 0.02 if ".box[" in at else 1e-4
        assert found == pytest.approx(expected, rel=relative, abs=tolerance), at
    else:
        assert found == expected, at
