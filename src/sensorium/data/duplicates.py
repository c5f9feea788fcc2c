"""Problems across splits: duplicates, contradicting labels, and classes that training lacks.

One set of rules for images, texts and recordings. Shapes: N examples, D bytes of a digest.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from sensorium.data.base import SPLITS
from sensorium.errors import RequestError, listing, nearest

OnConflict = Literal["drop", "majority", "first"]


def find_duplicates(
    *,
    digests: np.ndarray,
    labels: Sequence[str] | None,
    splits: np.ndarray,
    places: Sequence[str],
    rows: np.ndarray,
    content: str = "content",
    copies: str = "copies of another of the same split",
    test_is_whole: bool = False,
) -> tuple[dict[int, str], list[str]]:
    """Of these rows, the ones to leave out because the same content is elsewhere (row -> why), and notes.

    The same content with two labels: it is unknown which is right. In two splits: a model would be tested on what it
    has seen. Either way it is dropped from train and val, and stays in test unless test contradicts itself. Copies
    inside one split are only counted.

    digests: (N, D) uint8 of each example. labels: of each, None without labels. splits: (N,) which of SPLITS. places:
    the displayed name of each. rows: (M,) int64. content, copies: how messages call what two share, and the copies.
    test_is_whole: nothing is dropped from test, even where it contradicts itself.
    """
    bad: dict[int, str] = {}
    repeats: list[tuple[int, int]] = []
    contradicting = 0
    for members in _alike(digests, rows):
        if labels is not None and len({labels[row] for row in members}) > 1:
            out = _mislabelled(members, labels, splits, places, content, test_is_whole=test_is_whole)
        else:
            out = _repeated(members, splits, places, content)
        bad |= out
        kept = [row for row in members if row not in out]
        if labels is not None and len({labels[row] for row in kept}) > 1:
            contradicting += len(kept)
            continue
        repeats += [(kept[0], row) for row in kept[1:]]
    notes = []
    if repeats:
        first = f"{places[repeats[0][1]]} = {places[repeats[0][0]]}"
        notes.append(f"{copies}: {len(repeats):,} ({first}); kept in the same split")
    if contradicting:
        notes.append(f"test has contradictory labels: {contradicting:,} with the same {content}; kept")
    return bad, notes


def check_different(*, digests: np.ndarray, splits: np.ndarray, rows: np.ndarray, examples: str) -> None:
    """Raises RequestError where all examples of a split, two or more, are in another one too: one folder or file was
    given for both, and no single example is at fault. examples: what messages call several. The rest as in
    `find_duplicates`.
    """
    of = {name: digests[rows[splits[rows] == number]] for number, name in enumerate(SPLITS)}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        if not len(of[one]) or not (of[other] == of[one][0]).all(axis=1).any():  # fast, and nearly always the case
            continue
        contents, others = ({digest.tobytes() for digest in of[name]} for name in (one, other))
        if len(contents) > 1 and contents <= others:
            raise RequestError(
                f"{one} and {other} are the same data: all {len(contents):,} different {examples} of {one} are in"
                f" {other} too.\nName other data for {other}, or none, and it is held out of train."
            )


def settle_conflicts(
    *,
    digests: np.ndarray,
    labels: Sequence[str],
    splits: np.ndarray,
    places: Sequence[str],
    rows: np.ndarray,
    on_conflict: OnConflict,
    examples: str = "examples",
) -> tuple[np.ndarray, list[str]]:
    """Of these rows, those that stay where the same content has several labels in one split, and a note of the others.

    on_conflict: "drop" lets all stay, for `find_duplicates` to name them. "majority" keeps those with the label that
    most of the copies have, of equally many the one that comes first; "first" those with the label of the first.
    Copies in other splits have no vote: no training label decides about a test. The rest as in `find_duplicates`.
    """
    if on_conflict == "drop":
        return rows, []
    out: list[int] = []
    conflicts = 0
    for members in _alike(digests, rows):
        for split in sorted({int(splits[row]) for row in members}):
            copies = [row for row in members if splits[row] == split]
            votes = Counter(labels[row] for row in copies)  # most_common keeps the order of ties
            if len(votes) > 1:
                kept = votes.most_common(1)[0][0] if on_conflict == "majority" else labels[copies[0]]
                conflicts += 1
                out += [row for row in copies if labels[row] != kept]
    if not out:
        return rows, []
    note = (
        f"the same content with several labels: {conflicts:,} times; {len(out):,} {examples} dropped, the first"
        f" {places[out[0]]} (on_conflict={on_conflict})"
    )
    return rows[~np.isin(rows, out)], [note]


def _alike(digests: np.ndarray, rows: np.ndarray) -> list[list[int]]:
    """The rows that share a digest with another one, grouped, in the order of the first of each group."""
    keys = np.ascontiguousarray(digests[rows]).view(f"V{digests.shape[1]}").ravel()
    _, group, count = np.unique(keys, return_inverse=True, return_counts=True)
    groups: dict[int, list[int]] = {}
    for i in np.flatnonzero(count[group] > 1):
        groups.setdefault(int(group[i]), []).append(int(rows[i]))
    return list(groups.values())


def _mislabelled(
    members: list[int],
    labels: Sequence[str],
    splits: np.ndarray,
    places: Sequence[str],
    content: str,
    *,
    test_is_whole: bool,
) -> dict[int, str]:
    tested = [row for row in members if SPLITS[splits[row]] == "test"]
    kept = tested if test_is_whole or len({labels[row] for row in tested}) == 1 else []
    out = {}
    for row in members:
        if row not in kept:
            other = next(near for near in members if labels[near] != labels[row])
            out[row] = f"labeled {labels[row]!r}; {places[other]} has the same {content} and label {labels[other]!r}"
    return out


def _repeated(members: list[int], splits: np.ndarray, places: Sequence[str], content: str) -> dict[int, str]:
    last = max(members, key=lambda row: splits[row])
    what = f"same {content} as {places[last]}, which is in {SPLITS[splits[last]]}"
    return {row: what for row in members if splits[row] != splits[last]}


def overlap_note(
    dropped: dict[int, str], *, splits: np.ndarray, places: Sequence[str], examples: str, labelled: bool
) -> list[str]:
    """What to say of the rows that `find_duplicates` found in published splits, which are dropped: at most one note.

    dropped: row -> why. examples: what messages call several of them. labelled: they have labels. The rest as in
    `find_duplicates`.
    """
    if not dropped:
        return []
    counts = sorted(Counter(int(splits[row]) for row in dropped).items())
    row, why = next(iter(dropped.items()))
    of_each = " and ".join(f"{count:,} from {SPLITS[split]}" for split, count in counts)
    what = f"{examples} in two published splits{', or with two labels' * labelled}"
    return [f"{what}: dropped {of_each}, such as {places[row]} ({why}); test is unchanged"]


def find_unknown_classes(
    *, labels: Sequence[str], splits: np.ndarray, rows: np.ndarray, examples: str
) -> tuple[dict[int, str], list[str]]:
    """Of these rows, those of val and test whose class train does not have (row -> what), and notes.

    labels: of each example. splits: (N,) which of SPLITS. rows: (M,) int64. examples: what messages call several of
    them.
    """
    there: dict[str, set[str]] = {}
    for row in rows.tolist():
        there.setdefault(SPLITS[splits[row]], set()).add(labels[row])
    trained = there.get("train", set())
    if not trained:  # that is what is wrong, not the classes
        return {}, []
    bad = {}
    for row in rows.tolist():
        if labels[row] not in trained:
            guess = nearest(labels[row], trained)
            hint = f"; the nearest is {guess!r}" if guess else ""
            bad[row] = f"class {labels[row]!r} is in {SPLITS[splits[row]]} but not in train{hint}"
    notes = [
        f"{split} has no {examples} of: {listing(sorted(trained - found), limit=10)}"
        for split, found in there.items()
        if trained - found
    ]
    return bad, notes


def without(rows: np.ndarray, bad: dict[int, str]) -> np.ndarray:
    """The rows that are not bad."""
    return rows[~np.isin(rows, list(bad))]
