"""Which frames of a recording made each word, or each character, of its transcript."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.text import Text
from torch import Tensor, nn

from sensorium.audio.features import Features
from sensorium.decoding.word_probability import WordPart, without_spaces, word_log_probs, word_parts
from sensorium.output import Record
from sensorium.tasks.audio_explanations import AudioExplanation, Recording, RecordingsExplainer
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.decoding_settings import CTCSettings, settings_from
from sensorium.tasks.explaining import Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, TargetMap
from sensorium.tasks.speech_recognition.evaluate import Transcriber
from sensorium.tasks.speech_recognition.predict import LONG, frame_seconds
from sensorium.vision.heat import side_by_side

CELL, BANDS = 0.1, 1  # seconds of a cell that is hidden, over all bands: what is asked for is when
ROW = 112  # pixels of the height of a row, or a little more
MIDDLE = (0.1, 0.9)  # shares of the energy of a map, between which a word is said to come from


@dataclass(frozen=True, kw_only=True)
class SpeechExplanation(AudioExplanation):
    """A target for each word of the transcript, or for each token of one that is a single word, or of each word.

    Its details have the seconds from `start` to `end` in which the decoder places it, and those `from` which `to` which
    the middle 80% of the energy of its map lie. Drawn as one row for each word under the spectrogram, with a frame
    where the decoder places it.
    """

    def drawn(self) -> Any:
        return side_by_side(list(self.panels()), across=1, shorter=ROW)

    def box(self, one: TargetMap) -> tuple[float, float, float, float] | None:
        assert self.recording is not None
        hop = self.recording.features.hop_samples / self.recording.features.sample_rate
        return one.details["start"] / hop, 0.0, one.details["end"] / hop, float(self.recording.spectrum.shape[1])

    def marked(self) -> Text:
        """A line for each word: when it is spoken by either measure."""
        width = max((len(one.target) for one in self.targets), default=0)
        return Text("\n".join(f"{one.target:<{width}}  {_times(one.details)}" for one in self.targets))


def _times(details: dict[str, Any]) -> str:
    decoded = f"decoded at {details['start']:.2f} to {details['end']:.2f} s"
    if details["from"] is None:
        return f"{decoded}, no frame supports it"
    return f"{decoded}, by the frames from {details['from']:.2f} to {details['to']:.2f} s"


class SpeechExplainer(RecordingsExplainer):
    """Maps over time of the log-probability of each word in its part of the frames; curves of its
    probability (`decoding.word_probability`). The transcript is the decoder's, a language model's choice included.

    target: words of the transcript; all of them without. With characters=true each character of them has a map.
    """

    form = SpeechExplanation
    with_random_weights = False

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        self._transcriber = Transcriber(
            model=model.model,
            spec=model.spec,
            device=model.device,
            precision="32-true",
            settings=settings_from(CTCSettings, model.decoding),
        )
        self._decode = self._transcriber.tokenizer.decode
        self._frame = frame_seconds(self._transcriber.model, Features(**model.spec.features))
        network: Any = self._transcriber.model
        super().__init__(model, options, network, seconds=CELL, bands=BANDS, longest=LONG)

    def log_probs(self, network: nn.Module, features: Tensor) -> Tensor:
        """features: (N, T, F); (N, T', V) in which white space is blank, with gradients."""
        lengths = torch.full((len(features),), features.shape[1], device=features.device)
        found, _ = network(features, lengths)
        return without_spaces(found.float(), self._decode)

    def prepared(self, example: Example, recording: Recording, features: Tensor) -> Prepared:
        given = torch.from_numpy(recording.samples)[None], torch.tensor([len(recording.samples)])
        found, lengths = self._transcriber.log_probs(*given)
        if found.isnan().any():
            return Prepared(name=example.name, error=not_finite(example.name))
        best = self._transcriber.search(found, lengths)[0][0]
        parts = word_parts(found[0, : int(lengths[0])], best.tokens, self._decode, characters=self.options.characters)
        if not parts:
            return Prepared(name=example.name, error=f"{example.name}: no word is recognized in it")
        wanted = self.options.target
        chosen = [part for part in parts if wanted is None or part.text in wanted or part.word in wanted]
        missing = sorted(set(wanted or ()) - {name for part in parts for name in (part.text, part.word)})
        if missing:
            text = self._transcriber.text(best)
            return Prepared(name=example.name, error=f"{example.name}: {missing[0]!r} is not a part of {text!r:.60}")
        return self._explained(example, recording, features, chosen)

    def _explained(self, example: Example, recording: Recording, features: Tensor, parts: list[WordPart]) -> Prepared:
        subject = self.subject(
            features,
            score=lambda network, rows: word_log_probs(self.log_probs(network, rows), parts),
            measure=lambda network, rows: word_log_probs(self.log_probs(network, rows), parts).exp(),
        )
        scores = subject.measured(torch.ones(1, subject.count, dtype=torch.bool))[0].tolist()
        targets = tuple(
            Target(part.text, score, _details(part, self._frame)) for part, score in zip(parts, scores, strict=True)
        )
        return Prepared(name=example.name, subject=subject, targets=targets, shown=recording)

    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> AudioExplanation:
        hop = self.features.hop_samples / self.features.sample_rate
        for one in maps:
            begin, end = middle(one.attribution, hop)
            one.details.update({"from": begin, "to": end})
        return super().explanation(prepared, method, maps)

    def notes(self) -> list[str]:
        return [*super().notes(), *self._transcriber.notes]


def _details(part: WordPart, frame: float) -> Record:
    """Where the decoder places a part of the transcript, in seconds, and the word that it belongs to."""
    return {"start": part.start * frame, "end": part.end * frame} | ({"word": part.word} if part.word else {})


def middle(attribution: np.ndarray, hop: float) -> tuple[float | None, float | None]:
    """Seconds between which the middle 80% of the energy of a map (T, F) lie, the squares of what is above 0; None
    where nothing is.
    """
    energy = np.square(np.clip(attribution, 0, None), dtype=np.float64).sum(axis=1)
    if not energy.sum() > 0:
        return None, None
    share = np.cumsum(energy) / energy.sum()
    first, last = (int(np.searchsorted(share, edge)) for edge in MIDDLE)
    return first * hop, (last + 1) * hop
