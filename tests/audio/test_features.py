"""Features against torchaudio's, of padded rows against each row alone, and of a stream against the whole."""

import pytest
import torch
import torchaudio

from sensorium.audio.features import Features, deltas
from sensorium.audio.normalise import PRIOR_FRAMES
from sensorium.audio.stream import FeatureStream
from sensorium.errors import RequestError

CHOICES = [(kind, how) for kind in ("log_mel", "mfcc") for how in ("utterance", "running", "none")]
LENGTHS = torch.tensor([4000, 150, 1234, 200, 3999, 279])


def sounds(lengths=LENGTHS, seed=0):
    """Noise that becomes louder, zero behind the end."""
    generator = torch.Generator().manual_seed(seed)
    samples = torch.randn(len(lengths), int(lengths.max()), generator=generator)
    samples *= torch.linspace(0.01, 0.3, samples.shape[1])
    return samples * (torch.arange(samples.shape[1]) < lengths[:, None])


def torchaudio_settings(features):
    return {
        "n_fft": features.fft_samples,
        "win_length": features.window_samples,
        "hop_length": features.hop_samples,
        "n_mels": features.num_mels,
        "center": False,
    }


@pytest.mark.parametrize("kind", ["log_mel", "mfcc"])
@pytest.mark.parametrize(("sample_rate", "num_mels"), [(8000, 40), (16000, 80), (22050, 23)])
def test_they_are_those_of_torchaudio(kind, sample_rate, num_mels):
    features = Features(sample_rate=sample_rate, kind=kind, num_mels=num_mels, normalise="none")
    assert features.fft_samples == features.window_samples == round(0.025 * sample_rate)
    samples = sounds(torch.tensor([8000, 8000]))
    found, frames = features(samples, torch.tensor([8000, 8000]))
    if kind == "log_mel":
        transform = torchaudio.transforms.MelSpectrogram(sample_rate, **torchaudio_settings(features))
        expected = transform(samples).clamp(min=1e-10).log()
    else:
        transform = torchaudio.transforms.MFCC(sample_rate, 13, melkwargs=torchaudio_settings(features))
        coefficients = transform(samples)
        changes = torchaudio.functional.compute_deltas(coefficients)
        expected = torch.cat((coefficients, changes, torchaudio.functional.compute_deltas(changes)), dim=1)
    assert frames.tolist() == [expected.shape[2]] * 2
    assert found.shape == (2, expected.shape[2], features.num_features)
    assert torch.allclose(found, expected.transpose(1, 2), atol=1e-4)


def test_where_a_mel_band_would_be_empty_the_spectrum_is_finer():
    features = Features(sample_rate=8000, num_mels=80, normalise="none")
    assert (features.window_samples, features.fft_samples) == (200, 400)
    assert (features.mel_filters.amax(0) > 0).all()
    samples = sounds(torch.tensor([2000]))
    # torchaudio puts the window into the middle of the longer frame.
    transform = torchaudio.transforms.MelSpectrogram(8000, **torchaudio_settings(features))
    expected = transform(torch.nn.functional.pad(samples, (100, 100))).clamp(min=1e-10).log()
    assert torch.allclose(features(samples, torch.tensor([2000]))[0], expected.transpose(1, 2), atol=1e-4)


def test_silence_is_the_floor():
    features = Features(sample_rate=8000, normalise="none")
    assert torch.allclose(features(torch.zeros(1, 200), torch.tensor([200]))[0], torch.tensor(1e-10).log())


def test_a_recording_has_one_frame_for_each_window_that_fits_and_at_least_one():
    features = Features(sample_rate=8000)
    lengths = torch.tensor([0, 1, 199, 200, 279, 280, 8000])
    assert features.frames(lengths).tolist() == [1, 1, 1, 1, 1, 2, 98]
    assert [features.frames(length) for length in lengths.tolist()] == [1, 1, 1, 1, 1, 2, 98]


@pytest.mark.parametrize(("kind", "normalise"), CHOICES)
def test_padding_changes_nothing(kind, normalise):
    features = Features(sample_rate=8000, kind=kind, normalise=normalise)
    samples = sounds()
    found, frames = features(samples, LENGTHS)
    assert found.shape == (6, 48, features.num_features)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, count = features(samples[row : row + 1, :length], LENGTHS[row : row + 1])
        assert count.item() == frames[row] == alone.shape[1]
        assert torch.allclose(found[row, : frames[row]], alone[0], atol=2e-4, rtol=1e-5)
        assert (found[row, frames[row] :] == 0).all()


@pytest.mark.parametrize(("kind", "normalise"), CHOICES)
def test_cached_features_give_the_same(kind, normalise):
    features = Features(sample_rate=8000, kind=kind, normalise=normalise)
    cached, frames = features.extract(sounds(), LENGTHS)
    assert torch.equal(features(cached, frames)[0], features(sounds(), LENGTHS)[0])


