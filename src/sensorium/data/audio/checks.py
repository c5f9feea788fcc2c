"""What is wrong with recordings, and what is only worth telling."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from sensorium.data.audio.listed import Recording
from sensorium.data.audio.scan import Facts
from sensorium.data.base import counted
from sensorium.data.duplicates import PARTS, find_duplicates
from sensorium.errors import listing


def find_unusable(
    listed: Sequence[Recording], facts: Facts, *, text: str, sample_rate: int, min_seconds: float | None
) -> dict[int, str]:
    """What is wrong with each recording by itself (row -> what). text: what each must have, label or transcript."""
    bad = {row: f"no {text}" for row, recording in enumerate(listed) if not recording.text}
    bad |= facts.wrong
    if min_seconds is not None:
        for row in np.flatnonzero(facts.samples < min_seconds * sample_rate).tolist():
            seconds = facts.samples[row] / sample_rate
            bad.setdefault(row, f"too short: {seconds:.3f} s; dataset.min_seconds is {min_seconds:g}")
    return bad


def find_copies(listed: Sequence[Recording], digests: np.ndarray, rows: np.ndarray) -> tuple[dict[int, str], list[str]]:
    """Of these rows, the ones to leave out because the same sound is elsewhere (row -> why), and notes."""
    return find_duplicates(
        digests=digests,
        labels=[recording.text for recording in listed],
        parts=parts_of(listed),
        places=[recording.place for recording in listed],
        rows=rows,
        content="sound",
        copies="recordings that are copies of another of the same part",
    )


def parts_of(listed: Sequence[Recording]) -> np.ndarray:
    """(N,) int64: which of PARTS."""
    return np.array([PARTS.index(recording.part) for recording in listed], dtype=np.int64)


def sound_notes(listed: Sequence[Recording], facts: Facts, rows: np.ndarray, *, sample_rate: int) -> list[str]:
    """What is worth telling of usable recordings: clipped ones, and those of another rate."""
    notes = []
    clipped = rows[facts.clipped[rows]]
    if len(clipped):
        first = listed[clipped[0]].name
        notes.append(f"clipped: {counted(len(clipped), 'recording')}, such as {first}; used as they are")
    rates = facts.rates[rows]
    other = Counter(rates[(rates != 0) & (rates != sample_rate)].tolist())
    if other:
        what = listing(f"{counted(count, 'recording')} of {rate:,} Hz" for rate, count in other.most_common())
        notes.append(f"resampled to {sample_rate:,} Hz: {what}")
    return notes


def part_notes(parts: Mapping[str, np.ndarray], seconds: np.ndarray, speakers: Sequence[str]) -> list[str]:
    """How much sound of how many speakers each part has, and whether parts share speakers."""
    notes, voices = [], {}
    for part, rows in parts.items():
        voices[part] = {speakers[row] for row in rows.tolist()} - {""}
        of = f", {counted(len(voices[part]), 'speaker')}" if voices[part] else ""
        notes.append(f"{part}: {counted(len(rows), 'recording')}, {_duration(float(seconds[rows].sum()))} of sound{of}")
    for part in ("val", "test"):
        if shared := voices[part] & voices["train"]:
            notes.append(
                f"{part}: {len(shared)} of {counted(len(voices[part]), 'speaker')} also in train; results are not those"
                " for strangers"
            )
    return notes


def _duration(seconds: float) -> str:
    """ "45 s", "12.3 minutes", "3.1 hours"."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
