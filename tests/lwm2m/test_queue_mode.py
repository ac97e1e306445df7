from lwm2m_ml.lwm2m.queue_mode import MAX_TRANSMIT_WAIT, Presence


def test_a_client_without_queue_mode_is_always_there() -> None:
    presence = Presence(queue_mode=False, last_message_at=0)
    assert presence.awake(1e9)
    assert presence.silent().awake(1e9)
    assert presence.sleeps_at() is None


def test_a_client_stays_awake_for_93_seconds_after_its_last_message() -> None:
    presence = Presence(queue_mode=True, last_message_at=100)
    assert MAX_TRANSMIT_WAIT == 93
    assert presence.awake(192.9)
    assert not presence.awake(193)
    assert presence.heard(150).awake(242.9)
    assert presence.sleeps_at() == 193


def test_a_client_that_does_not_answer_sleeps_until_it_is_heard() -> None:
    asleep = Presence(queue_mode=True, last_message_at=100).silent()
    assert not asleep.awake(101)
    assert asleep.sleeps_at() is None
    assert asleep.heard(102).awake(103)


def test_the_awake_time_can_be_set() -> None:
    assert not Presence(queue_mode=True, last_message_at=0, awake_seconds=5).awake(5)
