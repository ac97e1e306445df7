from pathlib import Path

import pytest

from lwm2m_ml.lwm2m.ddf import validate
from lwm2m_ml.lwm2m.ddf_schema import SchemaError, schema_findings
from lwm2m_ml.lwm2m.shipped import shipped_files


def test_the_schema_and_our_rules_agree_on_the_whole_registry(shared: Path) -> None:
    schema = (shared / "oma-registry" / "LWM2M-v1_1.xsd").read_bytes()
    for file in sorted((shared / "oma-registry").glob("[0-9]*.xml")):
        content = file.read_bytes()
        assert bool(schema_findings(content, schema, file.name)) == bool(validate(content, file.name)), file.name


def test_findings_name_the_line(shared: Path) -> None:
    schema = (shared / "oma-registry" / "LWM2M-v1_1.xsd").read_bytes()
    broken = dict(shipped_files())["9.xml"].replace(b"<Type>Boolean</Type>", b"<Type>Bool</Type>")
    findings = schema_findings(broken, schema, "9.xml")
    assert findings
    assert "9.xml, line" in str(findings[0])


def test_documents_with_entities_are_refused_before_the_schema_sees_them() -> None:
    (finding,) = schema_findings(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"")
    assert "document type" in finding.problem


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(SchemaError):
        schema_findings(b"<LWM2M/>", b"<a/>")
