"""Transforms against numbers by hand, and what holds for all: an example's numbers are its own, padding stays zero."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio.functional
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from sensorium.audio.augment import AudioAugment
from sensorium.audio.noise import generated, recorded
from sensorium.audio.spec_augment import SpecAugment
from sensorium.audio.speed import SpeedPerturb
from sensorium.audio.waves import Gain, Noise, Reverberation, TimeShift
from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom

CONFIGS = Path(__file__).parents[2] / "configs"
LENGTHS = torch.tensor([800, 300, 555, 1, 700, 640, 90, 799])
WAVES = {
    "gain": Gain(decibels=[-6, 6]),
    "white": Noise(kind="white", decibels=[0, 20], probability=0.7),
    "pink": Noise(kind="pink", decibels=[5, 5], probability=1.0),
    "reverberation": Reverberation(seconds=[0.02, 0.05], decibels=[0, 10], probability=0.7, sample_rate=8000),
    "shift": TimeShift(share=0.3),
    "speed": SpeedPerturb(factors=[0.9, 1.0, 1.1]),
}


def random_of(indices, epoch=0, seed=0):
    return ExampleRandom(seed=seed, epoch=epoch, indices=torch.as_tensor(indices))


def padded(x, lengths):
    inside = torch.arange(x.shape[1]) < lengths[:, None]
    return x * (inside if x.ndim == 2 else inside[:, :, None])


def sounds(lengths=LENGTHS):
    samples = torch.randn(len(lengths), int(lengths.max()), generator=torch.Generator().manual_seed(0))
    return padded(0.1 * samples, lengths)


def decibels(of, to):
    return 10 * torch.log10(of.square().sum(-1) / to.square().sum(-1))


def load(*overrides):
    with initialize_config_dir(config_dir=str(CONFIGS), version_base=None):
        return instantiate(compose(overrides=list(overrides)).augment)


@pytest.mark.parametrize("name", WAVES)
def test_an_example_has_numbers_of_its_own(name):
    samples = sounds()
    # Something follows, which must not depend on how many numbers a longer batch took.
    augment = AudioAugment(waves=[WAVES[name], Gain(decibels=[-20, 20])])
    found, lengths = augment.on_waves(samples, LENGTHS, random_of(range(8)))
    assert (padded(found, lengths) == found).all()
    assert found.shape[1] == lengths.max()
    for rows in ([1, 3], [6], [2, 0]):
        some, of_some = augment.on_waves(samples[rows, : LENGTHS[rows].max()], LENGTHS[rows], random_of(rows))
        assert of_some.tolist() == lengths[rows].tolist()
        assert torch.allclose(some, found[rows, : some.shape[1]], atol=1e-5)
    again, _ = augment.on_waves(samples, LENGTHS, random_of(range(8)))
    other, _ = augment.on_waves(samples, LENGTHS, random_of(range(8), epoch=1))
    assert torch.equal(found, again)
    assert found.shape != other.shape or not torch.allclose(found, other, atol=1e-3)


def test_gain_is_in_decibels_within_its_interval():
    samples = sounds()
    found, _ = Gain(decibels=[-6, 6])(samples, LENGTHS, random_of(range(8)))
    change = decibels(found, samples)
    assert -6 <= change.min() < -2 < 2 < change.max() <= 6
    twice, _ = Gain(decibels=[20, 20])(samples, LENGTHS, random_of(range(8)))
    assert torch.allclose(twice, 10 * samples)


@pytest.mark.parametrize("kind", ["white", "pink"])
def test_noise_has_the_ratio_asked_for(kind):
    samples = sounds()
    found, _ = Noise(kind=kind, decibels=[12, 12], probability=1.0)(samples, LENGTHS, random_of(range(8)))
    assert torch.allclose(decibels(samples, found - samples), torch.full((8,), 12.0), atol=1e-2)
    spread, _ = Noise(kind=kind, decibels=[0, 20], probability=1.0)(samples, LENGTHS, random_of(range(8)))
    ratios = decibels(samples, spread - samples)
    assert -0.1 < ratios.min() < 8 < 12 < ratios.max() < 20.1


def test_noise_comes_with_its_probability_and_leaves_silence_alone():
    lengths = torch.full((400,), 20)
    samples = sounds(lengths)
    samples[0] = 0
    found, _ = Noise(kind="white", decibels=[0, 0], probability=0.25)(samples, lengths, random_of(range(400)))
    changed = (found != samples).any(1)
    assert not changed[0]
    assert 70 <= changed.sum() <= 130  # 100 in the mean, with a deviation of 8.7


def test_the_colour_of_noise():
    spectra = {colour: torch.fft.rfft(generated(colour)).abs().square() for colour in ("white", "pink")}
    for colour, octave in (("white", 2.0), ("pink", 1.0)):  # power of an octave against that of the one below
        spectrum = spectra[colour]
        assert spectrum[2**15 : 2**16].sum() / spectrum[2**14 : 2**15].sum() == pytest.approx(octave, rel=0.05)
        assert generated(colour).square().mean() == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(RequestError, match="no noise 'brown'"):
        generated("brown")


def test_recorded_noise_is_a_piece_of_the_files(tmp_path):
    ramp = np.arange(1, 101, dtype=np.float32) / 200
    soundfile.write(tmp_path / "a.wav", ramp[:60], 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", ramp[60:], 8000, subtype="FLOAT")
    assert recorded(tmp_path, sample_rate=8000).numpy() == pytest.approx(ramp)
    transform = Noise(kind="recorded", decibels=[0, 0], probability=1, folder=tmp_path, sample_rate=8000)
    found, _ = transform(torch.ones(1, 10), torch.tensor([10]), random_of([3]))
    piece = (found - 1)[0]
    steps = piece.diff()
    assert torch.allclose(steps, steps[:1].expand(9), atol=1e-4)  # ten numbers of the ramp, louder
    assert piece.square().mean() == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(RequestError, match="needs folder, with sound files, and sample_rate"):
        Noise(kind="recorded", decibels=[0, 0], probability=1, folder=tmp_path)
    (tmp_path / "c.wav").write_bytes(b"")
    with pytest.raises(RequestError, match=r"c\.wav: the file is empty"):
        recorded(tmp_path, sample_rate=8000)
    with pytest.raises(RequestError, match="has no audio files"):
        recorded(tmp_path / "none", sample_rate=8000)


def test_an_echo_follows_the_sound_and_dies_away():
    click = torch.zeros(4, 1000)
    click[:, 100] = 1.0
    transform = Reverberation(seconds=[0.05, 0.05], decibels=[6, 6], probability=1.0, sample_rate=8000)
    found, lengths = transform(click, torch.full((4,), 1000), random_of(range(4)))
    assert lengths.tolist() == [1000] * 4
    assert torch.allclose(found[:, :101], click[:, :101], atol=1e-6)  # the direct sound, in place
    echo = found[:, 101:]
    assert torch.allclose(echo.square().sum(1), torch.full((4,), 10**-0.6), rtol=1e-3)
    assert (echo[:, 400:].abs() < 1e-5).all()  # 0.05 s are 400 samples
    first, second = echo[:, :100].square().sum(), echo[:, 100:200].square().sum()
    assert -10 * torch.log10(second / first) == pytest.approx(15, abs=2.5)  # 60 decibels in 400 samples
    untouched, _ = Reverberation(seconds=[0.05, 0.05], decibels=[6, 6], probability=0.0, sample_rate=8000)(
        click, torch.full((4,), 1000), random_of(range(4))
    )
    assert torch.allclose(untouched, click, atol=1e-6)


def test_a_shift_moves_each_row_inside_its_own_length():
    lengths = torch.tensor([100, 10]).repeat(20)
    samples = padded(torch.arange(1.0, 101).repeat(40, 1), lengths)
    found, _ = TimeShift(share=0.2)(samples, lengths, random_of(range(40)))
    moved = set()
    for row, length in zip(found, lengths.tolist(), strict=True):
        place = int((row > 0).nonzero()[0])
        by = place if place else 1 - int(row[0])
        expected = [n - by if 0 < n - by <= length else 0 for n in range(1, length + 1)]
        assert row.tolist() == expected + [0] * (100 - length)
        moved.add((length, by))
    assert {by for length, by in moved if length == 10} == {-2, -1, 0, 1, 2}
    assert max(abs(by) for length, by in moved if length == 100) in range(15, 21)


def test_speed_changes_lengths_exactly_and_resamples():
    lengths = torch.tensor([800, 300, 555, 1, 700, 640, 90, 799]).repeat(4)
    samples = sounds(lengths)
    transform = SpeedPerturb(factors=[0.9, 1.0, 1.1])
    found, new = transform(samples, lengths, random_of(range(32)))
    drawn = random_of(range(32)).integers(0, 3).squeeze(1).tolist()
    assert set(drawn) == {0, 1, 2}
    for row, factor in enumerate(drawn):
        length = int(lengths[row])
        numerator, denominator = [(9, 10), (1, 1), (11, 10)][factor]
        assert new[row] == -(-length * denominator // numerator)
        alone = torchaudio.functional.resample(samples[row, :length], numerator, denominator)
        assert torch.allclose(found[row, : new[row]], alone, atol=1e-6)
        assert (found[row, new[row] :] == 0).all()


def test_a_long_recording_is_played_to_its_last_sample():
    # 990,001 / 0.99 = 1,000,001.01, which float32 cannot tell from 1,000,001
    found, lengths = SpeedPerturb(factors=[0.99])(torch.ones(1, 990_001), torch.tensor([990_001]), random_of([0]))
    assert lengths.item() == found.shape[1] == 1_000_002
    assert found[0, -1] > 0.01


def test_speed_moves_the_pitch():
    tone = torch.sin(2 * torch.pi * 400 * torch.arange(8000) / 8000)[None]
    found, lengths = SpeedPerturb(factors=[1.25])(tone, torch.tensor([8000]), random_of([0]))
    assert lengths.item() == 6400
    expected = torch.sin(2 * torch.pi * 500 * torch.arange(6400) / 8000)
    assert torch.allclose(found[0, 50:-50], expected[50:-50], atol=1e-2)


def spec_augment(**settings):
    return SpecAugment(
        **{"frequency_masks": 0, "frequency_width": 8, "time_masks": 0, "time_width": 40, "time_share": 0.2} | settings
    )


def test_bands_cover_every_width_up_to_the_widest():
    x, lengths = torch.ones(300, 5, 20), torch.full((300,), 5)
    found = spec_augment(frequency_masks=1, frequency_width=4)(x, lengths, random_of(range(300)))
    assert (found == found[:, :1]).all()  # the same at all times
    gone = (found[:, 0] == 0).sum(1)
    counts = torch.bincount(gone, minlength=5)
    assert len(counts) == 5
    assert ((counts > 35) & (counts < 90)).all()  # 60 each in the mean, with a deviation of 6.9
    starts = (found[gone == 4, 0] == 0).int().argmax(1)
    assert starts.min() == 0
    assert starts.max() == 16
    edges = (found[:, 0] == 0).int().diff(dim=1).abs().sum(1)
    assert (edges <= 2).all()  # in one piece


def test_stretches_are_limited_by_a_share_of_the_rows_own_length():
    lengths = torch.tensor([100, 20, 4, 300]).repeat(100)
    x = padded(torch.ones(400, 300, 3), lengths)
    found = spec_augment(time_masks=1)(x, lengths, random_of(range(400)))
    assert (found == found[:, :, :1]).all()
    gone = lengths - found[:, :, 0].sum(1).long()
    for length, most in ((100, 20), (20, 4), (4, 0), (300, 40)):  # a fifth, and 40 at most
        assert gone[lengths == length].max() == most
        assert gone[lengths == length].min() <= 1


def test_masks_of_an_example_are_its_own():
    transform = spec_augment(frequency_masks=2, time_masks=2)
    lengths = torch.tensor([100, 20, 60])
    x = padded(torch.randn(3, 100, 40), lengths)
    augment = AudioAugment(features={"spec": transform, "none": None, "more": spec_augment(time_masks=1)})
    found = augment.on_features(x, lengths, random_of([5, 6, 7]))
    assert not torch.equal(found, x)
    for row in range(3):
        alone = augment.on_features(x[row : row + 1, : lengths[row]], lengths[row : row + 1], random_of([5 + row]))
        assert torch.equal(alone[0], found[row, : lengths[row]])
    assert torch.equal(spec_augment(frequency_masks=2)(x[:, :, :1], lengths, random_of([1, 2, 3])) * 0, x[:, :, :1] * 0)


def test_the_configs_run_and_a_transform_is_left_out_by_name():
    augment = load("+augment=spec_augment")
    assert (list(augment.waves), list(augment.features)) == ([], ["spec"])
    sound = load("+augment=sound")
    assert (list(sound.waves), list(sound.features)) == (["speed", "shift", "gain", "noise"], ["spec"])
    found, lengths = sound.on_waves(sounds(), LENGTHS, random_of(range(8)))
    assert (padded(found, lengths) == found).all()
    features = torch.randn(8, 50, 40)
    assert (augment.on_features(features, torch.full((8,), 50), random_of(range(8))) == 0).any()
    assert list(load("+augment=sound", "augment.waves.speed=null").waves) == ["shift", "gain", "noise"]
    assert list(load("+augment=sound", "augment.waves.noise.kind=white", "augment.features.spec=null").features) == []


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Gain(decibels=[6, -6]), r"decibels is \[6, -6\]: give two numbers"),
        (lambda: SpeedPerturb(factors=[]), "factors is empty"),
        (lambda: SpeedPerturb(factors=[0.0]), "a factor is 0.0, which is not between 0.1 and 10.0"),
        (lambda: TimeShift(share=2), "share is 2, which is not between 0.0 and 1.0"),
        (lambda: spec_augment(time_masks=-1), "time_masks is -1: give a whole number from 0 on"),
        (lambda: spec_augment(time_share=1.5), "time_share is 1.5"),
        (lambda: Noise(kind="white", decibels=[0, 1], probability=3), "probability is 3"),
    ],
)
def test_settings_that_cannot_work_are_refused(build, message):
    with pytest.raises(RequestError, match=message):
        build()
