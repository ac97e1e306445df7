"""The fleet's demonstration: a version that is wrong in the field, its roll-back, and the right one for everybody."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ServerUnreachableError
from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignDevice, CampaignRequest
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml_simulator.demonstration.server_process import ServerProcess
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.rollout.field_models import NAME, RIGHT, WRONG, add_version
from lwm2m_ml_simulator.rollout.readers import Readers
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

REGISTRATION_SECONDS = 120.0
CAMPAIGN_SECONDS = 1_800.0
POLL_SECONDS = 0.5
AWAY_SECONDS = 2.0
KILLED_AFTER = 30
"""Active devices of the last phase after which the server is killed."""
PLAN = {
    "phases": [{"size": "1%", "soak": 6.0}, {"size": "10%", "soak": 6.0}, {"size": "100%"}],
    "gates": {"agreement": 80.0, "failures": 1.0, "latency": 200.0, "results": 4, "devices": 2},
    "thresholds": {"errors": 10.0, "least": 10},
    "retry": {"attempts": 5, "delay": 2.0},
    "rate": {"at_once": 24},
}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How one campaign ended, with all its devices."""

    campaign: Campaign
    devices: tuple[CampaignDevice, ...]


@dataclass(frozen=True, slots=True)
class FleetOutcome:
    """Both campaigns, and what the devices themselves run in the end: the version of each, empty for none."""

    wrong: Ended
    right: Ended
    running: dict[str, str]
    kills: int


async def play(server: ServerProcess, client: AsyncClient, fleet: FleetRunner, tell: Tell) -> FleetOutcome:
    """Play the whole story; `tell` gets it line by line."""
    await _all_registered(client, len(fleet.devices), tell)
    canaries: set[str] = set()
    readers = Readers(client, fleet.streams, lambda: [fleet.devices[name] for name in sorted(canaries)])
    reading = asyncio.create_task(readers.run())
    try:
        wrong = await _campaign(client, WRONG, canaries, tell)
        kills = 0

        async def kill_in_the_middle(campaign: Campaign) -> None:
            nonlocal kills
            if not kills and campaign.phase == campaign.phases and campaign.tally.get("active", 0) >= KILLED_AFTER:
                kills += 1
                await _kill_and_restart(server, campaign, tell)

        right = await _campaign(client, RIGHT, canaries, tell, kill_in_the_middle)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    if right.campaign.state == "finished":
        await client.set_alias(NAME, "champion", RIGHT)
    return FleetOutcome(wrong, right, {name: _version(device) for name, device in fleet.devices.items()}, kills)


def broken_promises(outcome: FleetOutcome) -> list[str]:
    """Say what is not as it was to be; nothing when all is."""
    states = Counter(device.state for device in outcome.right.devices)
    found = []
    if outcome.wrong.campaign.state != "rolled back":
        found.append(f"the wrong version was not rolled back: {outcome.wrong.campaign.state}")
    if outcome.right.campaign.state != "finished":
        found.append(f"the right version's campaign is {outcome.right.campaign.state}")
    if not outcome.kills:
        found.append("the server was never killed")
    found += [f"{states[state]} devices are {state}" for state in states if state not in {"active", "refused"}]
    for device in outcome.right.devices:
        expected = RIGHT if device.state == "active" else ""
        runs = outcome.running[device.endpoint]
        if runs != expected:
            found.append(f"{device.endpoint} is {device.state} and runs {runs or 'nothing'}")
        if device.state == "refused" and not device.reason:
            found.append(f"{device.endpoint} was refused without a reason")
    return found


