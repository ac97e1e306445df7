"""Carries one model from a running server to every device of a fleet, and finds out how each of them did."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas import Deployment, DeploymentDevice, Result
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.demonstration.progress import DEPLOYED, REGISTERED, SHOWN, ProgressReport
from lwm2m_ml_simulator.demonstration.report import DeviceReport
from lwm2m_ml_simulator.demonstration.scoring import Score, score
from lwm2m_ml_simulator.demonstration.server_process import ServerAddress
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.inputs.digits import DigitsPart

MODEL = "digits"
REGISTRATION_SECONDS = 30.0
DEPLOYMENT_SECONDS = 240.0
RESULTS_SECONDS = 120.0
POLL_SECONDS = 0.2
FINAL_STATES = frozenset({"active", "refused", "failed"})


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A simulated device and the test images it sees, as indices into the test split."""

    device: SimulatedDevice
    order: NDArray[numpy.intp]

    def place_by_number(self) -> dict[int, int]:
        """Which image of the order stands behind each result number of the module in use."""
        records = self.device.inferences
        current = [record for record in records if record.module_digest == records[-1].module_digest]
        return {number: record.index for number, record in enumerate(current, start=1)}


@asynccontextmanager
async def simulated_fleet(
    profiles: Sequence[DeviceProfile], server: ServerAddress, trust_anchor: bytes, test: DigitsPart, images: int
) -> AsyncIterator[list[ShownDevice]]:
    """Switch on a device for each profile; each is shown `images` of the test split, starting at another place."""
    anchor = VerificationKey.from_pem(trust_anchor)
    async with AsyncExitStack() as stack:
        fleet = []
        for position, profile in enumerate(profiles):
            order = (numpy.arange(images) + position * images) % len(test)
            device = SimulatedDevice(profile, server.coap, iter(test.images[order]), [anchor])
            fleet.append(ShownDevice(await stack.enter_async_context(device), order))
        yield fleet


async def carry(
    client: AsyncClient, fleet: Sequence[ShownDevice], test: DigitsPart, images: int, progress: ProgressReport
) -> list[DeviceReport]:
    """Register, deploy, infer, compare: one report per device, in the order of the fleet."""
    await _all_registered(client, fleet, progress)
    deployment = await _deployed(client, len(fleet), progress)
    rows = {row.endpoint: row for row in deployment.devices}
    active = [shown for shown in fleet if rows[shown.device.endpoint].state == "active"]
    results = await _all_shown(client, active, images, progress)
    return [await _report(client, shown, rows[shown.device.endpoint], results, test) for shown in fleet]


async def _all_registered(client: AsyncClient, fleet: Sequence[ShownDevice], progress: ProgressReport) -> None:
    expected = {shown.device.endpoint for shown in fleet}

    async def missing() -> set[str]:
        known = {device.endpoint for device in await client.devices() if device.profile is not None}
        progress.reached(REGISTERED, len(expected & known), len(expected))
        return expected - known

    left = await _until_empty(missing, REGISTRATION_SECONDS)
    if left:
        raise Lwm2mMlError(f"Not registered after {REGISTRATION_SECONDS:.0f} s: {', '.join(sorted(left))}")


async def _deployed(client: AsyncClient, devices: int, progress: ProgressReport) -> Deployment:
    deployment = await client.deploy(MODEL, "all")

    async def unfinished() -> set[str]:
        nonlocal deployment
        deployment = await client.deployment(deployment.id)
        left = {row.endpoint for row in deployment.devices if row.state not in FINAL_STATES}
        progress.reached(DEPLOYED, devices - len(left), devices)
        return left

    await _until_empty(unfinished, DEPLOYMENT_SECONDS)
    return deployment


async def _all_shown(
    client: AsyncClient, active: Sequence[ShownDevice], images: int, progress: ProgressReport
) -> dict[str, list[Result]]:
    results: dict[str, list[Result]] = {shown.device.endpoint: [] for shown in active}

    async def incomplete() -> set[str]:
        for endpoint, known in results.items():
            known.extend(await client.results(endpoint, since=known[-1].number if known else 0))
        progress.reached(SHOWN, sum(map(len, results.values())), images * len(active))
        return {endpoint for endpoint, known in results.items() if len(known) < images}

    await _until_empty(incomplete, RESULTS_SECONDS)
    return results


async def _until_empty(remaining: Callable[[], Awaitable[set[str]]], seconds: float) -> set[str]:
    """Ask until nothing remains or the time is up; returns what remains."""
    left = await remaining()
    for _ in range(round(seconds / POLL_SECONDS)):
        if not left:
            break
        await asyncio.sleep(POLL_SECONDS)
        left = await remaining()
    return left


async def _report(
    client: AsyncClient, shown: ShownDevice, row: DeploymentDevice, results: dict[str, list[Result]], test: DigitsPart
) -> DeviceReport:
    known = results.get(row.endpoint, [])
    found = await _scored(client, shown, row, known, test) if known and row.variant else None
    return DeviceReport(
        endpoint=row.endpoint,
        target=row.target,
        variant=row.variant,
        module_bytes=row.module_bytes,
        ram_bytes=row.ram_bytes,
        instructions=row.instructions,
        ota_bytes=row.ota_bytes,
        ota_seconds=row.ota_seconds,
        shown=found.shown if found else 0,
        right=found.right if found else 0,
        reference_right=found.reference_right if found else 0,
        bit_exact=found.bit_exact if found else None,
        state=row.state,
        reason=row.reason,
    )


async def _scored(
    client: AsyncClient, shown: ShownDevice, row: DeploymentDevice, results: list[Result], test: DigitsPart
) -> Score:
    """Ask the integer reference for the images this device saw, and compare."""
    images = test.images[shown.order].reshape(len(shown.order), -1).tolist()
    answers = await client.reference(MODEL, row.variant or "", images)
    return score(results, shown.place_by_number(), test.labels[shown.order].tolist(), answers)
