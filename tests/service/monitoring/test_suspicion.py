"""The table from judgements to alarms."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.monitoring.suspicion import Action, Phase, standing, step


def actions(*windows: bool) -> list[Action]:
    phase, found = Phase.CALM, []
    for drifted in windows:
        phase, action = step(phase, drifted=drifted)
        found.append(action)
    return [action for action in found if action is not Action.NONE]


def test_two_drifted_windows_in_a_row_raise_one_alarm() -> None:
    assert actions(True, False, True) == []
    assert actions(True, True, True, True) == [Action.RAISE]


def test_two_calm_windows_in_a_row_end_it() -> None:
    assert actions(True, True, False, True, False) == [Action.RAISE]
    assert actions(True, True, False, False, False) == [Action.RAISE, Action.CLEAR]


@given(st.lists(st.booleans(), max_size=60))
def test_raising_and_clearing_take_turns(windows: list[bool]) -> None:
    found = actions(*windows)
    assert found == [Action.RAISE, Action.CLEAR] * (len(found) // 2) + [Action.RAISE] * (len(found) % 2)


@given(st.sampled_from(Phase), st.booleans())
def test_a_phase_always_agrees_with_the_alarms(known: Phase, alarm_open: bool) -> None:
    found = standing(known, alarm_open=alarm_open)
    assert (found in {Phase.ALARMED, Phase.RECOVERING}) == alarm_open
    assert standing(found, alarm_open=alarm_open) is found
