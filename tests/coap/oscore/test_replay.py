"""A window over sequence numbers: everything once, nothing too old."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.oscore.replay import ReplayWindow
from lwm2m_ml.coap.oscore.states import ReplayState


@given(st.lists(st.integers(0, 100), max_size=60), st.integers(1, 40))
def test_every_number_is_accepted_at_most_once(numbers: list[int], size: int) -> None:
    window = ReplayWindow(size, ReplayState())
    accepted: list[int] = []
    for number in numbers:
        expected = number not in accepted and number > max(accepted, default=-1) - size
        assert window.accepts(number) == expected
        if expected:
            assert window.mark(number) == (number > max(accepted, default=-1))
            accepted.append(number)
        window = ReplayWindow(size, window.state)


def test_a_window_that_begins_with_a_number_has_seen_all_before_it() -> None:
    window = ReplayWindow.beginning_with(32, 100)
    assert [number for number in range(60, 110) if window.accepts(number)] == list(range(101, 110))
    window.mark(105)
    assert [number for number in range(60, 110) if window.accepts(number)] == [101, 102, 103, 104, 106, 107, 108, 109]
