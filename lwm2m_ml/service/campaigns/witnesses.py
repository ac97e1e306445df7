"""Asks devices of a campaign, from time to time, how its module does there: the evidence for the gates."""

import asyncio

import structlog

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.campaigns.campaign import Roll
from lwm2m_ml.service.campaigns.gates import Evidence
from lwm2m_ml.service.campaigns.reported import read_evidence
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.campaigns.work import Work

MAXIMUM_WITNESSES = 100
"""More devices than this say nothing new about a model, but cost their radio."""

PATIENCE = 30.0
"""Seconds that a device gets to answer; it may have fallen asleep."""

log = structlog.get_logger(__name__)


class Witnesses:
    """The active devices of a campaign, at most a hundred, and what they told last."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.evidence: dict[str, Evidence] = {}

    async def ask(self, roll: Roll) -> tuple[str, ...]:
        """Ask those that are awake; returns the endpoints that do not run the module any more."""
        active = [row for row in roll.among(DeviceState.ACTIVE) if row.module_digest]
        chosen = [row for row in active if self._work.access.awake(row.endpoint)][:MAXIMUM_WITNESSES]
        answers = await asyncio.gather(*(self._ask(row.endpoint, row.module_digest or "") for row in chosen))
        return tuple(row.endpoint for row, lost in zip(chosen, answers, strict=True) if lost)

    async def _ask(self, endpoint: str, package_digest: str) -> bool:
        """Ask one device; True when it answered that it does not run the module."""
        access, objects = self._work.access, self._work.objects
        if not access.instances(endpoint, objects.model):
            return False
        try:
            digest = await self._work.module_digest(package_digest)
            async with asyncio.timeout(PATIENCE):
                found = await read_evidence(access, endpoint, objects, digest)
        except (Lwm2mMlError, TimeoutError) as error:
            log.info("a device does not tell how its module does", endpoint=endpoint, reason=str(error))
            return False
        if found is None:
            self.evidence.pop(endpoint, None)
            return True
        self.evidence[endpoint] = found
        return False
