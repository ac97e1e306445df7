"""The people who read the meters too: they see the digit, and tell the service of a few answers what was right."""

import asyncio
from collections.abc import Callable, Iterable

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError, ServerUnreachableError
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.inputs.stream import SensorStream

FEEDBACK = 10
RESULT_OBJECT = 42771
PER_DEVICE = 12
"""Answers of each device that somebody looks at."""
PAUSE_SECONDS = 0.5
HEEDED_DEVICES = 10


class Readers:
    """Gives feedback on devices that run a module, through the operator's API, as a person's app would."""

    def __init__(
        self, client: AsyncClient, streams: dict[str, SensorStream], chosen: Callable[[], Iterable[SimulatedDevice]]
    ) -> None:
        """`chosen` names the devices that somebody looks at now."""
        self._client = client
        self._streams = streams
        self._chosen = chosen
        self._told: dict[tuple[str, bytes], int] = {}

    async def run(self) -> None:
        """Look and tell until cancelled."""
        while True:
            for device in list(self._chosen())[:HEEDED_DEVICES]:
                await self._look(device)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _look(self, device: SimulatedDevice) -> None:
        """Tell of the device's newest answer what was right, unless enough was said of its module."""
        firmware = device.firmware
        module = firmware.modules.in_use if firmware is not None else None
        answers = [one for one in device.inferences if module is not None and one.module_digest == module.digest]
        if module is None or not answers:
            return
        key = (device.endpoint, module.digest)
        if self._told.get(key, 0) >= PER_DEVICE:
            return
        truth = self._streams[device.endpoint].shown[answers[-1].index]
        path = f"/{RESULT_OBJECT}/{module.slot}/{FEEDBACK}"
        try:
            await self._client.execute(device.endpoint, path, f"0='{len(answers)}',1='{truth}'")
        except (ApiError, ServerUnreachableError):
            return  # somebody else's turn, or the server is away: the next answer will do
        self._told[key] = self._told.get(key, 0) + 1
