"""Each word has a confidence: the probability that it is right, measured on and fitted to recordings of a split."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sensorium.decoding.alignment import WordTime
from sensorium.decoding.ctc import CTCHypothesis
from sensorium.metrics.calibration import Scaling
from sensorium.report_sections import Chart
from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.decoding_settings import CTCSettings
from sensorium.tasks.speech_recognition.evaluate import RecognitionEvaluation, SureWord, Transcriber, evaluate
from sensorium.tasks.speech_recognition.predict import SpeechPredictor, Transcript, Word
from sensorium.tasks.speech_recognition.sections import recognition_sections
from sensorium.tasks.speech_recognition.writer import transcript_line
from sensorium.text.build_tokenizer import train_tokenizer

pytest.importorskip("jiwer")
TOKENIZER = train_tokenizer("char", ["ab "], vocab_size=10, min_count=1, lowercase=False)
A, B, SPACE = (TOKENIZER.encode(letter)[0] for letter in "ab ")
SPEC = SpeechRecognitionSpec(
    features={"sample_rate": 2000, "num_mels": 4},
    num_features=4,
    tokenizer=TOKENIZER.to_dict(),
    vocab_size=TOKENIZER.vocab_size,
)
TONE = np.sin(np.arange(2000) / 3).astype(np.float32) / 2
HALVED = Calibration(method="platt", scaling=Scaling(np.array([0.5]), np.array([-1.0])))


def frames(*tokens: tuple[int, float]) -> torch.Tensor:
    """Log-probabilities (T, V): in each frame a token with its probability, the rest shared by the others."""
    rows = torch.empty(len(tokens), TOKENIZER.vocab_size)
    for row, (token, p) in zip(rows, tokens, strict=True):
        row.fill_((1 - p) / (TOKENIZER.vocab_size - 1))
        row[token] = p
    return rows.log()


class Fixed(torch.nn.Module):
    """The same log-probabilities for every recording: "ab b"."""

    log_probs = frames((A, 0.9), (B, 0.4), (SPACE, 0.9), (B, 0.8))

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.log_probs.expand(len(features), -1, -1), torch.full_like(lengths, 4)

    def output_lengths(self, lengths: torch.Tensor) -> torch.Tensor:
        return torch.full_like(lengths, 4)


def transcriber(calibration: Calibration | None) -> Transcriber:
    return Transcriber(
        model=Fixed(),
        spec=SPEC,
        device=torch.device("cpu"),
        precision="32-true",
        settings=CTCSettings(beam_size=1),
        calibration=calibration,
    )


def evaluation_of(pairs: list[tuple[str, list[SureWord]]]) -> RecognitionEvaluation:
    return RecognitionEvaluation(
        hypotheses=[" ".join(word.text for word in words) for _, words in pairs],
        references=[reference for reference, _ in pairs],
        speakers=[""] * len(pairs),
        nats=np.ones(len(pairs)),
        tokens=np.ones(len(pairs), dtype=np.int64),
        audio=1.0,
        seconds=1.0,
        words=[words for _, words in pairs],
    )


def test_a_word_is_as_sure_as_its_letters_and_corrected_by_the_checkpoint() -> None:
    """The geometric means 0.6 and 0.8; their log-odds halved, less one."""
    hypothesis = CTCHypothesis([A, B, SPACE, B], 0.0, [0, 1, 2, 3], [0.9, 0.4, 0.9, 0.8])
    plain = transcriber(None).words(Fixed.log_probs, hypothesis)
    assert plain == [WordTime("ab", 0, 2, pytest.approx(0.6)), WordTime("b", 3, 4, pytest.approx(0.8))]
    found = transcriber(HALVED).words(Fixed.log_probs, hypothesis)
    odds = 0.5 * np.log([0.6 / 0.4, 0.8 / 0.2]) - 1
    np.testing.assert_allclose([word.confidence for word in found], 1 / (1 + np.exp(-odds)), rtol=1e-5)
    assert transcriber(HALVED).words(Fixed.log_probs, CTCHypothesis([], 0.0, [], [])) == []


def test_which_words_are_right_and_their_calibration_error_by_hand() -> None:
    """Right, inserted, right; substituted, right behind a missing word; nothing written."""
    found = evaluation_of(
        [
            ("one two", [SureWord("one", 0.9), SureWord("uh", 0.3), SureWord("two", 0.8)]),
            ("four five six", [SureWord("for", 0.6), SureWord("six", 0.95)]),
            ("seven", []),
        ]
    )
    assert found.sure_words.right.tolist() == [True, False, True, False, True]
    assert found.sure_words.utterances.tolist() == [0, 0, 0, 1, 1]
    # Bins of 1/15: 0.9 and 0.95 apart from each other (13.5, 14.25), 0.8 at 12, 0.6 at 9, 0.3 at 4.5
    expected = (0.1 + 0.3 + 0.2 + 0.6 + 0.05) / 5
    assert found.metrics["calibration_error"] == pytest.approx(expected)
    low, high = found.intervals(50)["calibration_error"]
    assert low <= expected <= high
    sections = recognition_sections(found, names="xyz", looks=lambda rows: [{} for _ in rows])
    (chart,) = [section for section in sections if section.title == "Calibration"]
    assert isinstance(chart, Chart)
    assert chart.note.startswith("Expected calibration error 0.250 of 5 words")
    assert [height for _, height in chart.series[0].points] == [0, 0, 1, 1, 1]
    assert "calibration_error" not in evaluation_of([("seven", [])]).metrics


def test_words_are_calibrated_by_whether_they_are_right() -> None:
    """As sure by 0.95 of words that are right in half of the cases, by 0.6 of words that are right in 20%."""
    random = np.random.default_rng(0)
    pairs = []
    for sure, share in ((0.95, 0.5), (0.6, 0.2)) * 300:
        words = [SureWord("a" if random.random() < share else "b", sure) for _ in range(3)]
        pairs.append(("a a a", words))
    found = registry.get("speech_recognition").calibration(evaluation_of(pairs))
    assert (found.method, found.what, found.measured) == ("platt", "words", 1800)
    assert found.before is not None
    assert found.after is not None
    assert found.after.value < 0.03 < 0.4 < found.before.value + 0.01
    assert found.scaling is not None
    odds = np.log([0.95 / 0.05, 0.6 / 0.4]) * found.scaling.scale + found.scaling.bias
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), [0.5, 0.2], atol=0.03)
    few = [(text * 10, words * 10) for text, words in pairs[:19]]
    assert registry.get("speech_recognition").calibration(evaluation_of(few)).fitted == 0  # 570 words, 19 recordings


def test_evaluate_and_predict_are_as_sure_as_each_other() -> None:
    batch: Any = SimpleNamespace(
        inputs=(torch.zeros(2, 2000), torch.tensor([2000, 2000])),
        indices=torch.tensor([1, 0]),
        targets=torch.tensor([[A, B], [B, B]]),
        target_lengths=torch.tensor([2, 1]),
    )

    class Loader(list):  # type: ignore[type-arg]
        processes = 1
        split = SimpleNamespace(texts=["ab b", "b"], speakers=["", ""], durations=np.ones(2))

    found = evaluate(transcriber(HALVED), Loader([batch]))  # type: ignore[arg-type]
    model = LoadedModel(SPEC, Fixed(), torch.device("cpu"), "32-true", "contiguous", {"beam_size": 1})
    options = PredictOptions(threshold=0.41)
    (spoken,) = SpeechPredictor(replace(model, calibration=HALVED), options).predict([(TONE, 2000)])
    assert [word.text for word in found.words[0]] == [word.word for word in spoken.words] == ["ab", "b"]
    assert [word.confidence for word in found.words[0]] == [word.confidence for word in spoken.words]
    assert found.sure_words.right.tolist() == [True, True, False, True]
    assert [word.unsure for word in spoken.words] == [True, False]  # 0.31 and 0.42
    assert spoken.shown == "[ab?] b"
    (usual,) = SpeechPredictor(model, PredictOptions()).predict([(TONE, 2000)])
    assert [word.unsure for word in usual.words] == [False, False]
    assert usual.shown == usual.text == "ab b"


def test_how_words_and_their_confidence_are_written(tmp_path: Path) -> None:
    words = (Word("ab", 0.0, 0.2, 0.3125, True), Word("b", 0.3, 0.4, 0.9))
    found = Transcript("x.wav", "ab b", words, marked=True)
    assert found.to_dict()["words"][0] == {
        "word": "ab", "start": 0.0, "end": 0.2, "confidence": 0.3125, "unsure": True
    }  # fmt: skip
    (row,) = found.rows()
    assert row == {"input": "x.wav", "text": "ab b", "words": "ab 0.3125|b 0.9000", "unsure": 1, "error": ""}
    (failed,) = Transcript("y.wav", error="y.wav: unreadable").rows()
    assert failed == {"input": "y.wav", "text": "", "words": "", "unsure": "", "error": "y.wav: unreadable"}
    assert transcript_line(alone=True)(found, True) == "[ab?] b\n"
    assert transcript_line(alone=True)(replace(found, marked=False), True) == "ab b\n"
