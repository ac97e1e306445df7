"""A watcher's mailbox: in order, bounded, and with an end."""

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.service.watches.watch import QUEUE_LENGTH, Watch

LEVEL = ObjectPath(3, 0, 9)


class Mailbox(Watch):
    """A watch of nothing."""

    async def close(self) -> None:
        """There is nothing to close."""


async def test_of_what_a_slow_watcher_does_not_take_the_newest_is_kept_and_the_end() -> None:
    watch = Mailbox()
    for level in range(QUEUE_LENGTH + 40):
        watch.put([Record(LEVEL, level)])
    watch.end()
    taken = []
    while (records := await watch.next()) is not None:
        taken += [record.value for record in records]
    assert taken == list(range(41, QUEUE_LENGTH + 40))
