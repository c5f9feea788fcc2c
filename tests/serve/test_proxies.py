"""The reverse proxies of the page on deployment, where nginx and Caddy are installed: TLS, host names, live audio,
streamed texts and large bodies through them."""

import base64
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("websockets")

from websockets.sync.client import connect

from live_server import running
from served import loaded, png
from served_ear import RATE, ear, tones

DEPLOYMENT = Path(__file__).parents[2] / "examples" / "deployment"
NAME = "models.example.com"
KEY = "a-key-of-sixteen-letters"
HTTP = """
daemon off;
error_log stderr;
pid FOLDER/pid;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/bodies;
    proxy_temp_path FOLDER/answers;
    fastcgi_temp_path FOLDER/unused;
    uwsgi_temp_path FOLDER/unused;
    scgi_temp_path FOLDER/unused;
    include FOLDER/sensorium.conf;
}
"""


class TwoWords:
    """A language model that writes its second word when the first has arrived."""

    def __init__(self) -> None:
        self.arrived = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(loaded("language"), name)

    def predict(self, raws: Any, **options: Any) -> list[Any]:
        def pieces() -> Iterator[str]:
            yield "one"
            yield " two" if self.arrived.wait(20) else " held back"

        return [SimpleNamespace(error=None, pieces=pieces())]


class Site(NamedTuple):
    """A proxy in front of a server."""

    port: int
    plain_port: int
    trusted: ssl.SSLContext
    words: TwoWords

    @property
    def host(self) -> str:
        return f"{NAME}:{self.port}"

    def ask(self, method: str, path: str, *, key: str | None = KEY, **given: Any) -> httpx.Response:
        with self.client(key) as client:
            return client.request(method, path, extensions={"sni_hostname": NAME}, **given)

    def client(self, key: str | None = KEY) -> httpx.Client:
        headers = {"host": self.host, "origin": f"https://{self.host}"}
        headers |= {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}", verify=self.trusted, headers=headers, timeout=60, trust_env=False
        )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def write_certificate(folder: Path) -> None:
    """For the site, signed by itself."""
    chain, key = folder / "fullchain.pem", folder / "privkey.pem"
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *algorithm, *names, "-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True)


def nginx(folder: Path, backend: int, port: int, plain: int) -> list[str]:
    """The command, with the file of the page but for ports and places."""
    text = (DEPLOYMENT / "nginx.conf").read_text()
    for old, new in (
        ("127.0.0.1:8001", f"127.0.0.1:{backend}"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        (f"/etc/ssl/{NAME}", str(folder)),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "sensorium.conf").write_text(text)
    (folder / "main.conf").write_text(HTTP.replace("FOLDER", str(folder)))
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "main.conf")]
    tried = subprocess.run([*command, "-t"], check=False, capture_output=True, text=True)
    assert (tried.returncode, "[warn]" in tried.stderr) == (0, False), tried.stderr
    return command


def caddy(folder: Path, backend: int, port: int, plain: int) -> list[str]:
    """The same for Caddy, which would ask for a certificate itself."""
    files = f"{folder / 'fullchain.pem'} {folder / 'privkey.pem'}"
    text = (DEPLOYMENT / "Caddyfile").read_text()
    for old, new in (
        ("127.0.0.1:8001", f"127.0.0.1:{backend}"),
        (f"{NAME} {{\n", f"https://{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {files}\n"),
    ):
        assert old in text
        text = text.replace(old, new)
    settings = f"admin off\n\thttp_port {plain}\n\tstorage file_system {folder}"
    (folder / "Caddyfile").write_text(f"{{\n\t{settings}\n}}\n{text}")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def site(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for program in (request.param, "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on this machine")
    folder = tmp_path_factory.mktemp(request.param)
    write_certificate(folder)
    trusted = ssl.create_default_context(cafile=folder / "fullchain.pem")
    words, port, plain = TwoWords(), free_port(), free_port()
    models = {"image": loaded("image"), "ear": ear(), "words": words}
    with running(models, api_key=KEY) as backend, (folder / "log").open("w") as log:
        command = {"nginx": nginx, "caddy": caddy}[request.param](folder, backend, port, plain)
        proxy = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            wait_for(port, proxy, folder / "log")
            yield Site(port, plain, trusted, words)
        finally:
            proxy.terminate()
            proxy.wait(20)


def wait_for(port: int, proxy: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(400):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert proxy.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_predictions_the_page_and_errors_come_through(site: Site) -> None:
    found = site.ask("POST", "/predict", files={"file": ("a.png", png(1))}, data={"model": "image"})
    (wanted,) = loaded("image").predict([png(1)])
    assert found.json()["predictions"][0]["classes"] == wanted.to_dict()["classes"]
    assert site.ask("GET", "/", key=None).headers["content-type"] == "text/html; charset=utf-8"
    assert site.ask("GET", "/models", key=None).status_code == 401
    elsewhere = site.ask("GET", "/models", headers={"origin": "https://evil.example"})
    assert elsewhere.status_code == 403


def test_a_streamed_text_is_not_held_back(site: Site) -> None:
    site.words.arrived.clear()
    asked = {"model": "words", "prompt": "a", "stream": True}
    with (
        site.client() as client,
        client.stream("POST", "/v1/completions", json=asked, extensions={"sni_hostname": NAME}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = answer.iter_lines()
        assert '"text": "one"' in next(events)
        site.words.arrived.set()
        rest = "\n".join(events)
    assert ('"text": " two"' in rest, rest.rstrip().endswith("data: [DONE]")) == (True, True)


def test_live_audio_comes_through(site: Site) -> None:
    encoded = base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")
    with (
        socket.create_connection(("127.0.0.1", site.port)) as one,
        connect(
            f"wss://{site.host}/live?model=ear", sock=one, ssl=site.trusted, origin=f"https://{site.host}",
            subprotocols=["sensorium", f"sensorium.key.{encoded}"],
        ) as live,
    ):  # fmt: skip
        assert json.loads(live.recv(timeout=20)) == {"sample_rate": RATE}
        samples = tones("lh")
        for start in range(0, len(samples), 800):
            live.send(samples[start : start + 800].tobytes())
        live.send("end")
        *records, last = map(json.loads, live)
    assert ([one["text"] for one in records if one["done"]], last) == (["lh"], {"end": True})


def test_bodies_are_as_large_as_the_server_allows(site: Site) -> None:
    def status(size: int) -> int:
        file = {"file": ("a.png", b"x" * size)}
        try:
            return site.ask("POST", "/predict", files=file, data={"model": "image"}).status_code
        except httpx.WriteError:  # the proxy closes while the body is still being sent
            return 413

    assert status(31_999_000) == 400  # it arrived, and is no image
    assert status(32_000_001) in (413, 502)  # Caddy may find its connection closed before it reads why
    assert site.ask("GET", "/models").status_code == 200


def test_plain_http_is_sent_to_tls(site: Site) -> None:
    answer = httpx.get(f"http://127.0.0.1:{site.plain_port}/", headers={"host": NAME}, trust_env=False)
    assert answer.status_code in (301, 308)
    assert answer.headers["location"].startswith(f"https://{NAME}")
