"""Heads of tar archives that say what cannot be, or what is not read: a problem of their shard or sample, in words."""

import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from sensorium.data.base import Data
from sensorium.data.vision.image_shards import ImageShards
from sensorium.errors import RequestError
from shards import SETTINGS, image_members, image_shards, png, write_tar

IMPOSSIBLE = "a member of impossible size"


def loaded(root: Path, on_bad: str) -> Data:
    return ImageShards(root=str(root), **SETTINGS).load(on_bad=on_bad)


def refused(root: Path) -> str:
    with pytest.raises(RequestError) as raised:
        loaded(root, "fail")
    return str(raised.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return image_shards(tmp_path / "images", shards=1, each=20, val=10, test=10)


def head(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """A head as POSIX has it; a negative size as two's complement, as GNU's base 256 has it."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:124] = b"0000644\0" + b"0000000\0" * 2
    block[124:136] = b"%011o\0" % size if size >= 0 else b"\xff" + (size + 256**11).to_bytes(11, "big")
    block[136:148], block[156:157], block[257:265] = b"00000000000\0", kind, b"ustar\x0000"
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extended(records: dict[str, str]) -> bytes:
    """A PAX header in front of a member."""
    body = b""
    for key, value in records.items():
        record = f" {key}={value}\n".encode()
        length = len(record) + 1
        while len(str(length)) + len(record) != length:
            length += 1
        body += str(length).encode() + record
    return head(b"pax", len(body), b"x") + body + bytes(-len(body) % 512)


MEMBER = head(b"zz.cls", 1) + b"0" + bytes(511)
LONG_LINK = head(b"././@LongLink", 5, b"L") + b"abcd\0" + bytes(507)


@pytest.mark.parametrize(
    ("inserted", "told"),
    [
        (head(b"a.png", -1024), IMPOSSIBLE),
        (head(b"a.png", -1), IMPOSSIBLE),
        (head(b"a", -1024, b"?"), IMPOSSIBLE),
        (extended({"size": "-2048"}) + MEMBER, IMPOSSIBLE),
        (extended({"size": "9" * 23}) + MEMBER, "truncated"),
        (extended({"GNU.sparse.map": "a,b"}) + MEMBER, "a damaged header: invalid literal for int() with base 10: 'a'"),
        (extended({"GNU.sparse.size": "x"}) + MEMBER, "a damaged header: invalid literal for int() with base 10: 'x'"),
        (extended({"comment": "x"}) * 1500, "more headers in a row than are read"),
        (LONG_LINK * 1500, "more headers in a row than are read"),
        (head(b"pax", 1 << 30, b"x"), "a header of 1,073,741,824 bytes"),
        (head(b"pax", -1024, b"x"), "a header of -1,024 bytes"),
    ],
)
@pytest.mark.parametrize("before", [0, 5])
def test_impossible_heads_are_problems_of_their_shard(root: Path, inserted: bytes, told: str, before: int) -> None:
    whole = write_tar(root / "train-001.tar", image_members(range(60, 80))).read_bytes()
    (root / "train-001.tar").write_bytes(whole[: before * 2048] + inserted + whole[before * 2048 :])
    place = "in or after sample '0064'" if before else "before its first sample"
    what = told if told == "truncated" else f"not a readable tar archive ({told})"
    assert f"train-001.tar: {what} {place}" in refused(root)
    assert len(loaded(root, "skip").train) == 20 + before


@pytest.mark.parametrize(
    ("kind", "records"),
    [
        (tarfile.GNUTYPE_SPARSE, {}),
        (tarfile.REGTYPE, {"GNU.sparse.map": "0,4", "GNU.sparse.size": "90000"}),
        (tarfile.REGTYPE, {"GNU.sparse.size": "90000", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "4"}),
        (tarfile.REGTYPE, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "90000"}),
        (tarfile.REGTYPE, {"GNU.sparse.realsize": "90000"}),
    ],
)
@pytest.mark.parametrize("extension", ["png", "cls"])
def test_sparse_members_are_problems_of_their_sample(
    root: Path, kind: bytes, records: dict[str, str], extension: str
) -> None:
    with tarfile.open(root / "train-001.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in [("a.png", png(100)), ("a.cls", b"0"), *image_members(range(60, 62))]:
            member = tarfile.TarInfo(name)
            if name == f"a.{extension}":
                content = b"1\n0\n4\n" + bytes(506) + b"data"  # as version 1.0 has it: the map, and what is there
                member.type, member.pax_headers = kind, records
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    told = f"train-001.tar/a: its {extension} is a sparse member; pack it without tar --sparse (-S)"
    assert told in refused(root)
    data = loaded(root, "skip")
    assert (len(data.train), len(data.problems)) == (22, 1)


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
@pytest.mark.parametrize("version", ["gnu", "0.0", "0.1", "1.0"])
def test_sparse_members_of_gnu_tar(root: Path, version: str, tmp_path: Path) -> None:
    if "GNU tar" not in subprocess.run(["tar", "--version"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("another tar")
    folder = tmp_path / "files"
    folder.mkdir()
    with (folder / "a.png").open("wb") as file:
        file.write(png(100))
        file.truncate(1 << 20)
    if (folder / "a.png").stat().st_blocks * 512 >= 1 << 20:
        pytest.skip("a file system without holes")
    (folder / "a.cls").write_text("0")
    how = ["--format=gnu"] if version == "gnu" else ["--format=posix", f"--sparse-version={version}"]
    packed = ["tar", "--sparse", *how, "-cf", str(root / "train-001.tar"), "-C", str(folder), "a.png", "a.cls"]
    subprocess.run(packed, check=True)
    assert "/a: its png is a sparse member" in refused(root)
