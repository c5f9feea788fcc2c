"""What is wrong with shards, in words: before training, with the place, and with what can be done."""

import functools
import http.server
import io
import json
import os
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sensorium.data.base import Data
from sensorium.data.shards.addresses import missing_numbers
from sensorium.data.vision.image_shards import ImageShards
from sensorium.errors import RequestError, RunError
from shards import SETTINGS, image_members, image_shards, png, write_tar


def loaded(root: object, *, on_bad: str = "fail", **others: object) -> Data:
    return ImageShards(root=root, **{**SETTINGS, **others}).load(on_bad=on_bad)  # type: ignore[arg-type]


def refused(root: object, **others: object) -> str:
    with pytest.raises(RequestError) as raised:
        loaded(root, **others)
    return str(raised.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return image_shards(tmp_path / "images", shards=2, each=20, val=10, test=10)


# -- which shards


def test_no_root_and_no_match_say_what_was_given_and_what_is_there(root: Path, tmp_path: Path) -> None:
    assert "dataset.root is not set. Give a folder of .tar files, a pattern such as shards/train-{0" in refused(None)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("x")
    assert "matches no .tar file; it holds notes.txt." in refused(str(tmp_path / "other"))
    assert "matches no .tar file; nothing is there." in refused(f"{root}/traim-*.tar")
    wrong = refused(f"{root}/train-{{000..002}}.tar")
    assert f"dataset.root={root}/train-{{000..002}}.tar: there is no shard {root}/train-002.tar.\nIn " in wrong
    assert "test-000.tar, train-000.tar, train-001.tar, val-000.tar." in wrong
    assert "counts from 9 up to 3. Turn it." in refused(f"{root}/train-{{9..3}}.tar")
    assert "{a} is neither a range {000..099} nor a list {a,b}." in refused(f"{root}/train-{{a}}.tar")


def test_names_that_cannot_be(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    for given in (True, {"a": 1}, [["a.tar"]], [None], [""], 1.5):
        assert " is not possible. Give a folder of .tar files, a pattern" in refused(given)
    assert "dataset.root=5: there is no such file or folder.\nIn " in refused(5)
    assert "train-002.tar: there is no such file or folder." in refused("train-002.tar")
    assert ": there is no such file or folder." in refused(f"{'x' * 300}.tar")
    assert "matches no .tar file; nothing is there." in refused("**/traim-*.tar")
    data = loaded("trai**.tar")
    assert len(data.train) + len(data.val) + len(data.test) == 40
    assert "dataset.root=/dev/null is a device. Give a folder" in refused("/dev/null")
    assert "memory://nowhere: nothing is there. Give a folder" in refused("memory://nowhere")
    for pattern in ("http://127.0.0.1:1/{0..9999}-{0..9999}.tar", "{0..1000000}.tar"):
        assert f"dataset.root={pattern} stands for more than 1,000,000 shards." in refused(pattern)
    (root / "a[1]").mkdir()
    write_tar(root / "a[1]" / "train-0.tar", image_members(range(20)))
    assert loaded("a[1]/*.tar").train


def test_what_is_no_file_is_no_shard(root: Path) -> None:
    odd = root / "train-009.tar"
    os.mkfifo(odd)  # to open it would wait for ever
    assert "train-009.tar is a pipe" in refused(str(root))
    odd.unlink()
    odd.symlink_to("nowhere")
    assert "train-009.tar is a link to nothing; a shard is a .tar file." in refused(str(root))
    odd.unlink()
    odd.mkdir()
    assert "train-009.tar is a folder; a shard is a .tar file." in refused(f"{root}/train-*.tar")


def test_a_label_of_thousands_of_digits(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("a\nb\n")
    write_tar(
        tmp_path / "train-0.tar",
        [
            ("0.png", png(0)),
            ("0.cls", b"1" * 5000),
            ("1.png", png(1)),
            ("1.cls", b"1"),
            ("4.png", png(4)),
            ("4.cls", b"0"),
        ],
    )
    # Zeros in front say nothing, however many they are.
    write_tar(tmp_path / "val-0.tar", [("2.png", png(2)), ("2.cls", b"0" * 5000), ("3.png", png(3)), ("3.cls", b"01")])
    said = refused(str(tmp_path))
    assert "The data has 1 problem;" in said
    assert re.search(r"label 1{50,300}\.\.\., but there are 2 classes", said)


def test_class_names_end_at_line_feeds_alone(root: Path) -> None:
    (root / "classes.txt").write_bytes("a\u2028b\r\n c\x0cd \r\n".encode())
    assert list(loaded(str(root)).spec.class_names) == ["a\u2028b", "c\x0cd"]  # type: ignore[attr-defined]


def test_one_shard_under_two_names_is_counted_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    (root.parent / "link.tar").symlink_to(root / "train-000.tar")
    (root.parent / "copy").symlink_to(root)
    name = "images/train-000.tar"
    assert f"dataset.root names {name} twice. Name each shard once." in refused([name, name])
    assert f"dataset.root names {name} twice." in refused([name, "images/train-{000..001}.tar"])
    for other in (
        f"{root}/train-000.tar",
        "images/../images/train-000.tar",
        "link.tar",
        f"file://{root}/train-000.tar",
    ):
        shown = other.removeprefix("file://")
        assert f"dataset.root names one shard twice: {name} is {shown}. Name each" in refused([name, other])
    assert "names one shard twice: images/test-000.tar is copy/test-000.tar." in refused(["images", "copy"])
    data = loaded([name, "images/train-001.tar"])
    assert len(data.train) + len(data.val) + len(data.test) == 40


def test_compressed_shards_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "train-000.tar.gz", "w:gz") as archive:
        archive.add(root / "train-000.tar", "0000.png")
    told = "train-000.tar.gz is compressed, and examples inside cannot be read one by one.\nUnpack it to a plain .tar"
    assert told in refused(str(tmp_path / "packed"))
    assert told in refused(str(tmp_path / "packed" / "train-000.tar.gz"))
    shutil.copy(root / "train-000.tar", tmp_path / "packed" / "train-001.tar")
    assert told in refused(str(tmp_path / "packed"))  # beside a plain one too
    (tmp_path / "packed" / "train-000.tar.gz").rename(root / "train-002.tar")
    assert "train-002.tar: a compressed archive, whatever it is called; unpack it" in refused(str(root))


def test_a_gap_in_a_series_is_named(root: Path) -> None:
    for name in ("train-003.tar", "train-005.tar"):
        shutil.copy(root / "train-001.tar", root / name)
    gap = f"{root}/train-002.tar and 1 more of its series are missing; only the shards that are there are read"
    assert [note for note in loaded(str(root)).notes if "missing" in note] == [gap]
    assert missing_numbers(["a-1.tar", "a-9.tar", "b.tar", "c-1.tar", "c-2.tar", "c-03.tar"]) == []


def test_addresses_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "nosuch://bucket/a.tar cannot be reached: Protocol not known: nosuch" in refused("nosuch://bucket/a.tar")
    assert "chained addresses (::) are not read" in refused("simplecache::http://127.0.0.1:1/a.tar")
    assert "http://127.0.0.1:1/a.tar cannot be reached: " in refused("http://127.0.0.1:1/a.tar")
    assert "there is no memory:///none/a.tar" in refused("memory:///none/a.tar")


# -- what is in them


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([("a.jpeg", png(1000))], "/bad.tar/a: no label (.cls); it has jpeg"),
        ([("a.cls", b"0"), ("a.json", b"{}")], "/bad.tar/a: no image (.bmp, .gif, .jpe, .jpeg ... and 8 more); it has"),
        ([("a.png", png(1000)), ("a.jpg", png(1001)), ("a.cls", b"0")], "/bad.tar/a: more than one image: png, jpg"),
        ([("a.png", png(1000)), ("a.png", png(1001)), ("a.cls", b"0")], "/bad.tar/a: two members with the extension '"),
        ([*image_members([1000, 1001]), *image_members([1000])], "/bad.tar/1000: its key is in the shard twice"),
        ([("../../a.png", png(1000)), ("../../a.cls", b"0")], "/bad.tar/../../a: its name leads out of the archive"),
        ([("/etc/a.png", png(1000)), ("/etc/a.cls", b"0")], "/bad.tar//etc/a: its name leads out of the archive"),
        ([("a.png", b"no image"), ("a.cls", b"0")], "/bad.tar/a.png: not a readable image (its content is none of"),
        ([("a.png", b""), ("a.cls", b"0")], "/bad.tar/a.png: not a readable image (the file is empty)"),
        ([("a.png", png(1000)), ("a.cls", b" \n")], "/bad.tar/a.cls: no label"),
        ([("a.png", png(1000)), ("a.cls", b"\xff")], "/bad.tar/a.cls: not UTF-8 (byte 0xff)"),
        ([("a.png", png(1000)), ("a.cls", b"2")], "/bad.tar/a.cls: label 2, but there are 2 classes, 0 to 1"),
        ([("a.png", png(1000)), ("a.cls", b"nigth")], "/bad.tar/a.cls: label 'nigth' is none of the classes; the"),
        ([], "/bad.tar: a tar archive without a sample"),
        ([("README", b"x"), ("__meta__/a.json", b"{}")], "/bad.tar: a tar archive without a sample"),
    ],
)  # fmt: skip
def test_bad_samples_are_problems_or_skipped(root: Path, members: list[tuple[str, bytes]], told: str) -> None:
    (root / "classes.txt").write_text("night\nday\n")
    write_tar(root / "bad.tar", [*members])
    found = refused(str(root))
    assert "The data has 1 problem; on_bad=skip skips and lists the bad ones:" in found
    assert told in found
    data = loaded(str(root), on_bad="skip")
    assert len(data.problems) == 1
    good = len({name for name, _ in members if name.startswith("100")}) // 2
    assert len(data.train) == 40 + good
    assert not list(root.parent.glob("**/a.*"))


