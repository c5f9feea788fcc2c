"""Sound files of every kind against what was written, pieces against the whole, and a refusal of everything else."""

import numpy as np
import pytest
import soundfile
import torch
import torchaudio.functional

from sensorium.audio.formats import START, read_format, unread_format
from sensorium.audio.quality import check, check_file
from sensorium.audio.read import UnreadableAudio, chunks, decode_pcm, list_sounds, probe, read
from sensorium.audio.resample import Rates
from sensorium.errors import RequestError

LOSSLESS = [
    ("wav", "PCM_U8", 2**-7),
    ("wav", "PCM_16", 2**-15),
    ("wav", "PCM_24", 2**-23),
    ("wav", "PCM_32", 2**-23),
    ("wav", "FLOAT", 0),
    ("wav", "DOUBLE", 0),
    ("flac", "PCM_16", 2**-15),
    ("flac", "PCM_24", 2**-23),
    ("aiff", "PCM_16", 2**-15),
    ("nist", "PCM_16", 2**-15),
]


def sine(rate, seconds=0.5, hertz=440.0, loudness=0.5):
    return (loudness * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def written(folder, samples, rate, name="sound.wav", **options):
    soundfile.write(folder / name, samples, rate, **options)
    return folder / name


@pytest.mark.parametrize(("suffix", "subtype", "step"), LOSSLESS)
def test_samples_are_read_as_they_were_written(tmp_path, suffix, subtype, step):
    sound = sine(8000)
    path = written(tmp_path, sound, 8000, f"a.{suffix}", subtype=subtype, format=suffix.upper())
    assert probe(path) == (8000, 4000, 1)
    found = read(path, sample_rate=8000)
    assert found.dtype == np.float32
    assert found.shape == (4000,)
    assert np.abs(found - sound).max() <= step


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_compressed_sound_is_nearly_what_was_written(tmp_path, suffix):
    sound = sine(16000)
    path = written(tmp_path, sound, 16000, f"a.{suffix}")
    found = read(path, sample_rate=16000)
    assert len(found) == len(sound) == probe(path).samples
    middle = slice(2000, 6000)
    assert np.abs(found - sound)[middle].max() < 0.05


def test_a_file_is_told_by_its_content_not_its_name(tmp_path):
    flac = written(tmp_path, sine(8000), 8000, "a.flac").rename(tmp_path / "a.wav")
    assert len(read(flac, sample_rate=8000)) == 4000


def test_channels_are_mixed_by_their_mean(tmp_path):
    channels = np.stack([sine(8000), np.full(4000, 0.25, np.float32), np.zeros(4000, np.float32)], axis=1)
    path = written(tmp_path, channels, 8000, subtype="FLOAT")
    assert probe(path).channels == 3
    assert np.allclose(read(path, sample_rate=8000), (sine(8000) + 0.25) / 3, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampling_is_that_of_torchaudio_and_keeps_a_tone(tmp_path, rate):
    path = written(tmp_path, sine(rate), rate, subtype="FLOAT")
    found = read(path, sample_rate=16000)
    assert len(found) == 8000
    whole = torchaudio.functional.resample(torch.from_numpy(sine(rate)), rate, 16000).numpy()
    assert np.allclose(found, whole, atol=1e-6)
    assert np.abs(found - sine(16000))[200:-200].max() < 5e-3


@pytest.mark.parametrize(("rate", "new_rate"), [(8000, 11025), (44100, 16000), (16000, 8000)])
def test_rates_without_a_common_divisor_are_resampled_by_the_same_filter(rate, new_rate):
    sound, rates = noise(3000), Rates(rate, new_rate)
    assert np.allclose(rates._directly(sound), rates.resample(sound), atol=1e-5)
    assert len(Rates(7920, 8000).resample(noise(990_001))) == 1_000_002  # 1,000,001.01, which float32 cannot tell
    assert len(Rates(11127, 16000).resample(sound)) == -(-3000 * 16000 // 11127)


@pytest.mark.parametrize("rate", [8000, 11025, 11127, 44100])
def test_pieces_are_cut_from_the_whole(tmp_path, rate):
    path = written(tmp_path, noise(rate), rate, subtype="FLOAT")
    whole = read(path, sample_rate=8000)
    for start, end in [(0.0, 0.1), (0.1, 0.2), (0.33333, 0.7), (0.9, None), (0.95, 2.0)]:
        piece = read(path, sample_rate=8000, start=start, end=end)
        expected = whole[round(start * 8000) : None if end is None else round(end * 8000)]
        assert piece.shape == expected.shape
        assert np.allclose(piece, expected, atol=1e-6)
    assert len(read(path, sample_rate=8000, start=3.0)) == 0
    with pytest.raises(RequestError, match=r"end is 0.1 s, which is before start, 0.2 s"):
        read(path, sample_rate=8000, start=0.2, end=0.1)


@pytest.mark.parametrize(("name", "rate"), [("a.wav", 8000), ("a.flac", 44100), ("a.mp3", 44100), ("a.ogg", 16000)])
def test_windows_of_a_long_file_are_those_of_the_whole(tmp_path, name, rate):
    path = written(tmp_path, noise(2 * rate), rate, name)
    whole = read(path, sample_rate=8000)
    found = list(chunks(path, sample_rate=8000, seconds=0.5, overlap=0.1))
    assert [chunk.start for chunk in found] == [0, 3200, 6400, 9600, 12800]  # 0.4 s further each time
    assert [len(chunk.samples) for chunk in found] == [4000, 4000, 4000, 4000, 3200]
    for chunk in found:
        assert np.allclose(chunk.samples, whole[chunk.start : chunk.start + 4000], atol=1e-5)


def test_the_last_window_is_not_one_that_was_heard_already(tmp_path):
    path = written(tmp_path, noise(7200), 8000)
    lengths = [len(c.samples) for c in chunks(path, sample_rate=8000, seconds=0.5, overlap=0.1)]
    assert lengths == [4000, 4000]
    assert [len(c.samples) for c in chunks(path, sample_rate=8000, seconds=5, overlap=1)] == [7200]
    with pytest.raises(RequestError, match="overlap is 1 s"):
        next(chunks(path, sample_rate=8000, seconds=1, overlap=1))


def test_bad_files_are_refused_by_what_is_wrong_with_them(tmp_path):
    whole = {name: written(tmp_path, noise(16000), 8000, name).read_bytes() for name in ("a.wav", "a.flac", "a.mp3")}
    files = {
        "empty.wav": (b"", "the file is empty"),
        "text.wav": (b"not a sound at all", "not readable audio: format not recognised"),
        "a.raw": (bytes(100), "raw samples have no stated sample rate"),
        "half.wav": (whole["a.wav"][:16044], "truncated: 16,000 of 32,000 bytes present"),
        "half.mp3": (whole["a.mp3"][: len(whole["a.mp3"]) // 2], "truncated: 13 of 30 MP3 frames present"),
        "half.flac": (whole["a.flac"][: len(whole["a.flac"]) // 2], "damaged after 0.0 s: flac decoder lost sync"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableAudio, match=f"^{reason}"):
            read(tmp_path / name, sample_rate=8000)
    with pytest.raises(UnreadableAudio, match="no such file or directory"):
        probe(tmp_path / "nothing.wav")


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("a b.m4a", b"\0\0\0\x20ftypM4A ", "MPEG-4 is not read here; convert it first: ffmpeg -i 'a b.m4a' 'a b.wav'"),
        ("plain", b"\x1aE\xdf\xa3", "WebM or Matroska is not read here; convert it first: ffmpeg -i plain plain.wav"),
        ("a.aac", b"\xff\xf1\x50\x80", "AAC is not read here; convert it first: ffmpeg -i a.aac a.wav"),
        ("a.WMA", b"?", ".wma is not read here; convert it first: ffmpeg -i a.WMA a.wav"),
    ],
)
def test_known_formats_that_are_not_read_are_refused_by_name(tmp_path, name, start, said):
    (tmp_path / name).write_bytes(start + bytes(100))
    for refusing in (probe, lambda path: read(path, sample_rate=8000)):
        with pytest.raises(UnreadableAudio) as caught:
            refusing(tmp_path / name)
        assert str(caught.value) == said
    assert list_sounds(tmp_path) == []
    assert len(list_sounds(tmp_path, unread=True)) == (name != "plain")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "rf64"])
def test_a_format_is_told_by_how_a_file_begins(tmp_path, suffix):
    start = written(tmp_path, noise(8000), 8000, f"a.{suffix}").read_bytes()[:START]
    assert read_format(start) == suffix.upper()
    assert unread_format(start) is None
    assert read_format(b"\xff\xfb" + bytes(START)) is None  # a sample of 16 bits


def test_raw_samples_are_little_endian_and_whole():
    assert decode_pcm(b"\x00\x00\x00\x40\x00\x80\xff\xff").tolist() == [0, 0.5, -1, -1 / 32768]
    with pytest.raises(RequestError, match="3 bytes of raw audio end inside a sample"):
        decode_pcm(b"\x00\x00\x00")


def test_folders_are_listed_by_name_without_what_is_hidden(tmp_path):
    for name in ("b.wav", "a.FLAC", "notes.txt", ".hidden.wav", "._a.wav", "sub/c.mp3", ".git/d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in list_sounds(tmp_path)]
    assert names == ["a.FLAC", "b.wav", "sub/c.mp3"]


def test_what_is_wrong_with_samples_is_said_in_words():
    sound = sine(8000)
    bad = sound.copy()
    bad[80] = np.nan
    cut = np.clip(4 * sound, -1, 1)
    flat = (np.abs(4 * sound) >= 1).mean()
    samples = {
        "empty": sound[:0],
        "1 sample is not a number or infinite, the first at 0.010 s": bad,
        "silent: all samples are zero": 0 * sound,
        "silent: all samples are near 0.5": 0 * sound + 0.5,
        f"clipped: {100 * flat:.1f}% of the samples are at full scale": cut,
        "samples reach 16383.5, beyond full scale": np.where(np.arange(4000) == 7, 16383.5, sound),
    }
    for reason, wrong in samples.items():
        assert (check(wrong, sample_rate=8000) or "").startswith(reason)
    assert 0.5 < flat < 0.9


def test_a_file_in_windows_is_checked_as_its_samples_are(tmp_path):
    sound = sine(8000, seconds=25)
    sound[[90_000, 180_000]] = np.inf
    path = written(tmp_path, sound, 8000, subtype="FLOAT")
    assert check_file(path, sample_rate=8000) == check(sound, sample_rate=8000)
    assert check(sound, sample_rate=8000) == "2 samples are not a number or infinite, the first at 11.250 s"


def test_loud_is_not_clipped():
    assert check(sine(8000, loudness=1.0), sample_rate=8000) is None
    peaks = np.zeros(1000, np.float32)
    peaks[::10] = 1.0  # a tenth of the samples, no two in a row
    assert check(peaks, sample_rate=8000) is None
    for place in (0, 500, 953):
        tops = 0.5 * noise(1000)
        tops[place : place + 47] = 1.0  # 4.7%
        assert check(tops, sample_rate=8000) is None
        tops[(place + 60) % 900 : (place + 60) % 900 + 3] = -1.0  # and 3 samples more
        assert check(tops, sample_rate=8000) == "clipped: 5.0% of the samples are at full scale"


def test_a_codec_without_places_is_read_from_its_beginning(tmp_path):
    """GSM 6.10: 33 bytes for 160 samples, each frame built on the one before."""
    path = tmp_path / "voice.wav"
    samples = 0.3 * np.sin(2 * np.pi * 300 * np.arange(3200) / 8000)
    soundfile.write(path, samples, 8000, subtype="GSM610")
    found = read(path, sample_rate=8000)
    assert len(found) == 3200
    assert np.corrcoef(found, samples)[0, 1] > 0.9
    assert np.array_equal(read(path, sample_rate=8000, start=0.1, end=0.3), found[800:2400])
