"""Reads XML from strangers: no document type, no entities, bounded size, depth and number of elements."""

from __future__ import annotations

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from lwm2m_ml.errors import InvalidInputError

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_ELEMENTS = 50_000


class XmlError(InvalidInputError):
    """A document is not well-formed, is beyond a limit or uses what is not allowed here."""


class _Limits:
    """Passes elements on to a tree builder while the document stays within its limits."""

    def __init__(self, builder: TreeBuilder) -> None:
        self._builder = builder
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise XmlError(f"it has more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements", hint="Split the document")
        self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag)


def parse_xml(content: bytes) -> Element:
    """Return the root element of the document."""
    if len(content) > MAX_BYTES:
        raise XmlError(f"it has {len(content)} bytes", hint=f"At most {MAX_BYTES} bytes are read")
    builder = TreeBuilder()
    limits = _Limits(builder)
    parser = expat.ParserCreate()
    parser.StartElementHandler = limits.start
    parser.EndElementHandler = limits.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise XmlError(f"it is not well-formed XML ({error})", hint="Check the file in an XML editor") from error


def _refuse_document_type(*_: object) -> NoReturn:
    # Entities are declared only here, so refusing the declaration refuses every attack that builds on them.
    raise XmlError("it has a document type declaration", hint="Remove the DOCTYPE line")
