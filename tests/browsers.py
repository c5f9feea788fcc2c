"""Chromium without a window, driven by Playwright, for tests of pages; they are skipped where there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDED = [
    pytest.mark.skipif(_CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="needs playwright (pip install 'sensorium[dev]')"),
]


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """A browser of Playwright's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", *arguments])
        yield browser
        browser.close()