def test_a_truncated_shard_gives_the_samples_before_the_end(root: Path) -> None:
    path = root / "train-001.tar"
    whole = path.read_bytes()
    for length, samples, what in (
        (5 * 2048 + 1100, 5, "truncated in or after sample '0025'"),
        (5 * 2048 + 520, 5, "truncated in or after sample '0024'"),  # inside the content of 0025.png
        (5 * 2048 + 100, 5, "truncated in or after sample '0024'"),  # inside a head
        (5 * 2048, 5, "truncated in or after sample '0024'"),
        (520, 0, "truncated before its first sample"),
        (100, 0, "not a readable tar archive (truncated header)"),
        (0, 0, "the file is empty"),
    ):
        path.write_bytes(whole[:length])
        assert f"train-001.tar: {what}" in refused(str(root))
        assert len(loaded(str(root), on_bad="skip").train) == 20 + samples
    path.write_bytes(b"x" * 4096)
    assert "train-001.tar: not a readable tar archive (" in refused(str(root))


@pytest.mark.parametrize("kind", ["joined", "hole", "in front", "one block"])
def test_members_behind_the_end_mark_are_a_problem_and_not_lost_silently(root: Path, kind: str) -> None:
    path = root / "train-001.tar"
    whole = path.read_bytes()
    content, samples, where = {
        "joined": (whole + write_tar(root.parent / "b.tar", image_members(range(60, 80))).read_bytes(), 20, "0039"),
        "hole": (whole[: 5 * 2048] + bytes(4096) + whole[7 * 2048 :], 5, "0024"),
        "one block": (whole[: 5 * 2048] + bytes(512) + whole[5 * 2048 :], 5, "0024"),
        "in front": (bytes(512) + whole, 0, ""),
    }[kind]
    path.write_bytes(content)
    place = f"in or after sample '{where}'" if where else "before its first sample"
    told = f"train-001.tar: data after the mark that ends the archive (two archives joined, or a hole) {place}"
    assert told in refused(str(root))
    assert len(loaded(str(root), on_bad="skip").train) == 20 + samples
    path.write_bytes(whole + bytes(1 << 21))  # padding is none
    assert len(loaded(str(root)).train) == 40


