"""The cache of decoded images: right, rebuilt when files change, built once, never larger than told."""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from images import write_picture_folder
from sensorium.data import cache
from sensorium.data.vision import cache as images_cache
from sensorium.data.vision.cache import cached_images
from sensorium.errors import RunError
from sensorium.vision.decode import UnreadableImage, decode_image, list_images

SETTINGS = {"image_size": (32, 32), "in_channels": 3, "resize": "crop"}
ROW = 3 * 32 * 32
FIXED = (1 << 14) + 32 * 20  # set aside for what is not pixels, with 20 files
PLENTY = 1 << 30


@pytest.fixture
def files(tmp_path):
    return list_images(write_picture_folder(tmp_path / "images", per_class=10, size=12))


@pytest.fixture
def decodings(monkeypatch):
    """The number of images decoded so far."""
    count = [0]
    lock = threading.Lock()

    def counting(*args, **kwargs):
        with lock:
            count[0] += 1
        return decode_image(*args, **kwargs)

    monkeypatch.setattr(images_cache, "decode_image", counting)
    return count


def expected(files, **settings):
    return np.stack([decode_image(path, **(SETTINGS | settings)) for path in files])


def everything(images):
    return images.store.read(np.arange(len(images.store)))


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def entries(home):
    return [path for path in (home / "images").iterdir() if path.is_dir()]


def test_pictures_are_decoded_once_and_read_in_any_order(files, decodings, cache_home):
    images = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    assert (len(images.store), images.store.shape, images.cached, decodings[0]) == (20, (3, 32, 32), 20, 20)
    rows = np.array([19, 0, 0, 7])
    read = images.store.read(rows)
    assert (read.dtype, read.flags.c_contiguous, read.flags.writeable) == (np.uint8, True, True)
    np.testing.assert_array_equal(read, expected(files)[rows])
    again = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    np.testing.assert_array_equal(everything(again), expected(files))
    np.testing.assert_array_equal(again.digests, images.digests)
    assert decodings[0] == 20
    assert len(entries(cache_home)) == 1


