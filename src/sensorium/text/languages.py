"""Names of languages as files and columns have them: codes (ISO 639-1, some of 639-3), and English and own names."""

import re

_CODE_LIST = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en"
    " eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv"
    " ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne"
    " ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st"
    " su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
    " ara ben bul cat ces cmn dan deu ell eng est fas fin fra glg heb hin hrv hun ind isl ita jpn kat kor lat lav lit"
    " mar nld nob nor pol por ron rus slk slv spa sqi srp swe swh tam tel tha tur ukr urd vie yue zho"
)
_NAME_LIST = (
    "arabic bengali bulgarian catalan chinese croatian czech danish dutch english estonian finnish french german greek"
    " hebrew hindi hungarian icelandic indonesian irish italian japanese korean latin latvian lithuanian mandarin"
    " norwegian persian polish portuguese romanian russian serbian slovak slovenian spanish swahili swedish tamil thai"
    " turkish ukrainian urdu vietnamese welsh deutsch español français italiano nederlands português polski svenska"
)
_SIDES = ("source", "src", "target", "tgt", "trg", "source_text", "target_text", "source_sentence", "target_sentence")
_CODES, _NAMES = frozenset(_CODE_LIST.split()), frozenset(_NAME_LIST.split())
_REGION = re.compile(r"([a-z]{2,3})[-_](?:[A-Za-z]{2}|[A-Z][a-z]{3})")  # en-US, pt_BR, deu_Latn


def names_language(name: str) -> bool:
    """Whether a word is the code or the name of a language: en, en-US, deu_Latn, German."""
    if name.lower() in _NAMES or name in _CODES:
        return True
    region = _REGION.fullmatch(name)
    return region is not None and region[1] in _CODES


def is_header(cells: list[str]) -> bool:
    """Whether the first cells of a file of sentence pairs name its two sides: two languages, or source and target."""
    names = [cell.strip() for cell in cells]
    return len(set(names)) == len(names) and all(names_language(name) or name.lower() in _SIDES for name in names)
