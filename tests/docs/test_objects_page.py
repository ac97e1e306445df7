"""docs/objects.md says what the definitions say."""

from lwm2m_ml.lwm2m.shipped import shipped_definitions
from tests.docs.objects_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "objects/ changed: run `make docs`"


def test_every_object_and_every_resource_of_ours_is_on_it() -> None:
    text = page()
    for definition in shipped_definitions():
        assert str(definition.object_id) in text
        if f"## {definition.object_id}: " in text:
            section = text.split(f"## {definition.object_id}: ")[1].split("\n## ")[0]
            assert section.count("\n| ") == len(definition.resources) + 1
