"""Equal values are one value."""

from lwm2m_ml.sharing import shared


def numbers(*values: int) -> tuple[int, ...]:
    """A tuple that nobody made before."""
    return tuple(values)


def test_equal_values_become_the_same() -> None:
    first, second = numbers(1, 2), numbers(1, 2)
    assert first is not second
    assert shared(first) is shared(second)


def test_values_of_another_type_stay_what_they_are() -> None:
    assert shared(1.0) is not shared(1)
    assert isinstance(shared(True), bool)
