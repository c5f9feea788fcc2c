"""Small XML files read with the line of every element, without unsafe XML features."""

from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

LINE = "line"  # attribute that holds an element's line number


class UnreadableXml(ValueError):
    """What is wrong, and in which line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


def read_xml(path: Path) -> ElementTree.Element:
    """The root element; each has its line number as an attribute. Raises UnreadableXml, OSError for a missing file.

    A file that declares entities is rejected: a few lines of them fill the memory, or name other files.
    """
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, {**attributes, LINE: str(parser.CurrentLineNumber)})

    def declared(*_: object) -> None:
        raise UnreadableXml(parser.CurrentLineNumber, "declares an entity, which no annotation needs")

    parser.StartElementHandler, parser.EndElementHandler = start, builder.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, declared
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise UnreadableXml(error.lineno, f"not XML ({expat.ErrorString(error.code)})") from error
    return builder.close()
