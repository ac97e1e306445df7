"""A new model version for a whole fleet, while everything goes wrong: `make chaos`.

The fleet runs version 1.0.0 of a model. While a campaign brings it 2.0.0, 5 % of all datagrams get lost, the server is
killed (SIGKILL) and comes back several times, devices lose their power at random moments, NATs give a third of them new
ports at once, and a power failure makes most of them come back in the same second. Afterwards every device has to run
the old or the new version, every device of the campaign to be in a final state, and every result that the server ever
acknowledged to be in its database, once. Exit code 0 only then, and 1 also when something does not end in time. The
machine code of modules runs on emulated processors; equal inferences are executed once and taken over by the others.
"""

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from new_version import MODEL, NEW, OLD, add_new_version
from server import MortalServer
from tally import Acknowledged, compared, stored_results, version_on

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignDevice, CampaignRequest
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.logs import configure_logging
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.scenario.fleet import FleetDescription, parse_fleet
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

FINAL = frozenset({"active", "refused", "failed", "cancelled"})
CALM_PLAN = {"phases": [{"size": "100%"}], "rate": {"at_once": 200}}
# A tenth first, then everybody; whoever fails for a reason that may pass is tried again.
STORM_PLAN = {
    "phases": [{"size": "10%"}, {"size": "100%"}],
    "thresholds": {"errors": 100.0},
    "retry": {"attempts": 4, "delay": 5.0},
    "rate": {"at_once": 200},
}
BAD_WEATHER = Conditions(latency=0.05, jitter=0.02, loss=0.05, reordering=0.01, duplication=0.01)
KILLS, DARK_SECONDS = 3, 3.0
CALM_SECONDS = 20.0
PHASES = 4
"""Registration, first version, chaos, and what is between and after them."""
POLL_SECONDS = 3.0
SHOWN = 5
"""How many reasons, and how many lost results, are shown."""

FLEET = """
name = "chaos"
seed = {seed}
network = {{ latency = 0.02 }}

[[device]]
endpoint = "m4"
target = "nrf52840"
slot_bytes = 65_536
count = {many}
lifetime = 120
outage = 3.0
trial_period = 600
inference_period_ms = 4_000
executed_share = 0.0

[[device]]
endpoint = "rv32"
target = "esp32-c3"
slot_bytes = 65_536
count = {few}
lifetime = 120
outage = 3.0
trial_period = 600
inference_period_ms = 4_000
executed_share = 0.0

[[event]] # single devices lose their power all the time
action = "power-cut"
at = 5
every = 10
share = 0.02
spread = 10

[[event]] # a wave of new ports
action = "rebind"
at = 25
share = 0.33
spread = 2

[[event]] # the lights go out, and everybody comes back in the same second
action = "power-cut"
at = 45
share = 0.6
lasting = 8
"""


