"""Checks definition files with an XML schema processor and OMA's own schema, where both are at hand."""

from __future__ import annotations

from lwm2m_ml.errors import InvalidInputError, MissingExtraError
from lwm2m_ml.lwm2m.bounded_xml import XmlError, parse_xml
from lwm2m_ml.lwm2m.ddf import Finding


class SchemaError(InvalidInputError):
    """A file given as a schema is none."""


def schema_findings(content: bytes, schema: bytes, source: str = "definition") -> tuple[Finding, ...]:
    """Return what the schema (LWM2M-v1_1.xsd) has against a definition file; empty for a valid one.

    `validate` in `ddf` knows the same rules without the schema. This asks the schema itself, and needs lxml.
    """
    try:
        from lxml import etree  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise MissingExtraError("Validation against an XML schema", "test") from error
    try:
        parse_xml(content)
    except XmlError as error:
        return (Finding(source, error.message),)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        rules = etree.XMLSchema(etree.fromstring(schema, parser))
        document = etree.fromstring(content, parser)
    except etree.LxmlError as error:
        raise SchemaError(f"The schema for {source} cannot be used ({error})", hint="Give LWM2M-v1_1.xsd") from error
    if rules.validate(document):
        return ()
    return tuple(Finding(f"{source}, line {problem.line}", problem.message) for problem in rules.error_log)
