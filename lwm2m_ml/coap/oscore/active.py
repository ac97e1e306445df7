"""One context at work: its sequence numbers, its replay window, its peer (RFC 8613 §7, Appendix B.1)."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap.errors import CoapError, EndpointClosed, NetworkError, PeerBusy
from lwm2m_ml.coap.oscore.replay import ReplayWindow
from lwm2m_ml.coap.oscore.security import SecurityContext

if TYPE_CHECKING:
    from lwm2m_ml.coap.oscore.credentials import OscoreCredential
    from lwm2m_ml.coap.oscore.remote import OscoreRemote
    from lwm2m_ml.coap.oscore.states import OscoreStates

logger = structlog.get_logger(__name__)

ECHO_BYTES = 8
MOST_WAITING = 64
"""Messages that wait for the store, per context."""

WithNumber = Callable[[int], None]
OnFailure = Callable[[CoapError], None]


class ActiveContext:
    """The mutable side of a security context; numbers are durably reserved before they are used."""

    __slots__ = (
        "_chunk",
        "_echo",
        "_first",
        "_last",
        "_opening",
        "_reserving",
        "_states",
        "_tasks",
        "_waiting_for_number",
        "_waiting_for_window",
        "remote",
        "security",
        "window",
    )

    remote: OscoreRemote

    def __init__(
        self, credential: OscoreCredential, states: OscoreStates, chunk: int, tasks: set[asyncio.Task[None]]
    ) -> None:
        self.security = SecurityContext(credential)
        self.window: ReplayWindow | None = None
        self._states = states
        self._chunk = chunk
        self._tasks = tasks
        self._echo = secrets.token_bytes(ECHO_BYTES)
        self._first = self._last = 0
        self._opening: bool | None = False
        """None once the window was taken from the store, True while it is."""
        self._reserving = False
        self._waiting_for_number: deque[tuple[WithNumber, OnFailure]] = deque()
        self._waiting_for_window: deque[Callable[[], None]] = deque()

    # The sender's side

    def with_number(self, use: WithNumber, on_failure: OnFailure) -> None:
        """Call with a sequence number that is never used again: at once, or when more were reserved."""
        if self._first < self._last:
            number = self._first
            self._first += 1
            self._reserve_ahead()
            use(number)
            return
        if len(self._waiting_for_number) >= MOST_WAITING:
            raise PeerBusy("Too many messages wait for OSCORE sequence numbers")
        self._waiting_for_number.append((use, on_failure))
        self._reserve_ahead()

    def _reserve_ahead(self) -> None:
        if not self._reserving and self._last - self._first < self._chunk // 2:
            self._reserving = True
            self._begin(self._reserve())

    async def _reserve(self) -> None:
        name = self.security.credential.context_name
        try:
            first = await self._states.reserve(name, self._chunk)
        except Exception as error:
            self._reserving = False
            logger.exception("OSCORE sequence numbers could not be reserved", identity=self.identity)
            self._fail_waiting(NetworkError(f"The store gives no sequence numbers: {error}"))
            return
        self._reserving = False
        if first != self._last:
            self._first = first
        self._last = first + self._chunk
        while self._waiting_for_number and self._first < self._last:
            use, on_failure = self._waiting_for_number.popleft()
            number = self._first
            self._first += 1
            try:
                use(number)
            except CoapError as error:
                on_failure(error)
        if self._waiting_for_number:
            self._reserve_ahead()

    def _fail_waiting(self, error: CoapError) -> None:
        while self._waiting_for_number:
            self._waiting_for_number.popleft()[1](error)

    # The receiver's side

    def when_open(self, use: Callable[[], None]) -> None:
        """Call when the replay window is here: at once, or when the store gave it; beyond a limit, never."""
        if self._opening is None:
            use()
        elif len(self._waiting_for_window) < MOST_WAITING:
            self._waiting_for_window.append(use)
            if not self._opening:
                self._opening = True
                self._begin(self._open())

    async def _open(self) -> None:
        credential = self.security.credential
        try:
            state = await self._states.take_replay_state(credential.context_name)
        except Exception:
            self._opening = False
            self._waiting_for_window.clear()
            logger.exception("An OSCORE replay window could not be read", identity=self.identity)
            return
        self.window = None if state is None else ReplayWindow(credential.window, state)
        self._opening = None
        while self._waiting_for_window:
            self._waiting_for_window.popleft()()

    def doubt(self) -> None:
        """Another process may answer the peer from now on: what it received tells the store, or else an Echo."""
        if self._opening is None:
            self._opening = False
            self.window = None
            self._echo = secrets.token_bytes(ECHO_BYTES)

    @property
    def echo(self) -> bytes:
        """What a peer must return to show that its request is no replay (RFC 8613 Appendix B.1.2)."""
        return self._echo

    def is_echo(self, value: bytes | None) -> bool:
        """Whether this is the value the peer was given."""
        return value is not None and hmac.compare_digest(value, self._echo)

    async def save(self) -> None:
        """Keep the replay window for the next start."""
        if self._opening is None and self.window is not None:
            await self._states.save_replay_state(self.security.credential.context_name, self.window.state)

    # Both

    @property
    def identity(self) -> str:
        """The name of the peer."""
        return self.security.credential.identity

    def close(self) -> None:
        """Nothing is sent any more."""
        self._fail_waiting(EndpointClosed("The endpoint is closed"))
        self._waiting_for_window.clear()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
