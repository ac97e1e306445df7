"""What the bus tells is counted by its kind."""

from lwm2m_ml.bus import Bus
from lwm2m_ml.service.campaigns.campaign import CampaignChanged, CampaignDevice
from lwm2m_ml.service.campaigns.states import CampaignState, DeviceState
from lwm2m_ml.service.meters import Counts


async def test_steps_are_counted_and_bytes_once_a_module_is_active() -> None:
    bus, counts = Bus(), Counts()
    counts.start(bus)
    for state in (DeviceState.DELIVERING, DeviceState.ACTIVE, DeviceState.FAILED):
        bus.publish(CampaignChanged("c", CampaignState.RUNNING, CampaignDevice("d", state=state, ota_bytes=4_000)))
    bus.publish(CampaignChanged("c", CampaignState.FINISHED))
    await bus.drain()
    assert counts.campaign_steps == {DeviceState.DELIVERING: 1, DeviceState.ACTIVE: 1, DeviceState.FAILED: 1}
    assert counts.delivered_bytes == 4_000
    assert counts.events == {"CampaignChanged": 4}
    await bus.close()