def test_it_is_built_anew_when_a_file_or_setting_changes(files, decodings):
    cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    status = files[3].stat()
    content = files[3].read_bytes()
    files[3].write_bytes(content)
    os.utime(files[3], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    assert decodings[0] == 40
    Image.new("RGB", (12, 12), "red").save(files[3])
    changed = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    np.testing.assert_array_equal(everything(changed), expected(files))
    assert decodings[0] == 60
    for change in ({"image_size": (4, 4)}, {"in_channels": 1}, {"resize": "pad", "image_size": (4, 8)}):
        other = cached_images(files, **(SETTINGS | change), cache_bytes=PLENTY)
        np.testing.assert_array_equal(everything(other), expected(files, **change))
    assert decodings[0] == 120
    renamed = files[0].rename(files[0].with_name("zzz.png"))
    cached_images([*files[1:], renamed], **SETTINGS, cache_bytes=PLENTY)
    assert decodings[0] == 140


def test_relative_and_absolute_paths_are_one_entry(files, decodings, monkeypatch, tmp_path):
    cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    monkeypatch.chdir(tmp_path)
    cached_images([path.relative_to(tmp_path) for path in files], **SETTINGS, cache_bytes=PLENTY)
    assert decodings[0] == 20


def test_unreadable_files_are_told_and_remembered(files, decodings):
    files[4].write_bytes(b"")
    files[5].unlink()
    for _ in range(2):
        images = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
        assert list(images.unreadable) == [4, 5]
        assert images.unreadable[4] == "not a readable image (the file is empty)"
        assert "no such file" in images.unreadable[5]
        good = [row for row in range(20) if row not in (4, 5)]
        np.testing.assert_array_equal(images.store.read(np.array(good)), expected([files[row] for row in good]))
    assert decodings[0] == 19


def test_digests_tell_the_content(files):
    files[7].write_bytes(files[0].read_bytes())
    digests = cached_images(files, **SETTINGS, cache_bytes=PLENTY).digests
    assert digests.shape == (20, 32)
    assert (digests[7] == digests[0]).all()
    assert len(np.unique(digests, axis=0)) == 19


@pytest.mark.parametrize("rows", [0, 1, 7, 19])
def test_what_does_not_fit_is_decoded_at_each_read(files, rows, cache_home, monkeypatch):
    written = []
    pwrite = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda file, data, start: written.append(start // ROW) or pwrite(file, data, start)
    )
    images = cached_images(files, **SETTINGS, cache_bytes=FIXED + rows * ROW + ROW - 1)
    assert images.cached == rows
    assert size_of(cache_home) <= FIXED + rows * ROW + ROW - 1
    assert sorted(written) == list(range(rows))
    np.testing.assert_array_equal(everything(images), expected(files))
    mixed = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(images.store.read(mixed), expected(files)[mixed])


def test_more_room_than_before_keeps_more(files):
    assert cached_images(files, **SETTINGS, cache_bytes=FIXED + 7 * ROW).cached == 7
    assert cached_images(files, **SETTINGS, cache_bytes=PLENTY).cached == 20


def test_zero_bytes_keep_nothing(files, cache_home):
    files[2].write_bytes(b"no image")
    images = cached_images(files, **SETTINGS, cache_bytes=0)
    assert not cache_home.exists()
    assert list(images.unreadable) == [2]
    assert images.statistics(np.array([0, 1]))[0]
    with pytest.raises(UnreadableImage, match="not a readable image"):
        images.store.read(np.array([2]))


def test_the_longest_unused_entry_makes_room(files, cache_home, decodings):
    room = 2 * (FIXED + 20 * ROW)
    for change in ({}, {"resize": "stretch"}, {}, {"resize": "pad"}):  # the first is used again, the second goes
        cached_images(files, **(SETTINGS | change), cache_bytes=room)
        assert size_of(cache_home) <= room
    assert len(entries(cache_home)) == 2
    assert decodings[0] == 60
    cached_images(files, **SETTINGS, cache_bytes=room)
    assert decodings[0] == 60
    cached_images(files, **(SETTINGS | {"resize": "stretch"}), cache_bytes=room)
    assert decodings[0] == 80


def test_an_entry_that_is_read_is_not_removed(files, cache_home):
    held = cached_images(files, **SETTINGS, cache_bytes=FIXED + 20 * ROW)
    second = cached_images(files, **(SETTINGS | {"resize": "pad"}), cache_bytes=FIXED + 20 * ROW + 4096)
    assert size_of(cache_home) <= FIXED + 20 * ROW + 4096
    assert second.cached < 20
    np.testing.assert_array_equal(everything(second), expected(files, resize="pad"))
    np.testing.assert_array_equal(everything(held), expected(files))
    del held, second
    cached_images(files, **(SETTINGS | {"resize": "stretch"}), cache_bytes=FIXED + 20 * ROW)
    assert len(entries(cache_home)) == 1


def test_less_room_than_before_removes_others(files, cache_home):
    for change in ({}, {"resize": "pad"}):
        cached_images(files, **(SETTINGS | change), cache_bytes=PLENTY)
    cached_images(files, **SETTINGS, cache_bytes=FIXED + 20 * ROW)
    assert len(entries(cache_home)) == 1
    assert size_of(cache_home) <= FIXED + 20 * ROW


def test_a_long_list_of_unreadable_files_fits_too(tmp_path, cache_home):
    paths = []
    for i in range(600):
        paths.append(tmp_path / f"{i:03d}.png")
        if i < 10:
            Image.new("RGB", (32, 32), (i, 0, 0)).save(paths[-1])
        else:
            paths[-1].write_bytes(b"text")
    told = (1 << 14) + (32 + ROW) * 600
    images = cached_images(paths, **SETTINGS, cache_bytes=told)
    assert len(images.unreadable) == 590
    assert size_of(cache_home) <= told
    np.testing.assert_array_equal(images.store.read(np.arange(10)), expected(paths[:10]))


def test_what_a_killed_process_left_is_not_used_and_removed(files, cache_home, decodings):
    cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    entry = entries(cache_home)[0]
    entry.rename(entry.with_name(f"{entry.name}.abcd.tmp"))
    other = entry.with_name("0123.efgh.tmp")
    other.mkdir()
    (other / "rows").write_bytes(b"half")
    np.testing.assert_array_equal(everything(cached_images(files, **SETTINGS, cache_bytes=PLENTY)), expected(files))
    assert decodings[0] == 40
    assert entries(cache_home) == [entry]


@pytest.mark.parametrize("name", ["rows", "facts.npz"])
def test_a_damaged_entry_is_built_anew(files, cache_home, decodings, name):
    cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    path = entries(cache_home)[0] / name
    if name == "rows":
        os.truncate(path, 5 * ROW)
    else:
        path.unlink()
    np.testing.assert_array_equal(everything(cached_images(files, **SETTINGS, cache_bytes=PLENTY)), expected(files))
    assert decodings[0] == 40


def test_a_build_that_fails_leaves_nothing(files, cache_home, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(RunError, match=r"No space left on device.\nSet SENSORIUM_CACHE"):
            cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    assert entries(cache_home) == []
    np.testing.assert_array_equal(everything(cached_images(files, **SETTINGS, cache_bytes=PLENTY)), expected(files))


def test_a_folder_that_cannot_be_made(files, cache_home):
    cache_home.write_text("a file where the cache should be")
    with pytest.raises(RunError, match="Cannot keep images in"):
        cached_images(files, **SETTINGS, cache_bytes=PLENTY)


def test_threads_that_start_together_build_once(files, decodings):
    start = threading.Barrier(4)

    def load(_):
        start.wait()
        return everything(cached_images(files, **SETTINGS, cache_bytes=PLENTY))

    with ThreadPoolExecutor(4) as pool:
        for pixels in pool.map(load, range(4)):
            np.testing.assert_array_equal(pixels, expected(files))
    assert decodings[0] == 20


def load_in_process(files, barrier, results):
    barrier.wait()
    images = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    results.put((everything(images).tobytes(), images.digests.tobytes(), (images.entry.folder / "rows").stat().st_ino))


def test_processes_that_start_together_build_once(files):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    processes = [context.Process(target=load_in_process, args=(files, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    got = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert len(set(got)) == 1  # also the same file: nobody built it a second time
    assert got[0][0] == expected(files).tobytes()


def test_different_sets_built_together_stay_within_bounds(files, cache_home):
    told = 2 * (FIXED + 20 * ROW)
    changes = [{"resize": resize} for resize in ("crop", "pad", "stretch")]
    start = threading.Barrier(3)

    def load(change):
        start.wait()
        images = cached_images(files, **(SETTINGS | change), cache_bytes=told)
        np.testing.assert_array_equal(everything(images), expected(files, **change))
        start.wait()
        return size_of(cache_home)

    with ThreadPoolExecutor(3) as pool:
        assert max(pool.map(load, changes)) <= told


def test_reading_on_from_many_threads_while_pages_are_handed_back(files, monkeypatch):
    monkeypatch.setattr(cache, "_RESIDENT_BYTES", 1)
    images = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    right = expected(files)

    def check(seed):
        for rows in np.random.default_rng(seed).integers(0, 20, (50, 6)):
            np.testing.assert_array_equal(images.store.read(rows), right[rows])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(4)))


def test_statistics_are_worked_out_once_for_the_rows_asked(files, monkeypatch):
    images = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    rows = np.arange(5)
    mean, std = images.statistics(rows)
    exact = expected(files)[rows] / 255
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(std, exact.std(axis=(0, 2, 3)))
    again = cached_images(files, **SETTINGS, cache_bytes=PLENTY)
    assert again.statistics(np.arange(6)) != (mean, std)
    assert again.statistics(rows) == (mean, std)
    monkeypatch.setattr(images_cache, "channel_statistics", lambda store: pytest.fail("read again"))
    assert again.statistics(rows) == (mean, std)
