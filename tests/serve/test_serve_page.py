"""The page in Chromium: a file, a pasted image, a text, a fake microphone; by keyboard, at the width of a phone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

import browsers
from live_server import running
from served import loaded, png
from served_ear import as_wav, ear, tones

KEY = "a-key-of-sixteen-letters"
pytestmark = browsers.NEEDED


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    recording = tmp_path_factory.mktemp("microphone") / "tones.wav"
    recording.write_bytes(as_wav(tones("llhl hh   ")))
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with browsers.chromium(*microphone, f"--use-file-for-fake-audio-capture={recording}") as chromium:
        yield chromium


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running({"ear": ear(), "image": loaded("image"), "text": loaded("text"), "boxes": loaded("boxes")}) as port:
        yield port


@pytest.fixture
def page(browser, port: int):
    page = browser.new_page(viewport={"width": 360, "height": 700})
    page.faults = []
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.elsewhere = []
    own = (f"http://127.0.0.1:{port}/", "data:", f"blob:http://127.0.0.1:{port}/")
    page.on("request", lambda request: None if request.url.startswith(own) else page.elsewhere.append(request.url))
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("#model option", state="attached")
    yield page
    assert (page.faults, page.elsewhere) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_images_are_chosen_and_pasted_and_explained(page, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(png(0, (20, 30)))
    page.select_option("#model", "image")
    page.set_input_files("#image-file", tmp_path / "cat.png")
    page.wait_for_selector(".result .bar")
    (best,) = loaded("image").predict([png(0, (20, 30))])
    assert page.locator(".result .answer").inner_text() == best.classes[0][0]
    assert page.locator(".bar span:last-child").first.inner_text() == f"{100 * best.classes[0][1]:.1f}%"
    page.click(".explain")
    page.wait_for_selector(".explanation img")
    page.evaluate(
        """async (bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(png(1)),
    )
    page.wait_for_selector(".result >> nth=1")
    page.select_option("#model", "boxes")
    page.set_input_files("#image-file", tmp_path / "cat.png")
    page.wait_for_selector(".result >> nth=2")


def test_a_text_is_predicted_by_keyboard_alone(page) -> None:
    page.select_option("#model", "text")
    page.locator("#text").focus()
    page.keyboard.type("one <b>two</b>")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".result .bar")
    assert page.locator("blockquote").inner_text() == "one <b>two</b>"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    focused = "document.activeElement.id || document.activeElement.className"
    while page.evaluate(focused) != "explain":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".explanation .words span")
    assert page.locator(".words span").all_inner_texts()[0] == "one"


def test_the_microphone_is_transcribed_live_and_recorded(page) -> None:
    page.select_option("#model", "ear")
    page.click("#live")
    # The recording repeats: a busy machine may miss its first tones, or hear one tone as two where samples are dropped.
    page.locator("#live-text", has_text=re.compile(r"l+h+l+\s+h+\s")).wait_for(timeout=60_000)
    page.click("#live")
    page.wait_for_selector("#live[aria-pressed=false]")
    page.click("#record")
    page.wait_for_timeout(700)
    page.click("#record")
    page.wait_for_selector(".result audio")


def test_a_second_press_while_the_microphone_is_opened_starts_no_second_recording(page) -> None:
    page.evaluate(
        """() => {
          window.opened = [];
          const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
          media.getUserMedia = async (what) => {
            const stream = await open(what);
            window.opened.push("microphone");
            window.stream = stream;
            return stream;
          };
          const Real = WebSocket;
          window.WebSocket = class extends Real {
            constructor(...given) { super(...given); window.opened.push("socket"); }
            send(data) { window.opened.push(typeof data === "string" ? data : "samples"); super.send(data); }
          };
        }"""
    )
    page.select_option("#model", "ear")
    ended = "window.stream.getTracks().every((track) => track.readyState === 'ended')"
    for name, expected in (("record", ["microphone"]), ("live", ["microphone", "socket"])):
        page.evaluate("(name) => { $(name).click(); $(name).click(); }", name)
        page.wait_for_selector(f"#{name}[aria-pressed=false]")
        assert page.evaluate(ended)
        opened = page.evaluate("window.opened")
        assert [one for one in opened if one != "samples"] == expected + ["end"] * (name == "live")
        page.evaluate("() => { window.opened = []; window.stream = null; }")


def test_the_key_is_asked_for(browser) -> None:
    with running({"text": loaded("text")}, api_key=KEY) as port:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#key-form:not([hidden])")
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#model option", state="attached")
        page.close()
