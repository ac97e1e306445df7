"""`network`: what the path between a device and its server is like."""

from typing import Annotated

from pydantic import Field

from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.scenario.values import Duration, Number, PositiveDuration, Share, Table


class NetworkTable(Table):
    """`network = { latency = 0.05, loss = 0.02 }`; of the whole file, of a kind of device, or from an event on."""

    latency: Duration = 0.0
    jitter: Duration = 0.0
    loss: Annotated[Share, Field(lt=1)] = 0.0
    duplication: Annotated[Share, Field(lt=1)] = 0.0
    reordering: Annotated[Share, Field(lt=1)] = 0.0
    reorder_delay: Duration = 0.05
    mtu: Annotated[int, Field(ge=64, le=65_535)] | None = None
    bandwidth: Annotated[Number, Field(ge=100)] | None = None
    nat_timeout: PositiveDuration | None = None

    def conditions(self) -> Conditions:
        """Return the facts of this table."""
        return Conditions(**self.model_dump())