class Chaos:
    """One run. Times in seconds."""

    def __init__(self, devices: int, seed: int, limit: float, folder: Path) -> None:
        self.limit = limit
        self.data = folder / "data"
        self.server = MortalServer(self.data)
        self.random = random.Random(seed)
        few = max(1, devices // 5)
        whole = parse_fleet(FLEET.format(seed=seed, many=devices - few, few=few), "chaos")
        # The events begin with the campaign, not with the fleet.
        self.events = whole.events
        self.fleet = FleetDescription(whole.name, whole.profiles, seed=seed, inputs=whole.inputs)
        self.acknowledged = {profile.endpoint: Acknowledged() for profile in whole.profiles}
        self.tally: Counter[str] = Counter()
        self.late: list[str] = []
        """What did not come to its end in time."""
        self.began = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    async def run(self) -> bool:
        """Run to the end, whatever happens, within the time of all phases; tell whether everything is in order."""
        try:
            async with asyncio.timeout(PHASES * self.limit):
                return await self._run()
        except TimeoutError:
            self.say(f"not at its end within {PHASES * self.limit:.0f} s")
            return False
        finally:
            await self.server.stop()

    async def _run(self) -> bool:
        await self.server.start()
        async with AsyncClient(self.server.api, self.server.token) as client:
            anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode())
        runner = FleetRunner(
            self.fleet, self.server.coap, trust_anchors=[anchor], join_interval=0.01, kept_inferences=5
        )
        for endpoint, device in runner.devices.items():
            device.on_acknowledged(self.acknowledged[endpoint].note)
        async with runner:
            await self._prepare(runner)
            if self.late:
                print("chaos: FAILED before it began")
                return False
            campaign = await self._storm(runner)
            rows = await self._rows(campaign)
            self.say(f"calm again; the last results get {CALM_SECONDS:.0f} s to arrive")
            self._weather(runner, Conditions())
            await asyncio.sleep(CALM_SECONDS)
            versions = Counter(version_on(device) for device in runner.devices.values())
            self.tally = runner.director.tally
            cuts = sum(device.boots - 1 for device in runner.devices.values())
        await self.server.stop()
        return self._judge(campaign, rows, versions, cuts)

    async def _prepare(self, runner: FleetRunner) -> None:
        await self._until(lambda: self._registered(runner), "all registered")
        self.say(f"{self.fleet.size} devices are registered; {MODEL} {OLD} goes to all of them")
        await self._finished(await self._start(OLD, CALM_PLAN), "the first version")
        await self.server.stop()
        await add_new_version(self.data)
        await self.server.start()
        self.say(f"every device has {OLD}, {NEW} is in the zoo")

    async def _storm(self, runner: FleetRunner) -> Campaign:
        self._weather(runner, BAD_WEATHER)
        campaign = await self._start(NEW, STORM_PLAN)
        self.say(f"the campaign {campaign.id} begins, and so does the chaos")
        director = runner.direct(self.events)
        kills = asyncio.create_task(self._kill_at_times())
        try:
            campaign = await self._finished(campaign, "the campaign", until=kills)
        finally:
            director.cancel()
            await asyncio.gather(director, return_exceptions=True)
        if kills.done():
            kills.result()  # a server that does not come back is no chaos but a mistake
        kills.cancel()
        return campaign

    async def _kill_at_times(self) -> None:
        for _ in range(KILLS):
            await asyncio.sleep(self.random.uniform(10.0, 30.0))
            await self.server.kill()
            self.say("the server was killed")
            await asyncio.sleep(self.random.uniform(0.5, DARK_SECONDS))
            await self.server.start()
            self.say("the server is back")

    async def _start(self, version: str, plan: dict[str, Any]) -> Campaign:
        request = CampaignRequest(model=MODEL, version=version, plan=plan)
        async with AsyncClient(self.server.api, self.server.token) as client:
            return await client.start_campaign(request)

    async def _registered(self, runner: FleetRunner) -> bool:
        return runner.registered == self.fleet.size

    async def _finished(self, campaign: Campaign, what: str, *, until: asyncio.Task[None] | None = None) -> Campaign:
        """Poll until the campaign is over, through any death of the server."""
        last: dict[str, int] = {}

        async def finished() -> bool:
            nonlocal campaign, last
            try:
                async with AsyncClient(self.server.api, self.server.token) as client:
                    campaign = await client.campaign(campaign.id)
            except Lwm2mMlError:
                return False
            if campaign.tally != last:
                self.say(f"phase {campaign.phase}: {told(campaign.tally)}")
                last = campaign.tally
            return campaign.finished and (until is None or until.done())

        await self._until(finished, what)
        return campaign

    async def _rows(self, campaign: Campaign) -> list[CampaignDevice]:
        async with AsyncClient(self.server.api, self.server.token) as client:
            return await client.campaign_devices(campaign.id)

    async def _until(self, reached: Callable[[], Awaitable[bool]], what: str) -> None:
        end = time.monotonic() + self.limit
        while time.monotonic() < end:
            if await reached():
                return
            await asyncio.sleep(POLL_SECONDS)
        self.late.append(what)
        self.say(f"{what}: not within {self.limit:.0f} s")

    def _weather(self, runner: FleetRunner, conditions: Conditions) -> None:
        for device in runner.devices.values():
            device.radio.conditions = conditions

    def _judge(self, campaign: Campaign, rows: list[CampaignDevice], versions: Counter[str], cuts: int) -> bool:
        states = Counter(row.state for row in rows)
        stuck = sum(count for state, count in states.items() if state not in FINAL)
        other = sum(count for version, count in versions.items() if version not in {OLD, NEW})
        lost, repeated = compared(self.acknowledged, stored_results(self.data))
        acknowledged = sum(one.results.total() for one in self.acknowledged.values())
        print()
        print(f"devices   {self.fleet.size}: {versions[NEW]} on {NEW}, {versions[OLD]} on {OLD}, {other} on neither")
        print(f"campaign  {campaign.state}: {told(states)}; {stuck} stuck")
        for reason, count in Counter(row.reason for row in rows if row.state != "active").most_common(SHOWN):
            print(f"          {count} × {reason}")
        print(f"results   {acknowledged:,} acknowledged, {len(lost)} lost, {repeated} stored twice")
        for one in lost[:SHOWN]:
            print(f"          lost: {one}")
        print(f"server    killed {self.server.deaths} times")
        events = ", ".join(f"{count} × {action}" for action, count in self.tally.items())
        print(f"events    {events}; devices restarted {cuts} times")
        good = campaign.finished and not (stuck or other or lost or repeated or self.late)
        print("chaos: " + ("everything is in order" if good else "FAILED"))
        return good


def told(tally: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(tally.items()) if count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds that a phase may take")
    arguments = parser.parse_args()
    configure_logging(level="error")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(4096, 2 * arguments.devices)), hard))
    with tempfile.TemporaryDirectory(prefix="lwm2m-chaos-") as folder:
        chaos = Chaos(arguments.devices, arguments.seed, arguments.limit, Path(folder))
        return 0 if asyncio.run(chaos.run()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
