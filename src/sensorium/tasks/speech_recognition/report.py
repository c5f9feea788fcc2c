"""The files an evaluation of a recognizer leaves."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sensorium.files import write_atomically, write_csv
from sensorium.metrics.recognition import WordErrors, alignment, by_group, total, word_errors, worst

WORST = 50  # utterances that are shown word by word


def write_transcripts(
    folder: Path,
    *,
    names: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
    speakers: Sequence[str],
) -> list[Path]:
    """Writes transcripts.csv, worst.txt with the worst utterances word under word, and where speakers are known
    per_speaker.csv. All are N, in the order of the split.
    """
    errors = word_errors(references, hypotheses)
    paths = [folder / "transcripts.csv", folder / "worst.txt"]
    write_csv(paths[0], _rows(names, references, hypotheses, speakers, errors))
    shown = (_shown(names[row], errors[row], references[row], hypotheses[row]) for row in worst(errors, WORST))
    write_atomically(paths[1], f"{_counted(total(errors))}\n\n" + "\n".join(shown))
    if any(speakers):
        paths.append(folder / "per_speaker.csv")
        found = by_group(errors, list(speakers))
        rows = [(speaker, one.rate, *_counts(one)) for speaker, one in sorted(found.items())]
        write_csv(paths[-1], [("speaker", "wer", "words", "substitutions", "insertions", "deletions"), *rows])
    return paths


def _rows(
    names: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
    speakers: Sequence[str],
    errors: Sequence[WordErrors],
) -> Iterable[Sequence[object]]:
    yield ("index", "name", "speaker", "reference", "hypothesis", "words", "substitutions", "insertions", "deletions")
    for row, error in enumerate(errors):
        yield (row, names[row], speakers[row], references[row], hypotheses[row], *_counts(error))


def _counts(errors: WordErrors) -> tuple[int, ...]:
    return errors.length, errors.substitutions, errors.insertions, errors.deletions


def _counted(errors: WordErrors) -> str:
    words, substitutions, insertions, deletions = _counts(errors)
    return (
        f"word error rate {100 * errors.rate:.2f}%: of {words:,} words {substitutions:,} substituted, "
        f"{deletions:,} deleted; {insertions:,} inserted"
    )


def _shown(name: str, errors: WordErrors, reference: str, hypothesis: str) -> str:
    return f"{name}: {100 * errors.rate:.0f}%\n{alignment(reference, hypothesis)}\n"