def test_many_rows_are_taken_in_parts():
    features = Features(sample_rate=8000, normalise="none")
    samples = sounds(torch.full((100,), 4000))  # 4,800 frames
    found, _ = features(samples, torch.full((100,), 4000))
    assert torch.allclose(found[99], features(samples[99:], torch.tensor([4000]))[0][0], atol=1e-4)


def test_deltas_are_the_slope_through_five_frames_and_go_on_at_the_ends():
    x = torch.tensor([[0.0, 1, 4, 9, 16, 99, 99], [5, 5, 7, 0, 0, 0, 0]])[:, :, None]
    found = deltas(x, torch.tensor([5, 3]))[:, :, 0]
    # frame 0: (1 - 0 + 2 (4 - 0)) / 10; frame 2: (9 - 1 + 2 (16 - 0)) / 10; frame 4: (16 - 9 + 2 (16 - 4)) / 10
    assert torch.allclose(found[0, [0, 2, 4]], torch.tensor([0.9, 4.0, 3.1]))
    assert torch.allclose(found[1, :3], torch.tensor([0.4, 0.6, 0.6]))


def test_over_an_utterance_mean_is_0_and_variance_1():
    features = Features(sample_rate=8000)
    found, frames = features(sounds(), LENGTHS)
    for row in (0, 2, 4):
        valid = found[row, : frames[row]]
        assert torch.allclose(valid.mean(0), torch.zeros(40), atol=1e-4)
        assert torch.allclose(valid.var(0, correction=0), torch.ones(40), atol=1e-3)
    assert (found[1] == 0).all()  # one frame is its own mean


def test_running_normalisation_knows_the_past_and_its_prior():
    features = Features(sample_rate=8000, normalise="running", num_mels=1)
    found, frames = features.extract(sounds()[:1], LENGTHS[:1])
    result = features.normalised(found, frames)[0, :, 0]
    for last in (0, 1, 47):
        past = found[0, : last + 1, 0].double()
        count = PRIOR_FRAMES + last + 1
        mean = (PRIOR_FRAMES * -6.0 + past.sum()) / count  # the prior: mean -6, variance 16
        variance = (PRIOR_FRAMES * (16 + 36) + past.square().sum()) / count - mean**2
        assert result[last].item() == pytest.approx(((past[-1] - mean) / variance.sqrt()).item(), abs=1e-5)


@pytest.mark.parametrize("normalise", ["running", "none"])
@pytest.mark.parametrize("piece", [1, 37, 80, 200, 801, 5000])
def test_a_stream_gives_the_frames_of_the_whole(normalise, piece):
    features = Features(sample_rate=8000, normalise=normalise)
    samples = sounds(torch.tensor([2500]))
    whole, _ = features(samples, torch.tensor([2500]))
    stream = FeatureStream(features)
    pieces = [stream.push(part) for part in samples[0].split(piece)] + [stream.finish()]
    assert sum(part.shape[1] for part in pieces) == whole.shape[1] == 29
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 150])
def test_a_stream_shorter_than_a_window_has_one_frame_at_its_end(length):
    features = Features(sample_rate=8000, normalise="running")
    samples = sounds(torch.tensor([150]))[:, :length]
    stream = FeatureStream(features)
    assert stream.push(samples[0]).shape == (1, 0, 40)
    assert torch.allclose(stream.finish(), features(samples, torch.tensor([length]))[0], atol=1e-5)
    assert stream.finish().shape == (1, 0, 40)


def test_what_needs_the_future_does_not_stream():
    with pytest.raises(RequestError, match=r"train with dataset\.features\.normalise=running"):
        FeatureStream(Features(sample_rate=8000))
    with pytest.raises(RequestError, match=r"train with dataset\.features\.kind=log_mel"):
        FeatureStream(Features(sample_rate=8000, kind="mfcc", normalise="running"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "mel"}, "no kind of features 'mel'. Did you mean log_mel"),
        ({"normalise": "global"}, "no normalisation 'global'"),
        ({"sample_rate": 0}, "sample_rate is 0"),
        ({"hop": 0.03}, r"window is 0.025 s and hop 0.03 s.*no longer than the window"),
        ({"hop": 0.0}, "at least one sample"),
        ({"num_mels": 102}, r"num_mels is 102; a window of 0.025 s at 8,000 Hz has 1 to 101"),
        ({"kind": "mfcc", "num_coefficients": 41}, r"num_coefficients is 41: give 1 to num_mels, which is 40"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(RequestError, match=message):
        Features(**{"sample_rate": 8000} | settings)


def test_nothing_of_them_is_saved():
    assert Features(sample_rate=8000, kind="mfcc").state_dict() == {}
