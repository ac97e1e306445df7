import pytest

from lwm2m_ml.lwm2m.ranges import ValueRange, parse_length_range, parse_number_range


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("0..255", [0, 255], [-1, 256]),
        ("-128..127", [-128, 127], [-129, 128]),
        ("0.000001..1.0", [0.5, 1], [0, 1.1]),
        ("0x0000..0xFFFF", [0, 65535], [65536]),
        ("20,40,80,160", [20, 160], [30]),
        ("0..3, 99", [0, 3, 99], [4, 98]),
        ("0; 3.8..20.5", [0, 3.8, 20.5], [1]),
        ("-30..-120", [-30, -100], [0, -121]),
        ("0: disabled\n\t1: normal\n\t255: unknown", [0, 1, 255], [2]),
    ],
)
def test_numbers(text: str, inside: list[float], outside: list[float]) -> None:
    found = parse_number_range(text)
    assert found is not None
    assert all(found.allows(number) for number in inside)
    assert not any(found.allows(number) for number in outside)


@pytest.mark.parametrize(
    "text", ["", "255", "1 bytes", "8-Bits", "2 Instances", "ON;OFF", "<7 to >12.5", "see the specification"]
)
def test_what_no_program_can_check_is_not_checked(text: str) -> None:
    assert parse_number_range(text) is None


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("0..255 bytes", [0, 255], [256]),
        ("64", [0, 64], [65]),
        ("32 bytes", [32], [33]),
        ("16,32,48", [16, 32], [17]),
        ("14..15 digits", [14], [13, 16]),
        ("1..64 Bytes", [1], [0]),
    ],
)
def test_lengths(text: str, inside: list[int], outside: list[int]) -> None:
    found = parse_length_range(text)
    assert found is not None
    assert all(found.allows(number) for number in inside)
    assert not any(found.allows(number) for number in outside)


@pytest.mark.parametrize("text", ["", "none,allowed,denied", "-5..5", "The possible values are listed"])
def test_lengths_that_no_program_can_check_are_not_checked(text: str) -> None:
    assert parse_length_range(text) is None


def test_a_range_is_shown_as_it_is_written() -> None:
    assert str(ValueRange(((0, 3), (99, 99), (0.5, 4294967295)))) == "0..3, 99, 0.5..4294967295"
