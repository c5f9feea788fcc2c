"""Forms with files, as clients encode them, and what is wrong with others."""

import random

import pytest

pytest.importorskip("fastapi")

import httpx

from sensorium.serve.form import Part, parts_of
from sensorium.serve.messages import RemoteError

TYPE = "multipart/form-data; boundary=x"
DISPOSITION = b"Content-Disposition: form-data; name="


def form(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


def test_what_a_client_encodes_is_found_again() -> None:
    contents = [bytes(range(256)) * 300, b"", b"\r\n--", b"--x--\r\n"]
    files = [("file", (f"\u00fc {number}.png", content)) for number, content in enumerate(contents)]
    request = httpx.Request("POST", "http://a/", data={"model": "digits", "text": "\u00fc\r\n"}, files=files)
    found = parts_of(request.headers["content-type"], request.read(), most_files=4)
    fields = [Part("model", None, b"digits"), Part("text", None, "\u00fc\r\n".encode())]
    assert found == fields + [Part(name, filename, content) for name, (filename, content) in files]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "message"),
    [
        ("multipart/form-data", form(), 400, "no boundary"),
        ("multipart/form-data; boundary=" + "x" * 300, form(), 400, "oundary"),
        (TYPE, b"", 400, "last boundary is missing"),
        (TYPE, form(DISPOSITION + b'"text"\r\n\r\none', end=b""), 400, "last boundary is missing"),
        (TYPE, form(b"Content-Type: image/png\r\n\r\none"), 400, "a part has no name"),
        (
            TYPE,
            form(*[DISPOSITION + b'"file"; filename="a"\r\n\r\n'] * 3),
            413,
            "Too many files in one request; at most",
        ),
        (TYPE, form(*[DISPOSITION + b'"%d"\r\n\r\n' % n for n in range(65)]), 400, "more than 64 fields"),
        (TYPE, form(DISPOSITION + b'"text"\r\n\r\n' + b"a" * (1 << 20) + b"b"), 400, "larger than 1,048,576 bytes"),
    ],
)
def test_what_is_wrong_with_a_form(content_type: str, body: bytes, status: int, message: str) -> None:
    with pytest.raises(RemoteError, match=message) as caught:
        parts_of(content_type, body, most_files=2)
    assert caught.value.status == status


def status(content_type: str, body: bytes) -> int:
    try:
        parts_of(content_type, body, most_files=2)
    except RemoteError as error:
        return error.status
    return 200


def test_damaged_forms_are_read_or_refused() -> None:
    whole = form(DISPOSITION + b'"text"\r\n\r\none', DISPOSITION + b'"file"; filename="a.png"\r\nA: b\r\n\r\n\x89PNG')
    random_ = random.Random(0)
    statuses = set()
    for _ in range(2000):
        body, kind = bytearray(whole), bytearray(TYPE.encode())
        for _ in range(random_.randint(1, 4)):
            body[random_.randrange(len(body))] = random_.randrange(256)
        kind[random_.randrange(20, len(kind))] = random_.randrange(256)
        for content_type in (TYPE, kind.decode("latin-1")):
            statuses.add(status(content_type, bytes(body)))
    assert statuses == {200, 400}
