"""sensorium serve: models behind HTTP. This process imports no torch; each model has a process of its own."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sensorium
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.request import own_arguments
from sensorium.errors import RequestError, listing, missing_extra
from sensorium.files import exists, is_folder, meant, user_path
from sensorium.output import complain
from sensorium.run_folder import RunFolder
from sensorium.serve.limits import Limits
from sensorium.serve.loader import Loader

KEY_VARIABLE = "SENSORIUM_API_KEY"
_SHORTEST_KEY = 16  # characters
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEY = re.compile(r"[\x21-\x7e]+")  # what a header can hold


def run(arguments: list[str]) -> int:
    """Serves until it is told to stop."""
    run_hydra("serve", own_arguments("serve", arguments), _job)
    return 0


def load(path: str, *, accelerator: str, trust: bool) -> Any:
    """What a worker's process calls; only there is torch imported."""
    return sensorium.load(path, accelerator=accelerator, trust=trust)


def _job(config: Config) -> None:
    check("serve", config)
    try:
        from sensorium.serve.run import Address, run_server
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "serve") from error
    key = api_key(config["api_key"], os.environ)
    address = Address(host=config["host"], port=config["port"], loopback=is_loopback(config["host"]))
    if key is None and not address.loopback:
        raise RequestError(
            f"host={address.host} can be reached by other machines, and there is no key.\n"
            f"Set api_key=..., or {KEY_VARIABLE} in the environment; or leave out host=."
        )
    limits = limits_of(config)
    loaders = {
        name: Loader(
            load=load,
            path=path,
            accelerator=config["accelerator"],
            trust=config["trust"],
            threads=config["threads"],
            limits=limits,
        )
        for name, path in named_checkpoints(config["ckpt"], config["names"]).items()
    }
    run_server(loaders, address, limits=limits, api_key=key, say=complain)


def limits_of(config: Config) -> Limits:
    """From the keys of the request, in the units of the code."""
    same = ("max_batch", "max_queue", "max_inputs", "max_seconds", "max_characters", "max_tokens", "max_streams")
    return Limits(
        **{key: config[key] for key in (*same, "timeout", "read_timeout")},
        max_wait=config["max_wait_ms"] / 1000,
        max_body=round(config["max_body_mb"] * 1_000_000),
        max_pixels=round(config["max_megapixels"] * 1_000_000),
    )


def named_checkpoints(given: Any, names: Any) -> dict[str, str]:
    """The checkpoints by the names that clients know them by. Raises RequestError for one that is not there, and for
    names that are not unique.
    """
    paths = [user_path(str(path)) for path in (given if isinstance(given, list) else [given])]
    for path in paths:
        if not exists(path):
            raise RequestError(f"There is no checkpoint {path}.{meant(path)}")
    chosen = [_name(path) for path in paths] if names is None else names if isinstance(names, list) else [names]
    if len(chosen) != len(paths):
        raise RequestError(f"names= has {len(chosen)} names for {len(paths)} checkpoints; give one for each.")
    for name in chosen:
        if not _NAME.fullmatch(name):
            raise RequestError(
                f"names: {name!r} is not possible. A name has letters, digits, and . _ - after the first."
            )
    if twice := sorted({name for name in chosen if chosen.count(name) > 1}):
        raise RequestError(f"Several models are named {listing(twice)}. Name them: names=[a,b].")
    return dict(zip(chosen, map(str, paths), strict=True))


def _name(path: Path) -> str:
    """dataset_model of a run, whether its folder or its best checkpoint is given; else the file's."""
    run = path if is_folder(path) else path.parent.parent
    if exists(RunFolder(run).config) and (path == run or path.stem in ("best", "last")):
        name = run.resolve().parent.name
    else:
        name = path.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip("._-") or "model"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. Raises RequestError for what is none."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise RequestError(
            f"host={host} is no address. Allowed: an IP address such as 127.0.0.1, or localhost."
        ) from error


def api_key(given: Any, environment: Mapping[str, str]) -> str | None:
    """The key of the request or of the environment. Raises RequestError, which does not repeat it, for one that is
    easily guessed or no text.
    """
    key = environment.get(KEY_VARIABLE) if given is None else given
    if key is None:
        return None
    if not isinstance(key, str):
        raise RequestError(f"api_key is no text: put it in quotes, or into {KEY_VARIABLE} of the environment.")
    if len(key) < _SHORTEST_KEY or not _KEY.fullmatch(key):
        raise RequestError(
            f"api_key has to be {_SHORTEST_KEY} or more characters of ASCII without spaces.\n"
            "For example: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return key
