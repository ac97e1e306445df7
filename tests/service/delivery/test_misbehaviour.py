"""Deliveries to devices that do anything at any time: every one ends, and nobody is told what is not so."""

import asyncio
import hashlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm2m_ml.bus import Bus
from lwm2m_ml.service.delivery.driver import Delivery
from lwm2m_ml.service.delivery.outcome import Outcome, Progress
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.signals import DeviceSignals
from lwm2m_ml.service.delivery.slots import Slot
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.delivery.ways import ROADS
from tests.service.fake_device import FakeDevice
from tests.service.fake_loader import FakeSlot
from tests.service.fake_shelf import FakeShelf

PACKAGE = bytes(range(256)) * 2
DIGEST = hashlib.sha256(PACKAGE).digest()
IMPATIENT = DeliveryTiming(
    poll=0.0005,
    quick_poll=0.0005,
    first_block=0.01,
    next_block=0.01,
    device_work=0.01,
    silence=0.05,
    attempts=2,
)

behaviours = st.fixed_dictionaries(
    {
        "rejects": st.none() | st.sampled_from([50, 51, 52, 53, 2, 4, 5]),
        "module_result": st.sampled_from([0, 0, 2, 13]),
        "lazy": st.sampled_from([False, False, True]),
        "lies": st.sampled_from([False, False, True]),
        "forgetful": st.booleans(),
        "power_cut_at": st.none() | st.integers(1, len(PACKAGE)),
        "lost_answers": st.integers(0, 4),
        "off_for": st.sampled_from([0, 3, 1_000_000]),
    }
)
beginnings = st.fixed_dictionaries(
    {
        "delivery_state": st.integers(0, 4),
        "delivery_result": st.sampled_from([0, 1, 2, 3, 8, 53, 99]),
        "active": st.booleans(),
        "state": st.integers(0, 5),
        "result": st.integers(0, 18),
        "digest": st.sampled_from([bytes(32), b"o" * 32, DIGEST]),
    }
)


@pytest.mark.parametrize("road", [9, 5, 513])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(behaviour=behaviours, beginning=beginnings, offered_before=st.booleans())
def test_every_delivery_ends_and_success_means_that_the_module_is_there(
    road: int,
    behaviour: dict[str, Any],
    beginning: dict[str, Any],
    offered_before: bool,
) -> None:
    async def deliver() -> tuple[Outcome, Any, Any]:
        bus, shelf = Bus(), FakeShelf()
        signals = DeviceSignals(bus)
        signals.start()
        slot = FakeSlot(0, road=road, **beginning)
        device = FakeDevice(shelf, bus, slots=[slot], **behaviour)
        with signals.watch("device") as watch:
            session = Session("device", device, watch, 42770, IMPATIENT)
            way = ROADS[road](Slot(road, 0, 0), DIGEST)
            delivery = Delivery(session, shelf, way, PACKAGE, on_progress=ignore, offered_before=offered_before)
            async with asyncio.timeout(10):
                outcome = await delivery.run()
        signals.stop()
        await bus.close()
        return outcome, slot, shelf

    outcome, slot, shelf = asyncio.run(deliver())
    assert not shelf.offers
    if outcome.delivered:
        assert slot.digest == DIGEST
        assert outcome.reason == ""
    else:
        assert outcome.reason


async def ignore(_progress: Progress) -> None:
    """Nobody looks at the progress."""