async def _campaign(
    client: AsyncClient,
    version: str,
    canaries: set[str],
    tell: Tell,
    meanwhile: Callable[[Campaign], Awaitable[None]] | None = None,
) -> Ended:
    """Add a version, start its campaign and follow its story to the end."""
    await add_version(client, version)
    await client.set_alias(NAME, "candidate", version)
    tell(f"{NAME} {version} is in the zoo, as candidate")
    started = await client.start_campaign(
        CampaignRequest(model=NAME, version=version, plan=PLAN, name=f"{NAME} {version}")
    )
    told = 0
    deadline = time.monotonic() + CAMPAIGN_SECONDS
    while True:
        try:
            campaign = await client.campaign(started.id)
            for note in await client.campaign_story(started.id, told):
                told = note.number
                tell(f"campaign {version}: {note.who}: {note.text}")
            devices = await client.campaign_devices(started.id)
        except ServerUnreachableError as error:
            tell(f"the server is away: {error.message}")
            await asyncio.sleep(POLL_SECONDS)
            continue
        canaries.clear()
        canaries.update(one.endpoint for one in devices if one.state == "active" and one.phase < campaign.phases)
        if campaign.finished:
            return Ended(campaign, tuple(devices))
        if time.monotonic() > deadline:
            raise Lwm2mMlError(f"The campaign of {version} did not end: {campaign.diagnosis}")
        if meanwhile is not None:
            await meanwhile(campaign)
        await asyncio.sleep(POLL_SECONDS)


async def _kill_and_restart(server: ServerProcess, campaign: Campaign, tell: Tell) -> None:
    under_way = {state: count for state, count in campaign.tally.items() if state not in {"active", "refused"}}
    tell(f"kill -9 of the server, with {campaign.tally.get('active', 0)} devices active and {under_way} besides")
    await server.kill()
    await asyncio.sleep(AWAY_SECONDS)
    await server.start()
    tell("the server is back, on the same ports and data")


async def _all_registered(client: AsyncClient, expected: int, tell: Tell) -> None:
    known = 0
    for _ in range(round(REGISTRATION_SECONDS / POLL_SECONDS)):
        known = sum(device.profile is not None for device in await client.devices())
        if known == expected:
            tell(f"{known} devices are registered and have told what they can do")
            return
        await asyncio.sleep(POLL_SECONDS)
    raise Lwm2mMlError(f"Only {known} of {expected} devices registered within {REGISTRATION_SECONDS:.0f} s")


def _version(device: SimulatedDevice) -> str:
    """The version that a device runs, looked up on the device itself."""
    module = device.firmware.modules.in_use if device.firmware is not None else None
    return module.descriptor.model_version if module is not None else ""


@asynccontextmanager
async def told_to(lines: list[str], show: Tell) -> AsyncIterator[Tell]:
    """Yield what takes the story: every line with its second, kept and shown."""
    began = time.monotonic()

    def tell(text: str) -> None:
        line = f"{time.monotonic() - began:7.1f} s  {text}"
        lines.append(line)
        show(line)

    yield tell


def tally(outcome: FleetOutcome) -> list[str]:
    """The tally in lines: both campaigns, and who cannot take the model for which reason."""
    lines = []
    for name, ended in (("wrong", outcome.wrong), ("right", outcome.right)):
        states = Counter(device.state for device in ended.devices)
        counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        lines.append(f"{name} version {ended.campaign.version}: {ended.campaign.state}; {counts}")
    runs = Counter(version or "none" for version in outcome.running.values())
    lines.append("on the devices: " + ", ".join(f"{count} run {version}" for version, count in sorted(runs.items())))
    reasons: dict[str, list[str]] = {}
    for device in outcome.right.devices:
        if device.state == "refused":
            reasons.setdefault(device.reason, []).append(device.endpoint)
    for reason, endpoints in reasons.items():
        lines.append(f"cannot take it: {_names(endpoints)}: {reason}")
    lines.append(f"over the air: {sum(one.ota_bytes or 0 for one in outcome.right.devices):,} B for the right version")
    return lines


def _names(endpoints: Sequence[str]) -> str:
    return f"{endpoints[0]} … {endpoints[-1]} ({len(endpoints)} devices)" if len(endpoints) > 1 else endpoints[0]
