"""report.html in a real browser: Chromium without a window, driven by Playwright."""

import pytest

import browsers
from report_runs import write_run
from sensorium.reports import page as report
from sensorium.reports.read import read_run

DASH = "\N{EN DASH}"
pytestmark = browsers.NEEDED


@pytest.fixture(scope="module")
def browser():
    with browsers.chromium() as chromium:
        yield chromium


def visible(page) -> list[str]:
    return page.locator("[data-browser] .example:visible .verdict").all_inner_texts()


def test_it_works_by_keyboard_and_loads_nothing(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report.render_run(read_run(write_run(tmp_path / "run"))), encoding="utf-8")
    assert path.stat().st_size < 3_000_000
    page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="light")
    faults, requests = [], []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    status = page.locator("[data-status]")
    assert status.inner_text() == f"1{DASH}24 of 90"
    assert len(visible(page)) == 24

    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    assert status.inner_text() == f"25{DASH}48 of 90"

    page.get_by_role("combobox", name="Result").focus()
    page.keyboard.press("ArrowDown")  # wrong
    wrong = len(page.locator("[data-browser] .example[data-correct=wrong]").all())
    assert status.inner_text() == f"1{DASH}{min(24, wrong)} of {wrong}"
    assert set(visible(page)) == {"✗ wrong"}
    page.get_by_role("combobox", name="Class").focus()
    page.keyboard.press("ArrowDown")  # cat
    fewer = int(status.inner_text().rpartition(" ")[2])
    assert 0 < fewer < wrong
    page.get_by_role("spinbutton", name="Confidence from").fill("1")
    assert status.inner_text() == "No example fits."

    sorted_by = page.locator("th button", has_text="F1")
    sorted_by.focus()
    page.keyboard.press("Enter")
    rows = page.locator("table", has=page.locator("th button", has_text="F1")).locator("tbody td:nth-child(4)")
    values = [float(text) for text in rows.all_inner_texts()]
    assert values == sorted(values, reverse=True)

    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.locator("#theme").focus()
    page.keyboard.press("Space")
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    page.reload()
    assert light != dark == page.evaluate(background)

    for width in (1400, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}
    assert faults == []
    page.close()


def test_a_comparison_fits_a_narrow_window(browser, tmp_path):
    path = tmp_path / "comparison.html"
    runs = [read_run(write_run(tmp_path / name, seed=seed, accuracy=seed / 10)) for seed, name in enumerate("abcdefgh")]
    path.write_text(report.render_comparison(runs), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 900})
    faults = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert faults == []
    page.close()
