"""Files whose header does not say how long they are: all of it is read, or a message says that there is more."""

import struct
from io import BytesIO

import numpy as np
import pytest
import soundfile

from sensorium.audio.formats import mp3_frame_bytes
from sensorium.audio.lengths import _last_sample
from sensorium.audio.read import UnreadableAudio, chunks, probe, read

RATE = 8000


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def encoded(samples, kind, rate=RATE, **options):
    file = BytesIO()
    soundfile.write(file, samples, rate, format=kind, **options)
    return file.getvalue()


def with_number(content, place, form, number):
    changed = bytearray(content)
    struct.pack_into(form, changed, place, number)
    return bytes(changed)


def changing(samples):
    """A quiet half, then a loud one, for which an encoder of variable bitrate takes more bits."""
    return np.concatenate([np.zeros(samples // 2, np.float32), noise(samples - samples // 2)])


def mp3_frames(content):
    """The frames of an MP3 file, the one with the header of Xing first."""
    place, frames = 0, []
    while place < len(content):
        frames.append(content[place : place + mp3_frame_bytes(content[place : place + 4])])
        place += len(frames[-1])
    return frames


def mp3(samples, rate=RATE, mode="CONSTANT", header=True):
    content = encoded(samples, "MP3", rate, bitrate_mode=mode)
    return content if header else b"".join(mp3_frames(content)[1:])


def refused(content):
    with pytest.raises(UnreadableAudio) as caught:
        read(BytesIO(content), sample_rate=RATE)
    return str(caught.value)


# -- MP3


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_an_mp3_without_a_header_is_read_to_its_end(mode, rate, capfd):
    """Of a variable bitrate libsndfile alone reads a third. Pieces are those of the whole."""
    sound = changing(3 * rate)
    bare = mp3(sound, rate, mode, header=False)
    frame = 576 if rate == 8000 else 1152
    assert probe(BytesIO(bare)).samples - frame * len(mp3_frames(bare)) in range(-529, 200)
    found = read(BytesIO(bare), sample_rate=rate)
    assert 0 <= frame * len(mp3_frames(bare)) - len(found) <= 529  # the decoder's own delay
    delay = len(found) - len(read(BytesIO(mp3(sound, rate, mode)), sample_rate=rate))
    assert 0 <= delay <= 3 * frame
    loud = np.flatnonzero(np.abs(found) > 0.01)
    assert abs(loud[0] - 1.5 * rate) < 3 * frame  # noise from the middle on, to the end
    assert abs(loud[-1] - 3 * rate) < 3 * frame
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize(
    "between",
    [b"", b"TAG" + bytes(125), b"ID3\4\0\0\0\0\x10\0" + bytes(2048), b"APETAGEX\xd0\7\0\0 " + bytes(11) + bytes(40)],
    ids=["nothing", "ID3v1", "ID3v2", "APE"],
)
def test_mp3_joined_without_headers_is_read_whole_and_with_headers_refused(mode, between, capfd):
    whole = [mp3(noise(count, seed), mode=mode) for seed, count in enumerate((5000, 9600))]
    parts = [mp3(noise(count, seed), mode=mode, header=False) for seed, count in enumerate((5000, 9600))]
    for joined in (between.join(whole), between.join([whole[0], parts[1]])):
        assert refused(joined).startswith(
            "continues after its stated end: several MP3 recordings in one file; convert it"
        )
    frames = [len(mp3_frames(part)) for part in parts]
    found = read(BytesIO(between.join(parts)), sample_rate=RATE)
    assert 0 <= 576 * sum(frames) - len(found) <= 529
    alone = read(BytesIO(parts[1]), sample_rate=RATE)[2000:6000]
    best = max(
        np.corrcoef(alone, found[at : at + 4000])[0, 1] for at in range(576 * frames[0] - 600, len(found) - 4000)
    )
    assert best > 0.999  # the second one is in there
    assert capfd.readouterr() == ("", "")


def test_mp3_of_other_rates_or_channels_one_behind_the_other_is_refused(capfd):
    mono, other = mp3(noise(8000), header=False), mp3(noise(11025), 11025)
    seconds = f"{len(mp3_frames(mono)) * 576 / 8000:.1f} s"
    assert refused(mono + other).startswith(
        f"continues after {seconds} of 8,000 Hz mono with 11,025 Hz mono: several MP3 recordings in one file; convert"
    )
    stereo = mp3(np.stack([noise(8000), noise(8000, 1)], axis=1))
    assert refused(mono + stereo).startswith(f"continues after {seconds} of 8,000 Hz mono with 8,000 Hz stereo: ")
    assert capfd.readouterr() == ("", "")


def test_pieces_of_an_mp3_of_variable_bitrate_are_those_of_the_whole(capfd):
    content = mp3(changing(20 * 16000), 16000, "VARIABLE")
    whole = read(BytesIO(content), sample_rate=16000)
    for start, end in [(4.0, 5.0), (9.5, 10.5), (15.0, 15.1)]:
        piece = read(BytesIO(content), sample_rate=16000, start=start, end=end)
        assert np.allclose(piece, whole[round(start * 16000) : round(end * 16000)], atol=1e-5)
    for chunk in chunks(BytesIO(content), sample_rate=16000, seconds=3.0, overlap=1.0):
        assert np.allclose(chunk.samples, whole[chunk.start : chunk.start + 48000], atol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_damage_in_an_mp3_is_told_by_us_and_not_by_its_decoder(capfd):
    frames = mp3_frames(mp3(noise(16000)))
    seconds = "0.7 s"  # 10 frames of 576 samples, the first of 11 being the header
    wrong = bytes(range(1, 250)) * 8
    assert refused(b"".join(frames[:11]) + wrong + b"".join(frames[11:])).startswith(
        f"damaged after {seconds}: 1,992 bytes there are not MP3"
    )
    bad = bytearray(frames[11])
    bad[4:13] = b"\xff" * 9  # its side information
    assert refused(b"".join([*frames[:11], bad, *frames[12:]])).startswith(
        f"damaged after {seconds}: 1 of {len(frames) - 1} MP3 frames hold no audio"
    )
    assert refused(b"".join(frames) + wrong * 4).startswith("continues after 2.2 s with 7,968 bytes that are not MP3")
    assert refused(b"".join(frames[:-5])) == f"truncated: {len(frames) - 6} of {len(frames) - 1} MP3 frames present"
    assert capfd.readouterr() == ("", "")


def test_tags_around_an_mp3_change_nothing(capfd):
    content = mp3(noise(9600))
    tagged = b"ID3\4\0\0\0\0\0\4abcd" + content + b"APETAGEX\xd0\7\0\0" + bytes(600) + b"TAG" + bytes(125)
    assert np.array_equal(read(BytesIO(tagged), sample_rate=RATE), read(BytesIO(content), sample_rate=RATE))
    assert len(read(BytesIO(tagged), sample_rate=RATE)) == 9600
    assert capfd.readouterr() == ("", "")


# -- WAV and its kin: where the bytes of samples are stated, and what it counts besides


KINDS = [
    ("WAV", b"data", 4, "<I", 0),
    ("AIFF", b"SSND", 4, ">I", 8),
    ("AU", b".snd", 8, ">I", 0),
    ("CAF", b"data", 4, ">q", 4),
    ("W64", b"data", 16, "<q", 24),
    ("RF64", b"ds64", 16, "<q", 0),
]


@pytest.mark.parametrize(("kind", "mark", "place", "form", "besides"), KINDS, ids=[kind[0] for kind in KINDS])
def test_a_header_that_states_another_length_is_not_believed(kind, mark, place, form, besides):
    sound = noise(16000)
    content = encoded(sound, kind, subtype="PCM_16")
    place += content.index(mark)

    def stating(count):
        return with_number(content, place, form, count)

    assert struct.unpack_from(form, content, place)[0] == 32000 + besides
    half = refused(stating(16000 + besides))
    assert half.startswith("its header states 1.00 s, and 16,000 bytes more follow")
    assert ("; convert it first: ffmpeg -ignore_length 1 -i FILE FILE.wav" in half) == (kind == "WAV")
    extra = besides if kind in ("AIFF", "CAF") else 0  # of the samples' own chunk
    assert refused(stating(64000 + besides)) == f"truncated: {32000 + extra:,} of {64000 + extra:,} bytes present"
    unknown = [0] if form.endswith("I") else [0, -1]
    for count in (*unknown, *([0xFFFFFFFF] if kind in ("WAV", "AU") else [])):
        assert probe(BytesIO(stating(count))).samples == 16000
        assert np.abs(read(BytesIO(stating(count)), sample_rate=RATE) - sound).max() <= 2**-15
    assert np.abs(read(BytesIO(content), sample_rate=RATE) - sound).max() <= 2**-15


def test_half_of_a_nist_sphere_is_not_believed():
    content = encoded(noise(16000), "NIST", subtype="PCM_16")
    half = content.replace(b"sample_count -i 16000", b"sample_count -i  8000")
    assert refused(half).endswith("16,000 bytes more follow")
    assert refused(content[: 1024 + 16000]) == "truncated: 16,000 of 32,000 bytes present"


LIST = b"LIST" + struct.pack("<I", 200) + b"INFO" + bytes(196)


@pytest.mark.parametrize(
    "behind",
    [
        *(LIST, b"id3 " + struct.pack("<I", 300) + b"ID3" + bytes(297), b"TAG" + bytes(125), LIST[:-20], LIST + LIST),
        *(b"ab12" + struct.pack("<I", 500) + bytes(500), b"\r\n"),
    ],
    ids=["LIST", "id3", "ID3v1", "cut", "two", "unknown", "newline"],
)
@pytest.mark.parametrize("samples", [800, 801])
def test_chunks_behind_the_samples_are_no_samples(behind, samples):
    """Behind an odd number of bytes there may be one more, or not."""
    content = encoded(noise(samples), "WAV", subtype="PCM_U8")
    assert len(read(BytesIO(content + behind), sample_rate=RATE)) == samples
    bare = content[: 44 + samples]
    assert len(read(BytesIO(bare + behind), sample_rate=RATE)) == samples
    none = with_number(bare, 40, "<I", 0)[:44]
    assert len(read(BytesIO(none + LIST + LIST), sample_rate=RATE)) == 0


def test_what_is_behind_the_samples_of_w64_and_nist_is_not_read_as_such():
    w64 = encoded(noise(16000), "W64", subtype="PCM_16")
    name = b"bext" + w64[w64.index(b"data\xf3") + 4 :][:12]
    assert len(read(BytesIO(w64 + name + struct.pack("<q", 224) + b"\1" * 200), sample_rate=RATE)) == 16000
    nist = encoded(noise(16000), "NIST", subtype="PCM_16")
    assert len(read(BytesIO(nist + bytes(100)), sample_rate=RATE)) == 16000


def test_a_second_recording_in_a_file_is_refused():
    wav, flac, ogg = (encoded(noise(8000), kind) for kind in ("WAV", "FLAC", "OGG"))
    assert refused(wav + wav) == "continues after its stated end: several WAV recordings in one file"
    assert refused(flac + flac) == "continues after its stated end: several FLAC recordings in one file"
    assert refused(ogg + ogg).startswith(
        "continues after its stated end: several OGG recordings in one file; convert it"
    )
    twice = wav + b"data" + struct.pack("<I", 400) + bytes(400)
    assert refused(twice) == "the samples continue in a second data chunk"


# -- FLAC


@pytest.mark.parametrize("stated", [4096, 20_000, 69_999])
def test_a_flac_longer_than_its_header_says_is_refused(stated):
    content = with_flac_length(encoded(noise(70_000), "FLAC"), stated)
    assert refused(content) == f"its header states {stated / RATE:.2f} s, and {70_000 - stated:,} samples more follow"


def with_flac_length(content, samples):
    changed = bytearray(content)
    changed[21] = changed[21] & 0xF0 | samples >> 32
    changed[22:26] = struct.pack(">I", samples)
    return bytes(changed)


def test_flac_of_every_block_size_is_believed_when_it_is_right():
    for samples in (100, 4096, 4097, 8192, 50_001):
        assert len(read(BytesIO(encoded(noise(samples), "FLAC")), sample_rate=RATE)) == samples


@pytest.mark.parametrize("reserved", ["0018", "9f18", "99b8", "9916", "9919"])
def test_compressed_samples_that_look_like_a_frame_are_none(reserved):
    head = bytes.fromhex("fff8" + reserved) + bytes([0xF7, 0xBF, 0xBF, 0xBF])  # of frame 2,097,151
    content = encoded(noise(8000), "FLAC") + with_crc8(head) + bytes(16)
    assert _last_sample(content, 4096) == 8000


def with_crc8(head):
    remainder = int.from_bytes(head + b"\0", "big")
    for bit in range(8 * len(head) + 7, 7, -1):
        if remainder >> bit & 1:
            remainder ^= 0x107 << bit - 8
    return head + bytes([remainder])


def test_a_flac_written_to_a_pipe_states_no_length():
    sound = noise(70_000)
    content = with_flac_length(encoded(sound, "FLAC"), 0)
    assert probe(BytesIO(content)) == (8000, 70_000, 1)
    assert np.abs(read(BytesIO(content), sample_rate=8000) - sound).max() <= 2**-15
    assert len(read(BytesIO(content), sample_rate=8000, start=8.0)) == 6000
