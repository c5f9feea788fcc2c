"""A function that predicts with the exported model in the same folder, without a server."""

from argparse import Namespace
from pathlib import Path
from tempfile import NamedTemporaryFile

from run import Model  # run.py of sensorium export

MODEL = Model(Path(__file__).with_name("model.onnx"), Namespace(top_k=3, threshold=None, masks=None))


def answer(content: bytes) -> dict:
    """The prediction for the content of an image or audio file; `error` in it says why there is none."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        record = MODEL.record(0, file.name)
    del record["input"]  # the name of the temporary file
    if "error" in record:
        record["error"] = record["error"].removeprefix(f"{file.name}: ")
    return record
