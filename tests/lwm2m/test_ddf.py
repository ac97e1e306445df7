import contextlib
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.ddf import DefinitionError, parse_definitions, parse_reusable_resources, validate
from lwm2m_ml.lwm2m.definitions import Operations, ResourceType

ITEM = """<Item ID="0"><Name>N</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
<Mandatory>Mandatory</Mandatory><Type>Integer</Type><RangeEnumeration>0..9</RangeEnumeration><Units>s</Units>
<Description>D</Description></Item>"""
DOCUMENT = f"""<?xml version="1.0"?><LWM2M><Object ObjectType="MODefinition"><Name>Thing</Name>
<Description1>What it is</Description1><ObjectID>33001</ObjectID><ObjectURN>urn:oma:lwm2m:x:33001:2.1</ObjectURN>
<LWM2MVersion>1.1</LWM2MVersion><ObjectVersion>2.1</ObjectVersion><MultipleInstances>Single</MultipleInstances>
<Mandatory>Optional</Mandatory><Resources>{ITEM}</Resources><Description2></Description2></Object></LWM2M>"""


def test_a_definition_is_read() -> None:
    (definition,) = parse_definitions(DOCUMENT.encode())
    assert (definition.object_id, definition.name, definition.version) == (33001, "Thing", "2.1")
    assert not definition.multiple
    resource = definition.resources[0]
    assert (resource.type, resource.operations) == (ResourceType.INTEGER, Operations.READ | Operations.WRITE)
    assert resource.mandatory
    assert resource.range is not None
    assert resource.range.allows(9)
    assert not resource.range.allows(10)
    assert validate(DOCUMENT.encode()) == ()


def test_a_missing_version_is_1_0() -> None:
    document = DOCUMENT.replace("<ObjectVersion>2.1</ObjectVersion>", "").replace(
        "<LWM2MVersion>1.1</LWM2MVersion>", ""
    )
    (definition,) = parse_definitions(document.encode())
    assert (definition.version, definition.lwm2m_version) == ("1.0", "1.0")
    assert validate(document.encode()) == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Integer", "Number", "'number'"),
        (">RW<", ">RX<", "'RX'"),
        ("33001</ObjectID", "x</ObjectID", "ObjectID"),
        ("33001</ObjectID", "99999</ObjectID", "ObjectID"),
        ('ID="0"', 'ID="zero"', "Item ID"),
        (ITEM, ITEM + ITEM, "twice"),
        (">2.1</ObjectVersion", ">two</ObjectVersion", "version"),
        ("LWM2M>", "Other>", "defines no object"),
        ("<LWM2M>", "<LWM2M", "well-formed"),
    ],
)
def test_unusable_definitions_are_refused_with_their_place(old: str, new: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem) as refused:
        parse_definitions(DOCUMENT.replace(old, new).encode(), "thing.xml")
    assert "thing.xml" in refused.value.message


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE LWM2M [<!ENTITY a "aaaa">]>',
        '<!DOCTYPE LWM2M [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE LWM2M SYSTEM "http://127.0.0.1/x.dtd">',
        "<!DOCTYPE LWM2M>",
    ],
)
def test_document_types_and_entities_are_refused(attack: str) -> None:
    document = DOCUMENT.replace("<LWM2M>", attack + "<LWM2M>").replace("What it is", "&a;")
    with pytest.raises(DefinitionError):
        parse_definitions(document.encode())


@pytest.mark.parametrize(
    "content",
    [
        b"<a>" * 100_000,
        b"<LWM2M>" + b"<a/>" * 100_000 + b"</LWM2M>",
        b" " * 2_000_000,
        b"",
        b"\x00",
        b"<?xml version='1.0' encoding='x'?><a/>",
    ],
)
def test_documents_beyond_the_limits_are_refused(content: bytes) -> None:
    with pytest.raises(DefinitionError):
        parse_definitions(content)
    assert validate(content) != ()


@given(st.data())
def test_damaged_documents_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(DOCUMENT.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    validate(bytes(content))
    with contextlib.suppress(DefinitionError):
        parse_definitions(bytes(content))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (' ObjectType="MODefinition"', "", "ObjectType"),
        ("<Units>s</Units>", "", "Description stands where Units is expected"),
        ("<Mandatory>Optional</Mandatory>", "<Mandatory>Maybe</Mandatory>", "Mandatory is 'Maybe'"),
        ("<Description2></Description2>", "", "the end stands where Description2"),
        ("<Name>Thing</Name>", "<Name>Thing</Name><Extra/>", "Extra stands where Description1"),
        ("</Resources>", "<Junk/></Resources>", "Junk stands where Item"),
        (ITEM, "", "no Item"),
        ("33001</ObjectID", "-1</ObjectID", "not a number"),
        ("</Object></LWM2M>", "</Object><More/></LWM2M>", "More stands where Object"),
        ("<Description2></Description2>", "<Description2></Description2><Last/>", "Last stands where the end"),
    ],
)
def test_findings_name_what_breaks_the_schema(old: str, new: str, problem: str) -> None:
    findings = validate(DOCUMENT.replace(old, new).encode(), "thing.xml")
    assert any(problem in str(finding) for finding in findings), findings


def test_every_registered_definition_loads(shared: Path) -> None:
    files = sorted((shared / "oma-registry").glob("[0-9]*.xml"))
    definitions = [definition for file in files for definition in parse_definitions(file.read_bytes(), file.name)]
    assert len(files) == 389
    assert len(definitions) == 389
    assert sum(len(definition.resources) for definition in definitions) > 4000


def test_the_registered_definitions_that_break_their_own_schema_are_reported(shared: Path) -> None:
    """An XML schema processor is the oracle."""
    schema = xmlschema.XMLSchema(shared / "oma-registry" / "LWM2M-v1_1.xsd")
    files = sorted((shared / "oma-registry").glob("[0-9]*.xml"))
    ours = {file.name for file in files if validate(file.read_bytes(), file.name)}
    assert ours == {file.name for file in files if not schema.is_valid(file)}
    assert ours == {"10494.xml", "10495.xml", "10496.xml", "3431.xml", "3457.xml", "511.xml"}


def test_the_registered_reusable_resources_load(shared: Path) -> None:
    resources = parse_reusable_resources((shared / "oma-registry" / "Common.xml").read_bytes())
    assert {resource.resource_id: resource.type for resource in resources}[5700] is ResourceType.FLOAT


def test_indexes_of_the_registry_are_no_definitions(shared: Path) -> None:
    with pytest.raises(DefinitionError):
        parse_definitions((shared / "oma-registry" / "LWM2M_senml_units.xml").read_bytes())
