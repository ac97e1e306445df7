"""Carries one package to one device: reads, asks the road's table, acts, waits; ends in a phase that is final."""

import time

import structlog

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.errors import DeviceError, OperationError, UnknownDevice, UnusableAnswer
from lwm2m_ml.service.delivery.diagnosis import Situation, describe_transfer, diagnose, diagnose_silence
from lwm2m_ml.service.delivery.machine import Action, Event, Memory, Phase, step
from lwm2m_ml.service.delivery.outcome import OnProgress, Outcome, Progress
from lwm2m_ml.service.delivery.road import Reading, Road, UnexpectedReading
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.shelf import Offer, Shelf
from lwm2m_ml.service.delivery.slots import SlotStatus, read_slot_status
from lwm2m_ml.service.delivery.transfer import Push, Transfer

log = structlog.get_logger(__name__)


class DeliveryImpossible(Lwm2mMlError):
    """A way was chosen that this service does not have."""


class Delivery:
    """One package on its way to one device, by one road and one kind of transfer."""

    def __init__(
        self,
        session: Session,
        shelf: Shelf,
        road: Road,
        package: bytes,
        *,
        on_progress: OnProgress,
        offered_before: bool = False,
        transfer: Transfer = Transfer.PULL,
        block_bytes: int | None = None,
    ) -> None:
        """`offered_before`: an earlier run of the server may have offered the package already.

        `block_bytes` is the largest block that may be pushed.
        """
        self._session = session
        self._access = session.access
        self._endpoint = session.endpoint
        self._timing = session.timing
        self._watch = session.watch
        self._shelf = shelf
        self._road = road
        self._package = package
        self._on_progress = on_progress
        self._transfer = transfer
        self._push = Push(package, session.timing.push_limit(len(package)), block_bytes)
        self._pushed_bytes = 0
        self._memory = Memory(offered=offered_before)
        self._phase = Phase.RESUMING
        self._offer: Offer | None = None
        self._offered_at: float | None = None
        self._seconds: float | None = None
        self._attempts: dict[Action, int] = {}
        self._setbacks: dict[Phase, int] = {}
        self._reboots = 0
        self._registrations = session.watch.registrations
        self._last_change = time.monotonic()
        self._last_answer = time.monotonic()
        self._seen: tuple[object, ...] = ()
        self._reason = ""
        self._transfer_failed = False
        self._reported = 0.0
        self._log = log.bind(endpoint=session.endpoint, road=road.name, transfer=str(transfer))

    async def run(self) -> Outcome:
        """Drive the delivery to its end. When this is cancelled, what was offered stays for whoever goes on."""
        await self._observe()
        while not self._phase.final:
            await self._turn()
            if not self._phase.final:
                await self._watch.wait(self._pause())
        self._withdraw()
        return Outcome(self._phase is Phase.DONE, self._reason, self._transfer_failed)

    @property
    def ota_bytes(self) -> int:
        """Bytes of the package that went over the air, repetitions included."""
        return self._pushed_bytes + (self._offer.bytes_served if self._offer else 0)

    @property
    def block_bytes(self) -> int | None:
        """The size of the blocks that the device asked for; None when it fetched none."""
        return None if self._offer is None else self._offer.block_bytes

    async def _turn(self) -> None:
        """Look at the device once and do what its state asks for."""
        if self._watch.registrations != self._registrations:
            self._registrations = self._watch.registrations
            self._reboots += 1
            if self._reboots > self._timing.reboots:
                self._fail(f"the device registered anew {self._reboots} times during the delivery")
                return
            await self._take(Event.REBOOTED, Reading(0, 0, active=False), SlotStatus())
            await self._observe()
        try:
            reading, slot = await self._look()
        except (DeviceError, UnexpectedReading, UnusableAnswer) as error:
            self._last_answer = time.monotonic()
            self._check_patience(error)
            return
        except (OperationError, UnknownDevice):
            self._check_silence()
            return
        self._last_answer = time.monotonic()
        self._note_change(reading, slot)
        event = self._event(reading, slot)
        phase = self._phase
        await self._take(event, reading, slot)
        if self._phase is phase and time.monotonic() - self._last_change > self._timing.limit(phase):
            await self._stuck(reading, slot)

    def _event(self, reading: Reading, slot: SlotStatus) -> Event:
        event = self._road.classify(reading, slot, self._memory)
        if event is Event.REFUSED and self._offered_at is None:
            # Refused before this delivery offered anything: an earlier address is gone, or never was good.
            return Event.LOST
        if event is Event.TRANSFERRING and self._transfer is Transfer.PUSH and self._phase is Phase.RESUMING:
            # Whoever was pushing pushes no more.
            return Event.OCCUPIED
        return event

    async def _look(self) -> tuple[Reading, SlotStatus]:
        reading = await self._road.read(self._access, self._endpoint)
        instance = self._road.slot.instance
        if instance is None:
            return reading, SlotStatus()
        return reading, await read_slot_status(self._access, self._endpoint, self._session.model_object, instance)

    def _note_change(self, reading: Reading, slot: SlotStatus) -> None:
        if reading.result != self._memory.stale_result:
            self._memory.stale_result = None
        seen = (self._phase, reading, slot, self.ota_bytes)
        if seen != self._seen:
            self._seen = seen
            self._last_change = time.monotonic()

    async def _take(self, event: Event, reading: Reading, slot: SlotStatus) -> None:
        """Make the transition that an event asks for, and act."""
        phase, action = step(self._road.table, self._phase, event)
        changed = phase is not self._phase
        if changed or action is not Action.WAIT:
            self._log.info("delivery", event_seen=str(event), phase=str(phase), action=str(action))
            self._last_change = time.monotonic()
        if event in {Event.READY, Event.INSTALLED, Event.RUNNING} and self._offered_at and self._seconds is None:
            self._seconds = time.monotonic() - self._offered_at
        self._phase = phase
        if action is Action.FAIL:
            self._reason = self._road.failure_sentence(reading, slot)
            self._transfer_failed = reading.result in self._road.transfer_failures
        await self._report(changed=changed)
        await self._act(action, reading, slot)

    async def _report(self, *, changed: bool) -> None:
        """Tell every change of phase, and now and then how a transfer goes on."""
        now = time.monotonic()
        transferring = self._phase in {Phase.OFFERED, Phase.TRANSFER}
        if not changed and not (transferring and now - self._reported > self._timing.report):
            return
        self._reported = now
        note = describe_transfer(self._situation(self._offered_at or now)) if transferring else ""
        await self._on_progress(Progress(self._phase, self.ota_bytes, self._seconds, note))

    async def _act(self, action: Action, reading: Reading, slot: SlotStatus) -> None:
        """Do one thing. A lost answer is no failure: the next look at the device tells whether it was done."""
        perform = {
            Action.CLEAR: self._road.clear,
            Action.INSTALL: self._road.install,
            Action.ACTIVATE: self._road.activate,
        }
        if action in {Action.WAIT, Action.FINISH, Action.FAIL}:
            return
        self._attempts[action] = self._attempts.get(action, 0) + 1
        transferring = action is Action.OFFER
        if self._attempts[action] > self._timing.attempts:
            reason = f"given up after {self._timing.attempts} attempts to {action} the module"
            self._fail(reason, transfer_failed=transferring)
            return
        try:
            if transferring:
                await self._send(reading, slot)
            else:
                self._memory.install_requested = action is Action.INSTALL
                await perform[action](self._access, self._endpoint)
        except DeviceError as error:
            if await self._has_moved_on(reading, slot):
                self._log.info("refused, as the device has moved on", action=str(action), reason=error.message)
                return
            downloads = self._road.classify(reading, slot, self._memory) is Event.TRANSFERRING
            if downloads and error.code == ResponseCode.METHOD_NOT_ALLOWED:
                # Whoever downloads, however slowly, takes nothing else meanwhile (SwMgmt §5.1): it is waited for.
                self._log.info("refused, as the device still downloads", action=str(action), reason=error.message)
                self._phase = Phase.TRANSFER
                return
            self._fail(f"the device refused to {action} the module: {error.message}", transfer_failed=transferring)
        except (OperationError, UnknownDevice) as error:
            self._log.info("outcome unknown", action=str(action), reason=error.message)

    async def _has_moved_on(self, reading: Reading, slot: SlotStatus) -> bool:
        """Whether the device is not any more where it was when it was decided what to do: then that is decided anew."""
        try:
            return await self._look() != (reading, slot)
        except (OperationError, UnknownDevice, UnexpectedReading):
            return True

    async def _send(self, reading: Reading, slot: SlotStatus) -> None:
        """Tell the device where to fetch the package, or push it."""
        self._memory.offered = True
        self._memory.install_requested = False
        self._memory.stale_result = reading.result or None
        self._memory.stale_slot = slot
        if self._offered_at is None:
            self._offered_at = time.monotonic()
        if self._transfer is Transfer.PUSH:
            await self._road.push(self._access, self._endpoint, self._push)
            self._pushed_bytes += len(self._package)
        else:
            await self._road.offer(self._access, self._endpoint, await self._uri(), self._package)

    async def _uri(self) -> str:
        """Return the Package URI; the same one again when it is not the first time, so that the device may go on."""
        if self._offer is None:
            self._offer = await self._shelf.offer(self._package, endpoint=self._endpoint)
        uri = self._offer.http_uri if self._transfer is Transfer.PULL_HTTP else self._offer.uri
        if uri is None:
            raise DeliveryImpossible("packages are not served over HTTP here", hint="Set package_url in the settings")
        return uri

    async def _stuck(self, reading: Reading, slot: SlotStatus) -> None:
        """Try the step again where the table knows a way, else end with a diagnosis."""
        phase, action = step(self._road.table, self._phase, Event.STUCK)
        self._setbacks[self._phase] = self._setbacks.get(self._phase, 0) + 1
        exhausted = max(self._setbacks[self._phase], self._attempts.get(action, 0) + 1) > self._timing.attempts
        if exhausted or (phase is self._phase and action is Action.WAIT):
            failed = self._phase in {Phase.OFFERED, Phase.TRANSFER}
            self._fail(diagnose(self._phase, self._situation(self._last_change)), transfer_failed=failed)
            return
        self._log.warning("delivery is stuck", diagnosis=diagnose(self._phase, self._situation(self._last_change)))
        await self._take(Event.STUCK, reading, slot)

    def _check_patience(self, error: Lwm2mMlError) -> None:
        """A device that has just started may not have all its objects yet; later that is a reason to give up."""
        if time.monotonic() - self._last_change > self._timing.limit(self._phase):
            self._fail(f"the device does not tell its state: {error.message}")

    def _check_silence(self) -> None:
        if time.monotonic() - self._last_answer > self._timing.silence:
            self._fail(diagnose_silence(self._situation(self._last_answer)))

    def _situation(self, since: float) -> Situation:
        last_seen = self._access.last_seen(self._endpoint)
        return Situation(
            road=self._road.name,
            waited=time.monotonic() - since,
            served=self.ota_bytes,
            total=len(self._package),
            silent_for=None if last_seen is None else time.time() - last_seen,
            pushed=self._transfer is Transfer.PUSH,
        )

    def _fail(self, reason: str, *, transfer_failed: bool = False) -> None:
        self._phase = Phase.FAILED
        self._reason = reason
        self._transfer_failed = transfer_failed

    def _pause(self) -> float:
        """Return how long to wait before the next look: what the device does by itself is quick or long."""
        quick = self._phase in {Phase.RESUMING, Phase.CLEARING, Phase.CHECKING, Phase.INSTALLING, Phase.ACTIVATING}
        return self._timing.quick_poll if quick else self._timing.poll

    async def _observe(self) -> None:
        """Have changes told; a device that cannot is polled only."""
        for path in self._road.observed():
            try:
                await self._access.observe(self._endpoint, path)
            except Lwm2mMlError as error:
                self._log.debug("not observed", path=str(path), reason=error.message)
                return

    def _withdraw(self) -> None:
        if self._offer is not None:
            self._shelf.withdraw(self._offer.token)
