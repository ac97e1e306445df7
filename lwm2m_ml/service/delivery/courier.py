"""Carries a package to a device by the best of all ways, and by the next one where its bytes do not get there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.service.delivery.driver import Delivery
from lwm2m_ml.service.delivery.experience import Experiences
from lwm2m_ml.service.delivery.machine import Event, Memory
from lwm2m_ml.service.delivery.outcome import OnProgress, Outcome, Progress
from lwm2m_ml.service.delivery.road import Road
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.shelf import Shelf
from lwm2m_ml.service.delivery.slots import Slot
from lwm2m_ml.service.delivery.transfer import Urgency
from lwm2m_ml.service.delivery.ways import ROADS, Way, possible_ways

log = structlog.get_logger(__name__)

NOT_INSTALLED = frozenset({Event.TRANSFERRING, Event.FETCHED, Event.READY, Event.DEFERRED})


@dataclass(frozen=True, slots=True)
class Carried:
    """How a package was carried, and into which slot."""

    slot: Slot
    outcome: Outcome


class Courier:
    """Knows where packages are laid out, and what has worked on which devices."""

    def __init__(
        self,
        shelf: Shelf,
        experiences: Experiences | None = None,
        *,
        http: bool = False,
        urgency: Urgency = Urgency(),  # noqa: B008 - frozen
    ) -> None:
        """`http`: whether packages are served over HTTP, too. `urgency` is that of updates by reboot."""
        self._urgency = urgency
        self._shelf = shelf
        self._experiences = experiences
        self._http = http

    async def carry(
        self,
        session: Session,
        slots: Sequence[Slot],
        package: bytes,
        digest: bytes,
        *,
        on_progress: OnProgress,
        offered_before: bool = False,
    ) -> Carried:
        """Deliver a package whose image has this digest; raises `NoSlotError` when there is no way at all.

        A way that fails for what the package is, is the last one; one that fails to move the bytes is not.
        """
        ways = await possible_ways(
            session.access, session.endpoint, slots, digest, http=self._http, urgency=self._urgency
        )
        if self._experiences is not None:
            ways = self._experiences.ordered(session.endpoint, ways)
        reasons: list[str] = []
        carried_bytes = 0

        async def report(progress: Progress) -> None:
            await on_progress(replace(progress, ota_bytes=carried_bytes + progress.ota_bytes))

        for way in ways:
            outcome, ota_bytes = await self._by(way, session, package, report, offered_before=offered_before)
            carried_bytes += ota_bytes
            if not outcome.transfer_failed:
                return Carried(way.road.slot, outcome)
            offered_before = True
            reasons.append(outcome.reason)
            log.warning("way failed", endpoint=session.endpoint, way=way.name, reason=outcome.reason)
        reason = reasons[0] if len(reasons) == 1 else "; ".join(map(_told, ways, reasons))
        return Carried(ways[0].road.slot, Outcome(False, reason, transfer_failed=True))

    async def cancel(self, session: Session, slots: Sequence[Slot], package: bytes, digest: bytes) -> int:
        """Have the device give up deliveries of this image that are not installed yet; return how many it was told of.

        The package is not to be had any more then. What runs, or is kept to go back to, is left alone. Raises
        `OperationError`s and `UnexpectedReading`.
        """
        cancelled = 0
        for slot in slots:
            road = ROADS[slot.delivery_object](slot, digest)
            if await _is_under_way(session, road):
                await road.cancel(session.access, session.endpoint)
                cancelled += 1
        self._shelf.withdraw((await self._shelf.offer(package, endpoint=session.endpoint)).token)
        return cancelled

    async def _by(
        self, way: Way, session: Session, package: bytes, on_progress: OnProgress, *, offered_before: bool
    ) -> tuple[Outcome, int]:
        known = None if self._experiences is None else self._experiences.block_bytes(session.endpoint)
        delivery = Delivery(
            session,
            self._shelf,
            way.road,
            package,
            on_progress=on_progress,
            offered_before=offered_before,
            transfer=way.transfer,
            block_bytes=known,
        )
        outcome = await delivery.run()
        if self._experiences is not None and (outcome.transfer_failed or delivery.ota_bytes):
            await self._experiences.note(
                session.endpoint, way, arrived=not outcome.transfer_failed, block_bytes=delivery.block_bytes
            )
        return outcome, delivery.ota_bytes


async def _is_under_way(session: Session, road: Road) -> bool:
    """Whether a slot at rest is being filled with our image, or holds it and waits for the next command."""
    status = road.slot.status
    if road.slot.in_use or status.state is ModuleState.STANDBY:
        return False
    event = road.classify(await road.read(session.access, session.endpoint), status, Memory(offered=True))
    return event in NOT_INSTALLED or (event is Event.INSTALLED and status.state is ModuleState.STAGED)


def _told(way: Way, reason: str) -> str:
    return f"{way.road.name}, {way.transfer}: {reason}"
