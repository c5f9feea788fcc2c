"""How good translations are, on whole sentences as a person reads them (detokenised, cased)."""

from collections.abc import Sequence
from typing import Any

from sensorium.errors import RequestError, missing_extra


def sacrebleu_package() -> Any:
    """The package, when it is installed; else a RequestError that says what to type."""
    try:
        import sacrebleu
    except ModuleNotFoundError as error:
        raise missing_extra("sacrebleu", "text") from error
    return sacrebleu


def _score(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    if len(hypotheses) != len(references) or not hypotheses:
        raise RequestError(f"There are {len(hypotheses)} translations for {len(references)} references.")
    score = metric.corpus_score(list(hypotheses), [list(references)])
    return float(score.score), str(metric.get_signature())


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """BLEU from 0 to 100 (Papineni 2002) with sacrebleu's 13a tokens, and the signature that says so (Post 2018)."""
    return _score(sacrebleu_package().metrics.BLEU(), hypotheses, references)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """chrF2 from 0 to 100 (Popović 2015), and sacrebleu's signature of it."""
    return _score(sacrebleu_package().metrics.CHRF(), hypotheses, references)


def exact_matches(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Share of translations that are the reference, but for white space at the ends."""
    return sum(h.strip() == r.strip() for h, r in zip(hypotheses, references, strict=True)) / len(references)
