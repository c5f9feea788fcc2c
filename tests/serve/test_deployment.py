"""The page on deployment: its files are those of examples/deployment, and are what systemd, a container and Prometheus
take; its commands, and those of the page on serving, are accepted."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

pytest.importorskip("fastapi")

import sensorium
from live_server import running
from sensorium.cli.app import check, composed
from sensorium.cli.serve import api_key, is_loopback
from served import loaded, png, served, usual_limits

REPOSITORY = Path(__file__).parents[2]
DEPLOYMENT = REPOSITORY / "examples" / "deployment"
FILES = sorted(DEPLOYMENT.iterdir())
PAGES = {name: (REPOSITORY / "docs" / f"{name}.md").read_text() for name in ("serving", "deployment")}


def commands() -> list[tuple[str, str]]:
    """(verb, arguments) of both pages, in blocks and in the text."""
    found = [pair for text in PAGES.values() for pair in re.findall(r"\bsensorium ([a-z]+) (\w+=[^`\n#]*)", text)]
    assert {verb for verb, _ in found} == {"serve", "export", "eval"}
    return found


def curls(page: str) -> list[str]:
    """The lines of a page that ask a server."""
    return re.findall(r"^ *(curl .*)$", PAGES[page], re.MULTILINE)


def entry_point() -> list[str]:
    """What the container runs."""
    text = (DEPLOYMENT / "Containerfile").read_text()
    return [part for word in ("ENTRYPOINT", "CMD") for part in json.loads(re.search(rf"^{word} (.*)$", text, re.M)[1])]


def unit(key: str) -> list[str]:
    """The values of a key of the service."""
    return re.findall(rf"^{key}=(.*)$", (DEPLOYMENT / "sensorium@.service").read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_files_are_those_of_the_page(file: Path) -> None:
    assert f"\n{file.read_text()}```\n" in PAGES["deployment"]


@pytest.mark.parametrize(("verb", "arguments"), commands())
def test_commands_are_accepted(verb: str, arguments: str) -> None:
    config = composed(verb, shlex.split(arguments.replace("%i", "8001")))
    check(verb, config)
    assert config["ckpt"]


def test_commands_that_are_wrong_are_not_accepted() -> None:
    with pytest.raises(sensorium.errors.RequestError, match="Did you mean max_body_mb"):
        composed("serve", ["ckpt=a", "max_body=3"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    def complaints(text: str) -> list[str]:
        (tmp_path / "sensorium@.service").write_text(text)
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "sensorium@.service")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return [line for line in done.stderr.splitlines() if "sensorium" in line]

    text = (DEPLOYMENT / "sensorium@.service").read_text().replace("/opt/sensorium/bin/sensorium", "/bin/true")
    assert complaints(text) == []
    assert len(complaints(text.replace("OOMPolicy=continue", "OOMPolicy=go"))) == 1


def test_the_unit_gives_requests_their_time() -> None:
    (command,) = unit("ExecStart")
    config = composed("serve", shlex.split(command.replace("%i", "8001"))[2:])
    assert (config["ckpt"], config["port"], config["host"]) == ("/srv/sensorium/8001/model.ckpt", 8001, "127.0.0.1")
    assert float(unit("TimeoutStopSec")[0]) > config["timeout"] + 1
    assert (unit("KillSignal"), unit("RestartPreventExitStatus")) == (["SIGTERM"], ["2"])


def test_the_container_runs_the_wheel_as_no_root_and_can_be_stopped() -> None:
    text = (DEPLOYMENT / "Containerfile").read_text()
    program, verb, *arguments = entry_point()
    config = composed(verb, arguments)
    check(verb, config)
    assert (program, is_loopback(config["host"]), f"EXPOSE {config['port']}\n" in text) == ("sensorium", False, True)
    assert api_key(config["api_key"], {}) is None  # so that it starts with SENSORIUM_API_KEY alone
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wheel = f"dist/{project['name']}-{sensorium.__version__}-py3-none-any.whl"
    assert fnmatch(wheel, re.search(r"^COPY (\S+) ", text, re.M)[1])
    extras = re.search(r"\.whl\)\[(.*?)\]", text)[1].split(",")
    assert set(extras) <= set(project["optional-dependencies"])
    assert "serve" in extras
    minor = re.search(r"^FROM python:3\.(\d+)-slim$", text, re.M)[1]
    assert f"Programming Language :: Python :: 3.{minor}" in project["classifiers"]
    assert text.index("\nUSER 10001\n") > text.rindex("\nRUN ")
    (probe,) = re.findall(r"HEALTHCHECK .*\\\n +CMD (\[.*\])", text)
    assert f"'http://127.0.0.1:{config['port']}/health'" in json.loads(probe)[2]


def test_the_probe_of_the_container_says_whether_the_server_is_ready() -> None:
    text = (DEPLOYMENT / "Containerfile").read_text()
    command = json.loads(re.search(r"^    CMD (\[.*\])", text, re.M)[1])[2]
    with running({"text": loaded("text")}) as port:
        exec(command.replace("8000", str(port)))
    with pytest.raises(OSError, match="refused"):
        exec(command.replace("8000", str(port)))


def test_proxies_accept_what_the_server_does_and_wait_longer() -> None:
    limits = usual_limits()
    nginx, caddy = ((DEPLOYMENT / name).read_text() for name in ("nginx.conf", "Caddyfile"))
    assert f"client_max_body_size {limits.max_body};" in nginx
    assert f"max_size {limits.max_body // 1_000_000}MB " in caddy
    waits = [float(found) for found in re.findall(r"proxy_read_timeout (\d+)s", nginx)]
    assert waits[0] > limits.timeout + 1
    assert waits[1] > limits.max_seconds + limits.timeout - 1
    assert float(re.search(r"response_header_timeout (\d+)s", caddy)[1]) > limits.timeout + 1


def test_prometheus_finds_the_metrics_of_the_page() -> None:
    (job,) = yaml.safe_load((DEPLOYMENT / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8001", "127.0.0.1:8002"]}]
    assert job.get("metrics_path", "/metrics") == "/metrics"
    with served({"text": loaded("text")}) as client:
        client.post("/predict", json={"text": "one"})
        there = set(re.findall(r"^(\w+)", client.get("/metrics").text, re.MULTILINE))
    named = set(re.findall(r"\b(sensorium_\w+)", PAGES["deployment"]))
    assert len(named) == 8
    assert named - there == set()


@pytest.mark.parametrize("page", PAGES)
def test_requests_of_the_pages_have_routes(page: str) -> None:
    with served({"text": loaded("text")}) as client:
        paths = client.get("/openapi.json").json()["paths"]
    lines = curls(page)
    assert len(lines) >= 3
    for line in lines:
        (path,) = re.findall(r"(?:localhost:\d+|https://models\.example\.com)(/\w+)", line)
        assert ("post" if re.search(" -[Fd] ", line) else "get") in paths[path], line


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
@pytest.mark.parametrize("line", curls("serving"))
def test_requests_of_the_page_on_serving_are_answered(line: str, tmp_path: Path) -> None:
    for seed, name in enumerate(("cat.jpg", "a.png", "b.png")):
        (tmp_path / name).write_bytes(png(seed))
    kind, name = ("image", "digits") if " -F " in line else ("text", "reviews")
    with running({name: loaded(kind)}) as port:
        command = shlex.split(line.replace("localhost:8000", f"127.0.0.1:{port}"))
        done = subprocess.run([*command, "-sS"], cwd=tmp_path, capture_output=True, text=True, check=True)
    inputs = re.findall(r"@([\w.]+)", line) or ["What a film!"]
    found = json.loads(done.stdout)["predictions"]
    assert [one["input"] for one in found] == inputs
    contents = [(tmp_path / one).read_bytes() if kind == "image" else one for one in inputs]
    wanted = loaded(kind).predict(contents, **({"top_k": 1} if "top_k" in line else {}))
    assert [one["classes"][0]["class"] for one in found] == [one.classes[0][0] for one in wanted]


def test_a_proxy_on_this_machine_may_keep_its_own_host_name_where_there_is_a_key() -> None:
    key = "a-key-of-sixteen-letters"
    names = {"host": "models.example.com", "origin": "https://models.example.com"}
    with served({"text": loaded("text")}, api_key=key) as client:

        def asked(**headers: str) -> int:
            return client.post("/predict", json={"text": "one"}, headers=headers).status_code

        assert asked(**names, authorization=f"Bearer {key}") == 200
        assert asked(**names) == 401
        assert asked(host="models.example.com", origin="https://evil.example", authorization=f"Bearer {key}") == 403
