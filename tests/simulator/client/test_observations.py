import asyncio

import pytest

from lwm2m_ml.lwm2m.attributes import NotificationAttributes
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.client.notification_rules import AttributeStore
from lwm2m_ml_simulator.client.observations import Observations
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.objects.base import ObjectInstance, readable

RESOURCE = ObjectPath.parse("/3303/0/5700")


class Thermometer(ObjectInstance):
    object_id = 3303
    value = 20.0

    @readable(5700)
    def sensor_value(self) -> float:
        return self.value


@pytest.fixture
def observations(catalogue: Catalogue) -> Observations:
    attributes = AttributeStore(catalogue, lambda: "1.1", NotificationAttributes)
    return Observations(ObjectTree([Thermometer()]), attributes)


async def test_a_change_above_or_below_the_observed_path_concerns_it(observations: Observations) -> None:
    for path in ("/3303", "/3303/0", "/3303/0/5700", "/3303/0/5700/1"):
        with observations.add([RESOURCE]) as observation:
            observations.changed(ObjectPath.parse(path))
            await asyncio.wait_for(observation.until_due(), 5)
    assert len(observations) == 0


async def test_another_resource_is_no_reason(observations: Observations) -> None:
    with observations.add([RESOURCE]) as observation:
        observations.changed(ObjectPath.parse("/3303/0/5701"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(observation.until_due(), 0.05)


async def test_the_maximum_period_is_a_reason_of_its_own(observations: Observations) -> None:
    observations.write_attributes(RESOURCE, ["pmax=1"])
    started = asyncio.get_running_loop().time()
    with observations.add([RESOURCE]) as observation:
        await asyncio.wait_for(observation.until_due(), 5)
    assert asyncio.get_running_loop().time() - started >= 0.9


async def test_the_minimum_period_holds_a_change_back(observations: Observations) -> None:
    observations.write_attributes(RESOURCE, ["pmin=1"])
    started = asyncio.get_running_loop().time()
    with observations.add([RESOURCE]) as observation:
        observations.changed(RESOURCE)
        await asyncio.wait_for(observation.until_due(), 5)
    assert asyncio.get_running_loop().time() - started >= 0.9
