"""How long a package takes to a device and what it costs on the air, by each way to carry it.

They are measured: the project's own CoAP, client and server, over a simulated path on virtual time. What the path does
to TCP is `network.stream`'s model of it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from aiocoap import Code, Message

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml_simulator.client.endpoint import DEVICE_SETTINGS, DeviceEndpoint
from lwm2m_ml_simulator.errors import SimulatorError
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings
from lwm2m_ml_simulator.virtual.run import run_virtually

_HOST = "127.0.0.1"
_PATH = "package"
_ATTEMPTS = 20
DEFAULT_RUNS = 20

Run = tuple[float, float, float, float, float]


class Way(StrEnum):
    """How a package is carried."""

    BLOCKS = "blocks"
    WINDOWED = "windowed"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Carried:
    """One package on its way down, the mean of several runs. Bytes are those of UDP payloads, or of TCP segments."""

    way: Way
    package_bytes: int
    seconds: float
    datagrams_up: float
    bytes_up: float
    datagrams_down: float
    bytes_down: float


def carry(
    way: Way, package_bytes: int, conditions: Conditions, *, block_exponent: int = 5, runs: int = DEFAULT_RUNS
) -> Carried:
    """Carry a package so many times, each with a seed of its own; `block_exponent` 5 means blocks of 512 bytes.

    Raises SimulatorError when it does not get through.
    """
    results = [_carry_once(way, package_bytes, conditions, block_exponent, seed) for seed in range(1, runs + 1)]
    means = [sum(column) / runs for column in zip(*results, strict=True)]
    return Carried(way, package_bytes, *means)


def _carry_once(way: Way, package_bytes: int, conditions: Conditions, block_exponent: int, seed: int) -> Run:
    return run_virtually(_measure(way, package_bytes, conditions, block_exponent, seed), seed=seed)


async def _measure(way: Way, package_bytes: int, conditions: Conditions, block_exponent: int, seed: int) -> Run:
    package = bytes(package_bytes)
    handlers = FastHandlers()
    handlers.add(Code.GET, _PATH, _server_of(package))
    radio = Radio(RadioSettings(conditions=conditions, seed=seed))
    settings = replace(DEVICE_SETTINGS, block_size_exponent=block_exponent, q_block_requests=way is Way.WINDOWED)
    settings = replace(settings, maximum_response_body=max(settings.maximum_response_body, package_bytes))
    loop = asyncio.get_running_loop()
    # The server knows a device that was registered, so it does not ask for a proof of its address first.
    serving = CoapSettings(block_size_exponent=block_exponent, amplification_factor=0)
    device = DeviceEndpoint(None, radio, settings)
    async with device, await CoapEndpoint.bind(_HOST, 0, fast_handlers=handlers, settings=serving) as server:
        await (device.listen_tcp(_HOST, 0) if way is Way.TCP else device.open_udp(_HOST))
        await server.listen_tcp(_HOST, 0)
        began = loop.time()
        await _fetch(device, server, package_bytes, block_exponent, "coap+tcp" if way is Way.TCP else "coap")
        seconds, figures = loop.time() - began, radio.figures
    return seconds, figures.datagrams_out, figures.bytes_out, figures.datagrams_in, figures.bytes_in


async def _fetch(
    device: DeviceEndpoint, server: CoapEndpoint, package_bytes: int, block_exponent: int, scheme: str
) -> None:
    """Get it whole; a transfer that is given up on the way begins anew, as it would on a device without flash."""
    for _ in range(_ATTEMPTS):
        message = Message(code=Code.GET, uri_path=(_PATH,))
        try:
            message.remote = remote = await device.connect(scheme, *server.address(scheme))
            if scheme == "coap":
                remote.block_size_exponent = block_exponent
            response = await device.request(message)
        except CoapError:
            continue
        if len(response.payload) == package_bytes:
            return
    raise SimulatorError(f"{package_bytes:,} B did not get through in {_ATTEMPTS} attempts")


def _server_of(package: bytes) -> Callable[[FastRequest], FastResponse]:
    return lambda request: FastResponse(Code.CONTENT, package, content_format=42, etag=b"package")
