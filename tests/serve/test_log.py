"""Lines of the server's log that are about no request."""

import json
import logging

import pytest

pytest.importorskip("fastapi")

from sensorium.serve.log import Warnings


def test_warnings_of_libraries_are_lines_without_the_message_of_an_exception(capsys) -> None:
    logger = logging.Logger("library")
    logger.addHandler(Warnings(logging.WARNING))
    logger.info("hello")
    logger.warning("Invalid %s request", "HTTP")
    try:
        raise ValueError("what somebody sent")
    except ValueError:
        logger.exception("Exception in an application")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("warning", "Invalid HTTP request"), ("error", "Exception in an application")
    ]  # fmt: skip
    assert lines[1]["error"] == "ValueError"
    assert [place.rpartition(" ")[2] for place in lines[1]["where"]] == [
        "test_warnings_of_libraries_are_lines_without_the_message_of_an_exception"
    ]
    assert "somebody" not in json.dumps(lines)
