"""Explanations of recordings: which times and frequencies of a recording support a target; and what is left when
only that is played.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.attribution.subject import Measure, Subject, grid_windows
from sensorium.audio.features import Features
from sensorium.audio.read import UnreadableAudio
from sensorium.errors import RequestError
from sensorium.specs import AudioClassificationSpec, SpeechRecognitionSpec
from sensorium.tasks.audio_inputs import AudioReader, sources
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.explaining import AttributionExplainer, Prepared
from sensorium.tasks.explanation import Example, ExplainOptions, Explanation, TargetMap, neighbor_line
from sensorium.tasks.report_media import image_uri
from sensorium.vision.heat import Panel, overlay, side_by_side

METHODS = ("occlusion", "integrated_gradients", "gradient_shap")
TIMES, BANDS = 24, 6  # cells that are hidden, over the time and over the features of a recording
QUIET = 0.25  # quantile over time of each feature that stands for "nothing there"
_CARD = 240  # pixels of the longer side of a map in a report
STRONGEST = 99.0  # percentile of a map that is let through whole


@dataclass(frozen=True)
class Recording:
    """samples: (N,) from -1 to 1. spectrum: (T, F) natural logarithms of mel bands, before normalization."""

    samples: np.ndarray
    spectrum: np.ndarray
    features: Features


@dataclass(frozen=True, kw_only=True)
class AudioExplanation(Explanation):
    """Attributions are (T, F) over frames and mel bands; (T, 1) for features that are no bands. Saved as .png, the maps
    over the spectrogram (time to the right, frequency up); .wav, the recording filtered by the map of the first
    target; or .json.
    """

    formats: ClassVar[tuple[str, ...]] = (".png", ".wav", ".json")

    recording: Recording | None = None

    def content(self, suffix: str) -> bytes:
        assert self.recording is not None
        file = BytesIO()
        if suffix == ".wav":
            rate = self.recording.features.sample_rate
            left = filtered(self.recording, self.targets[0].attribution)
            soundfile.write(file, left, rate, format="WAV", subtype="PCM_16")
        else:
            self.drawn().save(file, format="png")
        return file.getvalue()

    def drawn(self) -> Any:
        """The spectrogram, and beside it one panel for each target."""
        return side_by_side(list(self.panels()))

    def panels(self) -> Iterator[Panel]:
        """The spectrogram, then one for each target."""
        assert self.recording is not None
        spectrum = self.recording.spectrum
        low, high = np.percentile(spectrum, (1, 99.5))
        gray = (np.clip((spectrum - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
        pixels = np.repeat(_upright(gray)[:, :, None], 3, axis=2)
        alike = (neighbor_line(one) for one in self.neighbors)
        yield Panel(pixels, (self.input.rpartition("/")[2], f"method: {self.method}", *alike))
        for one in self.targets:
            heat = _upright(np.broadcast_to(one.attribution, spectrum.shape))
            yield Panel(overlay(pixels, heat), (f"{one.target}  {one.score:.3f}", _second_line(one)), self.box(one))

    def card(self, one: TargetMap) -> dict[str, Any]:
        panel = list(self.panels())[1 + self.targets.index(one)]
        return {"image": image_uri(panel.pixels.transpose(2, 0, 1), side=_CARD)}

    def box(self, one: TargetMap) -> tuple[float, float, float, float] | None:
        """What is framed of a target: left, top, right, bottom in frames and bands."""
        return None


def _upright(values: np.ndarray) -> np.ndarray:
    """(T, F) -> (F, T), low frequencies at the bottom."""
    return np.ascontiguousarray(values.T[::-1])


def _second_line(one: TargetMap) -> str:
    found = one.faithfulness
    if found is None:
        return ""
    if one.warnings():
        return f"do not believe: {one.warnings()[0]}"
    return f"deletion {found.deletion:.2f} (random {found.random_deletion:.2f})"


def filtered(recording: Recording, attribution: np.ndarray) -> np.ndarray:
    """(N,) samples with each time and frequency as strong as the map is above 0 there.

    attribution: (T, F) or (T, 1). The map is 1 at its percentile `STRONGEST`, and 0 where it is negative.
    Frequencies take the mean over the mel bands that hold them.
    """
    features, samples = recording.features, torch.from_numpy(recording.samples)
    strongest = float(np.percentile(attribution, STRONGEST)) or float(attribution.max())
    if strongest <= 0:
        return np.zeros_like(recording.samples)
    gain = torch.from_numpy(np.clip(attribution / strongest, 0, 1)).float()
    size, hop = features.fft_samples, features.hop_samples
    if gain.shape[1] == 1:
        gain = gain.expand(-1, size // 2 + 1)
    else:
        filters = features.mel_filters.cpu()  # (frequencies, F)
        gain = gain @ (filters / filters.sum(dim=1, keepdim=True).clamp(min=1e-9)).T
    window = torch.hann_window(size)
    padded = F.pad(samples, (0, max(0, size - len(samples))))
    spectrum = torch.stft(padded, size, hop, window=window, return_complex=True, pad_mode="constant")
    # Frames of the transform are centered at 0, hop, ...; those of the features at half a window, and so on.
    centers = (torch.arange(spectrum.shape[1]) * hop - features.window_samples / 2) / hop
    gain = gain[centers.round().long().clamp(0, len(gain) - 1)].T
    return torch.istft(spectrum * gain, size, hop, window=window, length=len(padded))[: len(samples)].numpy()


class RecordingsExplainer(AttributionExplainer):
    """What explainers of every task share that is given recordings.

    seconds: length of a cell that is hidden, at most a 24th of the recording; None for a 24th. bands: cells over the
    mel bands. longest: seconds of a recording that is explained; None for any.
    """

    form = AudioExplanation
    spec: AudioClassificationSpec | SpeechRecognitionSpec

    def __init__(
        self,
        model: LoadedModel,
        options: ExplainOptions,
        network: nn.Module,
        *,
        seconds: float | None = None,
        bands: int = BANDS,
        longest: float | None = None,
    ) -> None:
        self.spec, self.device = model.spec, model.device
        self.features = Features(**self.spec.features)
        self._seconds, self._bands, self._longest = seconds, bands, longest
        self._reader = AudioReader(sample_rate=self.spec.features["sample_rate"])
        super().__init__(options, METHODS, network)

    @abstractmethod
    def prepared(self, example: Example, recording: Recording, features: Tensor) -> Prepared:
        """One readable recording. features: (T, F) float32 as the network is given them, on its device."""

    def prepare(self, inputs: Iterable[Any]) -> Iterator[Prepared]:
        for given in inputs:
            raw = given.raw if isinstance(given, Example) else given
            (((name, samples),),) = self._reader.batches(sources([raw]), batch_size=1)
            example = given if isinstance(given, Example) else Example(name, raw)
            if isinstance(samples, UnreadableAudio):
                yield Prepared(name=example.name, error=f"{example.name}: {samples}")
            elif wrong := self._too_long(samples):
                yield Prepared(name=example.name, error=f"{example.name}: {wrong}")
            else:
                yield self._prepared(example, samples)

    def _too_long(self, samples: np.ndarray) -> str | None:
        seconds = len(samples) / self.features.sample_rate
        if self._longest is None or seconds <= self._longest:
            return None
        return f"{seconds:.1f} seconds; recordings of up to {self._longest:g} are explained. Cut out what is to be."

    def _prepared(self, example: Example, samples: np.ndarray) -> Prepared:
        waveform, length = torch.from_numpy(samples)[None], torch.tensor([len(samples)])
        with torch.no_grad():
            features, _ = self.features(waveform, length)
            spectrum = self.features.log_mel(waveform)[0].numpy()
        recording = Recording(samples, spectrum, self.features)
        return self.prepared(example, recording, features[0].float().to(self.device))

    def subject(self, features: Tensor, *, score: Measure, measure: Measure) -> Subject:
        """features: (T, F), hidden in cells by the quiet level of each band."""
        frames, width = features.shape
        bands = self._bands if self.features.kind == "log_mel" else 1  # coefficients have no place on a spectrogram
        across = width if bands > 1 else 1
        times = TIMES
        if self._seconds is not None:
            times = max(times, round(frames * self.features.hop_samples / self.features.sample_rate / self._seconds))
        return Subject(
            network=self.network,
            features=features,
            baseline=features.quantile(QUIET, dim=0).expand_as(features).contiguous(),
            segments=_cells(frames, across, times, bands),
            windows=grid_windows(min(times, frames), min(bands, across)),
            score=score,
            measure=measure,
            batch_size=self.options.batch_size,
        )

    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> AudioExplanation:
        return self.form(
            input=prepared.name, method=method, targets=maps, error=prepared.error, recording=prepared.shown
        )

    def notes(self) -> list[str]:
        return [*super().notes(), *self._reader.notes()]


def audio_examples(split: Any, rows: Sequence[int], spec: Any, truth: Sequence[tuple[str, ...]]) -> list[Example]:
    """Rows of a split as samples and their rate, with what is right for each.

    Raises RequestError for a split that keeps features instead of samples.
    """
    if not rows:
        return []
    batch = split.read(np.asarray(rows))
    if batch.signal.ndim != 2:
        raise RequestError("The data keeps features instead of samples (dataset.cache_features=true); give input=...")
    rate = int(spec.features["sample_rate"])
    found = zip(rows, batch.signal.numpy(), batch.lengths.tolist(), truth, strict=True)
    return [Example(split.names[row], (samples[:length], rate), right) for row, samples, length, right in found]


def _cells(frames: int, across: int, times: int, bands: int) -> Tensor:
    """(T, F) numbers of `times` by `bands` cells, in rows of one time each."""
    down, wide = min(times, frames), min(bands, across)
    time, band = torch.arange(frames) * down // frames, torch.arange(across) * wide // across
    return time[:, None] * wide + band[None, :]
