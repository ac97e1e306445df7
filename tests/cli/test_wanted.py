"""What was written at the command line becomes members of a request; what was not is left open."""

from lwm2m_ml.cli.wanted import wanted


def test_without_options_every_device_is_meant() -> None:
    assert wanted("digits", "", "", "") == {
        "model": "digits",
        "version": None,
        "endpoints": None,
        "group": None,
        "filter": None,
    }


def test_a_version_stands_behind_a_colon_and_endpoints_between_commas() -> None:
    found = wanted("digits:1.0.0", "a, b,", "oslo", "tag=warm")
    assert (found["model"], found["version"], found["endpoints"]) == ("digits", "1.0.0", ["a", "b"])
    assert (found["group"], found["filter"]) == ("oslo", "tag=warm")
