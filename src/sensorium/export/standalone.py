"""The program beside an exported model, which needs no PyTorch."""

from pathlib import Path

_SCRIPT = Path(__file__).with_name("run_exported.py")


def run_script() -> str:
    """Its text."""
    return _SCRIPT.read_text(encoding="utf-8")
