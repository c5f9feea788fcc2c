"""The server against its own OpenAPI description: whatever fits it, or nearly, is answered and no fault."""

import random

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.generation import GenerationMode

from live_server import running
from served import loaded, served

MODELS = ("text", "image", "language", "speech")
# Of the operations that have a body, each may be asked so often.
FEW, MANY = 8, 150


@pytest.fixture(scope="module")
def client():
    with served({kind: loaded(kind) for kind in MODELS}, max_tokens=20) as client:
        yield client


@pytest.fixture(scope="module")
def address():
    with running({kind: loaded(kind) for kind in MODELS}, max_tokens=20) as port:
        yield f"http://127.0.0.1:{port}"


def answers(address: str, count: int) -> list[tuple[str, int, bytes]]:
    """Operation, status and body of what was answered to generated requests, some of which break the description."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    found: list[tuple[str, int, bytes]] = []

    def ask(case) -> None:
        answer = case.call(base_url=address)
        found.append((case.operation.label, answer.status_code, answer.content))

    for operation in schema.get_all_operations():
        strategy = operation.ok().as_strategy()
        test = hypothesis.given(case=strategy)(lambda case: ask(case))
        hypothesis.settings(
            max_examples=count, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(test)()  # fmt: skip
    return found


def check(found: list[tuple[str, int, bytes]], least: int) -> None:
    assert len(found) >= least
    assert [one for one in found if one[1] >= 500] == []
    assert {label.split()[1] for label, _, _ in found} >= {"/predict", "/explain", "/v2/models/{name}/infer"}


def test_generated_requests_are_no_faults(address: str) -> None:
    check(answers(address, FEW), 60)


@pytest.mark.slow
def test_a_thousand_generated_requests_are_no_faults(address: str) -> None:
    check(answers(address, MANY), 1000)


def mangled(body: bytes, random_: random.Random) -> bytes:
    """The same with bytes that are changed, doubled or gone."""
    found = bytearray(body)
    for _ in range(random_.randint(1, 4)):
        place = random_.randrange(len(found))
        choice = random_.randrange(3)
        if choice == 0:
            found[place] = random_.randrange(256)
        elif choice == 1:
            found[place:place] = found[place : place + random_.randint(1, 30)]
        else:
            del found[place : place + random_.randint(1, 30)]
    return bytes(found)


BODIES = [
    ("/predict", b'{"model": "text", "text": "one two", "top_k": 2, "decoding": {"beam_size": 2}}'),
    ("/predict", b'{"model": "image", "inputs": ["iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFX"]}'),
    ("/v2/models/text/infer", b'{"inputs": [{"name": "a", "shape": [1], "datatype": "BYTES", "data": ["one"]}]}'),
    ("/v1/completions", b'{"model": "language", "prompt": "one", "max_tokens": 3, "stop": ["x"]}'),
]


def test_200_malformed_requests_and_the_next_good_one_is_answered(client) -> None:
    random_ = random.Random(0)
    statuses = []
    for number in range(200):
        path, body = BODIES[number % len(BODIES)]
        headers = {"content-type": "application/json"}
        statuses.append(client.post(path, content=mangled(body, random_), headers=headers).status_code)
    assert set(statuses) <= {200, 400, 404, 413, 422}
    assert statuses.count(200) < 100
    assert client.post("/predict", json={"model": "text", "text": "one"}).status_code == 200
