"""When, and at which frequencies, a recording speaks for a class; and what is left when only that is played."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.attribution.subject import Subject, grid_windows
from sensorium.audio.features import Features
from sensorium.audio.read import UnreadableAudio
from sensorium.specs import AudioClassificationSpec
from sensorium.tasks.audio_inputs import AudioReader, sources
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import AttributionExplainer, Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, Explanation, TargetMap, chosen_targets
from sensorium.tasks.inference import InferenceModel
from sensorium.vision.heat import Panel, overlay, side_by_side

METHODS = ("occlusion", "integrated_gradients", "gradient_shap")
TIMES, BANDS = 24, 6  # cells that are hidden, over the time and over the features of a recording
QUIET = 0.25  # quantile over time of each feature that stands for "nothing there"
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
        assert self.recording is not None
        spectrum = self.recording.spectrum
        low, high = np.percentile(spectrum, (1, 99.5))
        gray = (np.clip((spectrum - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
        pixels = np.repeat(_upright(gray)[:, :, None], 3, axis=2)
        panels = [Panel(pixels, (self.input.rpartition("/")[2], f"method: {self.method}"))]
        for one in self.targets:
            heat = _upright(np.broadcast_to(one.attribution, spectrum.shape))
            panels.append(Panel(overlay(pixels, heat), (f"{one.target}  {one.score:.3f}", _second_line(one))))
        return side_by_side(panels)


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

    attribution: (T, F) or (T, 1). The map is 1 at its percentile `STRONGEST`, and 0 where it speaks against the target.
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


class AudioClassificationExplainer(AttributionExplainer):
    """Maps of the logits of classes over time and frequency; curves of their probabilities."""

    form = AudioExplanation

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        self.spec: AudioClassificationSpec = model.spec
        self.inference: InferenceModel[Any] = InferenceModel(spec=model.spec, **model.model_arguments)
        self.features = Features(**self.spec.features)
        self._reader = AudioReader(sample_rate=self.spec.features["sample_rate"])
        super().__init__(options, METHODS, self.inference.model)

    def call(self, network: nn.Module, features: Tensor) -> Tensor:
        """features: (N, T, F); logits (N, K) in float32, with gradients."""
        lengths = torch.full((len(features),), features.shape[1], device=features.device)
        found: Tensor = network(features, lengths).float()
        return found

    def prepare(self, inputs: Iterable[Any]) -> Iterator[Prepared]:
        for given in inputs:
            raw = given.raw if isinstance(given, Example) else given
            (((name, samples),),) = self._reader.batches(sources([raw]), batch_size=1)
            example = given if isinstance(given, Example) else Example(name, raw)
            if isinstance(samples, UnreadableAudio):
                yield Prepared(name=example.name, error=f"{example.name}: {samples}")
            else:
                yield self._prepared(example, samples)

    def _prepared(self, example: Example, samples: np.ndarray) -> Prepared:
        waveform, length = torch.from_numpy(samples)[None], torch.tensor([len(samples)])
        with torch.no_grad():
            features, _ = self.inference.prepare(waveform.to(self.inference.device), length.to(self.inference.device))
            probabilities = self.call(self.network, features).softmax(1)[0].cpu()
            spectrum = self.features.log_mel(waveform)[0].numpy()
        if not torch.isfinite(probabilities).all():
            return Prepared(name=example.name, error=not_finite(example.name))
        names = self.spec.class_names
        best = probabilities.topk(min(self.options.top_k or 1, len(names))).indices.tolist()
        numbers = chosen_targets(self.options.target, names, best, example.truth)
        return Prepared(
            name=example.name,
            subject=self._subject(features[0].float(), numbers),
            targets=tuple(Target(names[number], float(probabilities[number])) for number in numbers),
            shown=Recording(samples, spectrum, self.features),
        )

    def _subject(self, features: Tensor, numbers: list[int]) -> Subject:
        frames, width = features.shape
        bands = BANDS if self.features.kind == "log_mel" else 1  # coefficients have no place on a spectrogram
        across = width if bands > 1 else 1
        return Subject(
            network=self.network,
            features=features,
            baseline=features.quantile(QUIET, dim=0).expand_as(features).contiguous(),
            segments=_cells(frames, across, bands),
            windows=grid_windows(min(TIMES, frames), min(bands, across)),
            score=partial(self._logits, numbers=numbers),
            measure=partial(self._probabilities, numbers=numbers),
            batch_size=self.options.batch_size,
        )

    def _logits(self, network: nn.Module, features: Tensor, *, numbers: list[int]) -> Tensor:
        return self.call(network, features)[:, numbers]

    def _probabilities(self, network: nn.Module, features: Tensor, *, numbers: list[int]) -> Tensor:
        return self.call(network, features).softmax(1)[:, numbers]

    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> AudioExplanation:
        return AudioExplanation(
            input=prepared.name, method=method, targets=maps, error=prepared.error, recording=prepared.shown
        )

    def notes(self) -> list[str]:
        return [*super().notes(), *self._reader.notes()]


def _cells(frames: int, across: int, bands: int) -> Tensor:
    """(T, F) numbers of `TIMES` by `bands` cells, in rows of one time each."""
    down, wide = min(TIMES, frames), min(bands, across)
    time, band = torch.arange(frames) * down // frames, torch.arange(across) * wide // across
    return time[:, None] * wide + band[None, :]
