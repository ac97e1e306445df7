from lwm2m_ml_simulator.inference.log import InferenceLog, InferenceRecord


def record(index: int) -> InferenceRecord:
    return InferenceRecord(index, (b"",), 10, b"")


def test_everything_is_kept_unless_a_limit_is_given() -> None:
    log = InferenceLog()
    for index in range(100):
        log.append(record(index))
    assert (len(log), log.total, log.instructions) == (100, 100, 1000)


def test_with_a_limit_the_last_ones_are_kept_and_all_are_counted() -> None:
    log = InferenceLog(kept=10)
    for index in range(100):
        log.append(record(index))
        assert len(log) < 20
    assert [one.index for one in log[-10:]] == list(range(90, 100))
    assert (log.total, log.instructions) == (100, 1000)
