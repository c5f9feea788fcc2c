"""Translation metrics on whole sentences as users read them (detokenized, cased)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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


def lacks_ngrams(references: Sequence[str]) -> bool:
    """Whether no reference has the four tokens of a 4-gram, so that a perfect translation has a BLEU of 0."""
    metric = sacrebleu_package().metrics.BLEU()
    return all(len(metric.tokenizer(text).split()) < metric.max_ngram_order for text in references)


def bleu_of_rows(hypotheses: Sequence[str], references: Sequence[str]) -> Callable[[np.ndarray], float]:
    """A function from rows, which may repeat, to the BLEU of these sentences; tokens are counted once."""
    metric = sacrebleu_package().metrics.BLEU()
    counter = sacrebleu_package().metrics.BLEU(effective_order=True)  # counts alike, and does not warn of short ones
    found = [counter.sentence_score(h, [r]) for h, r in zip(hypotheses, references, strict=True)]
    counts = np.array([[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in found], dtype=np.int64)

    def score(rows: np.ndarray) -> float:
        *ngrams, length, reference_length = counts[rows].sum(axis=0).tolist()
        half = len(ngrams) // 2
        return float(metric.compute_bleu(ngrams[:half], ngrams[half:], length, reference_length).score)

    return score


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """chrF2 from 0 to 100 (Popović 2015), and sacrebleu's signature of it."""
    return _score(sacrebleu_package().metrics.CHRF(), hypotheses, references)


def chrf_of_rows(hypotheses: Sequence[str], references: Sequence[str]) -> Callable[[np.ndarray], float]:
    """As `bleu_of_rows`, of chrF2: by the statistics that sacrebleu's own significance tests resample."""
    metric = sacrebleu_package().metrics.CHRF()
    counts = np.array(metric._extract_corpus_statistics(list(hypotheses), [list(references)]), dtype=np.int64)

    def score(rows: np.ndarray) -> float:
        return float(metric._compute_score_from_stats(counts[rows].sum(axis=0).tolist()).score)

    return score


def exact_matches(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """(N,) bool: which translations are the reference, but for white space at the ends."""
    return np.array([h.strip() == r.strip() for h, r in zip(hypotheses, references, strict=True)], dtype=bool)
