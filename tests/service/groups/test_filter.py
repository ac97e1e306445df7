"""Filters over what is known of devices."""

import pytest

from lwm2m_ml.service.groups.filter import Facts, Filter, InvalidFilter

FACTS: Facts = {
    "endpoint": "meter-7",
    "target": "nrf52840",
    "version": ("1.9.0", "1.10.0"),
    "tag": ("oslo", "roof"),
    "firmware": "2.0.1",
    "storage_free": 20_000,
    "model_number": "Model 7",
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "target=nrf52840",
        "target=stm32*,nrf5*",
        "target!=stm32*",
        "tag=oslo tag=roof",
        "storage_free>=20_000 storage_free<20001",
        "firmware>=2.0 firmware<2.0.10",
        "version>=1.10",
        "model_number='Model 7'",
        "hardware!=A",
    ],
)
def test_a_device_that_fits_belongs_to_it(text: str) -> None:
    assert Filter.parse(text).holds(FACTS)


@pytest.mark.parametrize(
    "text",
    ["target=nrf", "tag=bergen", "tag!=oslo", "storage_free>20000", "firmware>=2.0.2", "hardware=A", "clock>1"],
)
def test_a_device_that_does_not_fit_does_not(text: str) -> None:
    assert not Filter.parse(text).holds(FACTS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("colour=red", "Nothing is known of 'colour'"),
        ("target", "'target' is no condition"),
        ("target=,", "has no value"),
        ("target='a", "cannot be read"),
        ("tag=" + "a" * 3_000, "at most"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidFilter, match=why):
        Filter.parse(text)


def test_a_number_is_compared_with_a_number() -> None:
    with pytest.raises(InvalidFilter, match="is no number"):
        Filter.parse("storage_free>=many").holds(FACTS)