def test_a_damaged_head_is_called_so(root: Path) -> None:
    path = root / "train-001.tar"
    content = bytearray(path.read_bytes())
    content[5 * 2048 + 5] ^= 0xFF  # its checksum no longer fits
    path.write_bytes(content)
    assert "train-001.tar: damaged in or after sample '0024'" in refused(str(root))


def test_links_are_not_followed(root: Path) -> None:
    with tarfile.open(root / "train-000.tar", "a") as archive:
        link = tarfile.TarInfo("secret.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("NOTES"), io.BytesIO())
    data = loaded(str(root))
    assert len(data.train) == 40
    notes = "\n".join(data.notes)
    assert "train-000.tar: not read: 1 links or devices" in notes
    assert "train-000.tar: not read: 1 files without an extension" in notes


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("classes.txt", "night\nnight\n", "classes.txt beside the shards has the class 'night' twice"),
        ("classes.txt", "night\n\nday\n", "must list class names, one for each number from 0 on"),
        ("classes.json", json.dumps({"night": 0}), "must list class names, one for each number from 0 on"),
        ("classes.json", "[" * 100_000, "classes.json beside the shards is not read: JSON that is nested too deeply"),
        ("classes.json", "[", "classes.json beside the shards is not read: "),
    ],
)
def test_class_names_are_checked(root: Path, name: str, content: str, told: str) -> None:
    (root / name).write_text(content)
    assert told in refused(str(root))


def test_a_shard_that_is_cut_while_it_is_read_ends_the_run(root: Path) -> None:
    data = loaded(str(root), cache_bytes=0)
    (root / "train-000.tar").write_bytes(b"")
    with pytest.raises(RunError, match=r"train-000\.tar became shorter while it was read"):
        data.train.read(np.array([0]))


# -- over HTTP


@pytest.fixture
def address(root: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_shards_of_a_web_server_are_fetched_once(root: Path, address: str, tmp_path: Path) -> None:
    (root / "classes.txt").write_text("night\nday\n")
    local = loaded(str(root))
    for given in (f"{address}/{{train-{{000..001}},val-000,test-000}}.tar", address):
        if given != address:
            given = [f"{address}/train-{{000..001}}.tar", f"{address}/val-000.tar", f"{address}/test-000.tar"]
        data = loaded(given, cache_bytes=0)
        assert data.spec == local.spec
        assert np.array_equal(data.train.images.read(np.arange(40)), local.train.images.read(np.arange(40)))
    assert len(list((tmp_path / "cache" / "shards").glob("*/rows"))) == 4
    assert f"there is no {address}/train-007.tar" in refused(f"{address}/train-007.tar")


def test_room_for_fetched_shards(address: str) -> None:
    pattern = f"{address}/train-{{000..001}}.tar"
    assert "shuffle of all examples would fetch them again and again.\nSet dataset.shuffle_window" in refused(
        pattern, shard_bytes=60_000
    )
    assert "has no room for two shards of 51,200 bytes" in refused(pattern, shard_bytes=60_000, shuffle_window=5)
    assert "dataset.shuffle_window=0: give a whole number, 1 or more." in refused(pattern, shuffle_window=0)
