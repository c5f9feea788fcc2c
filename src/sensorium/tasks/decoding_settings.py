"""Decoding of translations and transcripts: the section `decoding`, by task."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeVar

from sensorium.annotations import is_number
from sensorium.errors import RequestError, listing, not_possible
from sensorium.tasks.word_files import read_language_model, read_lexicon
from sensorium.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class BeamSettings:
    """Of translations. beam_size: hypotheses kept, 1 for greedy. length_penalty: alpha, 0 favors short ones.
    no_repeat_ngram: length of what may not come twice, 0 for no such rule. n_best: hypotheses given for each sentence.
    copy_unknown: whether a word that the model cannot write is copied from the source word it looks at.
    """

    beam_size: int = 5
    length_penalty: float = 1.0
    no_repeat_ngram: int = 0
    n_best: int = 1
    copy_unknown: bool = False


@dataclass(frozen=True, kw_only=True)
class CTCSettings:
    """Of transcripts. beam_size: prefixes kept, 1 for greedy. language_model: "own" for the n-grams of the training
    transcripts, the path of an ARPA file, or None or "none". language_weight: what it counts beside the recognizer.
    word_score: added for every word. lexicon: the path of a list of the only words there are, one a line, or None.
    n_best: hypotheses given for each recording.
    """

    beam_size: int = 1
    language_model: str | None = None
    language_weight: float = 0.5
    word_score: float = 0.0
    lexicon: str | None = None
    n_best: int = 1

    def read(self, own: str, tokenizer: Tokenizer) -> "SearchWords":
        """The files that are named. own: the language model that the checkpoint holds, in ARPA's format, or "".

        Raises RequestError for what cannot be read or used with this tokenizer.
        """
        arpa, lexicon, notes = "", None, list[str]()
        if self.language_model == "own":
            arpa = own
            if not own:
                raise RequestError(
                    "decoding.language_model=own: this model was trained without one.\n"
                    "Train with dataset.language_model=3 (trigrams), or give the path of an ARPA file."
                )
        elif self.language_model not in (None, "none"):
            arpa, notes = read_language_model(str(self.language_model), tokenizer)
        if self.lexicon is not None:
            lexicon, more = read_lexicon(str(self.lexicon), tokenizer)
            notes = notes + more
        return SearchWords(arpa, lexicon, notes)


class SearchWords(NamedTuple):
    """arpa: the language model as a text in ARPA's format, "" for none. lexicon: the only words there are, or None for
    all. notes: notes on the files, a line each.
    """

    arpa: str
    lexicon: list[str] | None
    notes: list[str]


_MOST = {"beam_size": 10_000, "n_best": 10_000}  # each needs as much memory as the first

S = TypeVar("S", BeamSettings, CTCSettings)


def settings_from(kind: type[S], given: Mapping[str, Any]) -> S:
    """From a config's `decoding`, in which null means what is usual.

    Raises RequestError for a key that means nothing for this kind of data.
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    allowed = [field.name for field in fields(kind)]
    for key in chosen:
        if key not in allowed:
            what = "translations" if kind is BeamSettings else "transcripts"
            raise RequestError(f"decoding.{key} does not apply to {what}. Allowed keys: {listing(allowed)}.")
        if key in _MOST and is_number(chosen[key]) and chosen[key] > _MOST[key]:
            raise not_possible(f"decoding.{key}", chosen[key], f"a whole number from 1 to {_MOST[key]:,}")
    return kind(**chosen)
