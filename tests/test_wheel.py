"""The wheel: built, installed into an empty folder, it works without the repository."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).parents[1]
COMPOSE_ALL = """
import json
from itertools import zip_longest
from omegaconf import OmegaConf
import sensorium
from sensorium.cli import configs
from sensorium.cli.composition import compose
groups = {group: [f"{group}={name}" for name in configs.options(group)] for group in configs.groups()}
choices = sum(groups.values(), [])
# One of each group at a time: none is alone in what it sets but an experiment, which chooses in other groups.
alone = groups.pop("experiment")
for together in [*([choice] for choice in alone), *zip_longest(*groups.values())]:
    OmegaConf.to_container(compose("train", [choice for choice in together if choice]), resolve=True)
for verb in ("eval", "predict", "explain", "serve", "report", "check", "list"):
    compose(verb, [])
yamls = sorted(str(path.relative_to(configs.FOLDER)) for path in configs.FOLDER.rglob("*.yaml"))
print(json.dumps({"package": sensorium.__file__, "choices": choices, "yamls": yamls}))
"""

pytestmark = pytest.mark.skipif(
    find_spec("build") is None or find_spec("hatchling") is None,
    reason="building a wheel needs the packages build and hatchling (pip install 'sensorium[dev]')",
)


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY, cwd=folder)
    (built,) = folder.glob("sensorium-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder)
    return folder


def test_what_is_inside(wheel):
    names = ZipFile(wheel).namelist()
    source = {
        f"sensorium/{path.relative_to(REPOSITORY / 'src' / 'sensorium')}" for path in REPOSITORY.glob("src/**/*.py")
    }
    yamls = {
        f"sensorium/configs/{path.relative_to(REPOSITORY / 'configs')}" for path in REPOSITORY.glob("configs/**/*.yaml")
    }
    pages = {
        f"sensorium/{folder}/{path.name}"
        for folder in ("reports", "serve/page")
        for path in (REPOSITORY / "src" / "sensorium" / folder).iterdir()
        if path.name.endswith((".html.jinja", ".html", ".css", ".js"))
    }
    assert len(pages) == 7 + 4
    others = {"sensorium/py.typed", "sensorium/configs/model/_catalog.json", "sensorium/inspection/check.html.jinja"}
    assert {name for name in names if ".dist-info/" not in name} == source | yamls | pages | others
    text = ZipFile(wheel).read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "sensorium = sensorium.cli.main:main" in text


@pytest.mark.slow
def test_every_config_composes_from_the_installed_files(installed, tmp_path):
    found = json.loads(run("-c", COMPOSE_ALL, cwd=tmp_path, PYTHONPATH=str(installed)))
    assert Path(found["package"]).is_relative_to(installed)
    here = REPOSITORY / "configs"
    assert found["yamls"] == sorted(str(path.relative_to(here)) for path in here.rglob("*.yaml"))
    others = [*here.glob("*.yaml"), *here.glob("*/_*.yaml")]  # of verbs, and blocks that datasets include
    assert len(found["choices"]) == len(found["yamls"]) - len(others)


def test_the_command_works_from_the_installed_files(installed, tmp_path):
    text = run("-m", "sensorium", "list", "what=model", "format=jsonl", cwd=tmp_path, PYTHONPATH=str(installed))
    names = {json.loads(line)["name"] for line in text.splitlines()}
    assert names == {path.stem for path in (REPOSITORY / "configs" / "model").glob("*.yaml")}
    assert "usage: sensorium train" in run(
        "-m", "sensorium", "train", "--help", cwd=tmp_path, PYTHONPATH=str(installed)
    )
