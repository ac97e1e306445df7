"""The credential store: issues, rotates and revokes what devices prove themselves with, and says who may come in."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError
from lwm2m_ml.server.credentials import drafts
from lwm2m_ml.server.credentials.credential import Credential, CredentialKind, IssuedCredential
from lwm2m_ml.server.credentials.drafts import Draft
from lwm2m_ml.server.credentials.index import CredentialIndex
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.store.credentials import CredentialRepository
from lwm2m_ml.store.errors import StoreError

MAXIMUM_PER_ENDPOINT = 16
LARGEST_BATCH = 10_000
LONGEST_ENDPOINT = 255
LONGEST_GRACE = 365 * 86_400.0

log = structlog.get_logger(__name__)

Heard = Callable[[Credential], None]


class UnknownCredential(NotFoundError):
    """There is no credential with this id."""


class CredentialConflict(ConflictError):
    """Another credential has this identity, or the endpoint has too many."""


@dataclass(frozen=True, slots=True)
class WantedCredential:
    """A credential to be made; `given` are arguments of its kind's function in `drafts`, all optional."""

    endpoint: str
    kind: CredentialKind
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def draft(self) -> Draft:
        """Make up or check the credential; raises `UnusableCredential`."""
        if not self.endpoint.isprintable() or not 0 < len(self.endpoint.encode()) <= LONGEST_ENDPOINT:
            raise InvalidInputError("The endpoint name is empty, too long or not printable")
        if self.kind is CredentialKind.PSK:
            return drafts.pre_shared_key(self.endpoint, **self.given)
        if self.kind is CredentialKind.RAW_PUBLIC_KEY:
            return drafts.raw_public_key(**self.given)
        if self.kind is CredentialKind.CERTIFICATE:
            return drafts.certificate(self.endpoint, **self.given)
        return drafts.oscore_context(**self.given)


class Credentials:
    """All credentials. `index` answers handshakes; an endpoint that ever had a credential may not come in without."""

    def __init__(self, repository: CredentialRepository, vault: Vault) -> None:
        self.index = CredentialIndex(vault)
        self._repository = repository
        self._vault = vault
        self._changing = asyncio.Lock()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._on_added: Heard = _nobody
        self._on_gone: Heard = _nobody

    def attach(self, *, on_added: Heard, on_gone: Heard) -> None:
        """Tell of each credential that is new, and of each that is no longer good."""
        self._on_added, self._on_gone = on_added, on_gone

    async def load(self) -> None:
        """Know what is stored. Raises `SecretsUnreadable` when it was sealed with another key."""
        for record in await self._repository.all():
            credential = Credential.from_record(record)
            if credential.sealed:
                self._vault.unseal(credential.sealed, credential.context)
            self.index.put(credential)
            self._watch(credential)

    async def follow(self) -> None:
        """Know what another node has stored by now: let in whom it lets in, and nobody else."""
        async with self._changing:
            stored = {record.id: Credential.from_record(record) for record in await self._repository.all()}
            known = {credential.id: credential for credential in self.index.all()}
            for credential_id, credential in known.items():
                if credential_id not in stored:
                    self._drop(credential)
                    self._on_gone(credential)
            for credential_id, credential in stored.items():
                before = known.get(credential_id)
                if before == credential:
                    continue
                self.index.put(credential)
                self._watch(credential)
                if credential.revoked_at is not None:
                    self._on_gone(credential)
                elif before is None:
                    self._on_added(credential)

    def close(self) -> None:
        """Let nothing expire any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # Who may come in

    def endpoint_of(self, identity: str) -> str | None:
        """The endpoint that a peer's identity belongs to, while its credential is good."""
        found = self.index.named(identity)
        return None if found is None else found.endpoint

    def may_speak_for(self, identity: str | None, endpoint: str) -> bool:
        """Whether a peer with this identity (None: it has none) may be this endpoint."""
        if identity is None:
            return not self.index.of_endpoint(endpoint)
        return self.endpoint_of(identity) == endpoint

    def used(self, identity: str) -> None:
        """A device came in with a credential: those that it replaces are needed no more."""
        credential = self.index.named(identity)
        for replaced in () if credential is None else credential.replaces:
            earlier = self.index.get(replaced)
            if earlier is not None:
                self._end_replaced(earlier)

    # Operators

    def list(self, endpoint: str | None = None) -> tuple[Credential, ...]:
        """The credentials of an endpoint, or all, without secrets."""
        return self.index.all() if endpoint is None else tuple(self.index.of_endpoint(endpoint).values())

    def get(self, credential_id: str) -> Credential:
        """A credential; raises `UnknownCredential`."""
        found = self.index.get(credential_id)
        if found is None:
            raise UnknownCredential(f"There is no credential {credential_id!r}", hint="`credentials list` shows them")
        return found

    async def add(self, endpoint: str, kind: CredentialKind, **given: Any) -> IssuedCredential:
        """Make a credential; what is not given is made up."""
        return (await self.add_all([WantedCredential(endpoint, kind, given)]))[0]

    async def add_all(self, wanted: Sequence[WantedCredential]) -> tuple[IssuedCredential, ...]:
        """Make credentials, all of them or none."""
        if len(wanted) > LARGEST_BATCH:
            raise InvalidInputError(f"{len(wanted)} credentials at once are too many", hint="Send 10,000 at a time")
        async with self._changing:
            issued = [self._issue(one, one.draft()) for one in wanted]
            self._check([one.credential for one in issued])
            await self._commit([one.credential for one in issued])
        return tuple(issued)

    async def rotate(self, credential_id: str, *, grace: float) -> IssuedCredential:
        """Make a credential in place of another, which stays good until the new one is used, `grace` s at most."""
        earlier = self.get(credential_id)
        if not 0 <= grace <= LONGEST_GRACE:
            raise InvalidInputError("The grace period is out of range", hint="Use 0 to 31,536,000 seconds")
        if earlier.revoked_at is not None:
            raise CredentialConflict("The credential is revoked", hint="Add a new one")
        if earlier.kind is CredentialKind.CERTIFICATE and "/" in earlier.identity:
            raise CredentialConflict("An authority is not made here", hint="Add the new one, then revoke this one")
        return await self.replace((earlier,), earlier.endpoint, earlier.kind, grace=grace)

    async def replace(
        self,
        earlier: Sequence[Credential],
        endpoint: str,
        kind: CredentialKind,
        *,
        grace: float | None,
        origin: str = "",
    ) -> IssuedCredential:
        """Make a credential that ends `earlier` ones when it is first used, or after `grace` seconds (None: never)."""
        wanted = WantedCredential(endpoint, kind)
        async with self._changing:
            extra = {"replaces": [one.id for one in earlier], **({"origin": origin} if origin else {})}
            issued = self._issue(wanted, wanted.draft(), extra)
            ending = () if grace is None else _ending(earlier, time.time() + grace)
            self._check([issued.credential], leaving=len(earlier))
            await self._commit([*ending, issued.credential])
        return issued

    async def revoke(self, credential_id: str) -> None:
        """Let nobody in with it, and drop its secret; the endpoint may still not come in without a credential."""
        async with self._changing:
            credential = self.get(credential_id)
            if credential.revoked_at is None:
                await self._commit([replace(credential, sealed=b"", revoked_at=time.time())])
        log.info("credential revoked", endpoint=credential.endpoint, credential=credential_id)
        self._on_gone(credential)

    async def forget(self, credential_id: str) -> None:
        """Remove a credential altogether: with the last one goes the endpoint's protection."""
        async with self._changing:
            credential = self.get(credential_id)
            await self._repository.delete(credential_id)
            self._drop(credential)
        log.info("credential forgotten", endpoint=credential.endpoint, credential=credential_id)
        self._on_gone(credential)

    # How

    def _issue(
        self, wanted: WantedCredential, draft: Draft, extra: Mapping[str, Any] | None = None
    ) -> IssuedCredential:
        facts = {**draft.facts, **(extra or {})}
        credential = Credential(
            secrets.token_hex(6), wanted.endpoint, wanted.kind, draft.identity, facts, b"", time.time()
        )
        if draft.secret:
            credential = replace(credential, sealed=self._vault.seal(draft.secret, credential.context))
        return IssuedCredential(credential, draft.shown)

    def _check(self, new: Sequence[Credential], *, leaving: int = 0) -> None:
        names: set[str] = set()
        counts: dict[str, int] = {}
        for credential in new:
            if self.index.taken(credential.name) or credential.name in names:
                raise CredentialConflict(
                    f"The {credential.kind} identity {credential.identity!r} is taken", hint="Revoke that one first"
                )
            names.add(credential.name)
            count = counts.get(credential.endpoint, len(self.index.of_endpoint(credential.endpoint)) - leaving) + 1
            counts[credential.endpoint] = count
            if count > MAXIMUM_PER_ENDPOINT:
                raise CredentialConflict(
                    f"{credential.endpoint} has {count - 1} credentials already", hint="Forget revoked ones"
                )

    async def _commit(self, credentials: Sequence[Credential]) -> None:
        await self._repository.put([one.to_record() for one in credentials])
        for credential in credentials:
            is_new = self.index.get(credential.id) is None
            self.index.put(credential)
            self._watch(credential)
            if is_new:
                log.info(
                    "credential added", endpoint=credential.endpoint, credential=credential.id, kind=credential.kind
                )
                self._on_added(credential)

    def _watch(self, credential: Credential) -> None:
        """End a credential when it expires."""
        timer = self._timers.pop(credential.id, None)
        if timer is not None:
            timer.cancel()
        if credential.expires_at is not None and credential.revoked_at is None:
            delay = max(credential.expires_at - time.time(), 0.0)
            self._timers[credential.id] = asyncio.get_running_loop().call_later(delay, self._expire, credential.id)

    def _expire(self, credential_id: str) -> None:
        self._timers.pop(credential_id, None)
        credential = self.index.get(credential_id)
        if credential is not None:
            self._end_replaced(credential)

    def _end_replaced(self, credential: Credential) -> None:
        """Another credential protects the endpoint now: nothing of this one need be kept."""
        try:
            self._repository.delete(credential.id)
        except StoreError as error:
            log.warning("end of a credential not written", endpoint=credential.endpoint, reason=str(error))
        self._drop(credential)
        log.info("credential replaced", endpoint=credential.endpoint, credential=credential.id)
        self._on_gone(credential)

    def _drop(self, credential: Credential) -> None:
        self.index.remove(credential.id)
        timer = self._timers.pop(credential.id, None)
        if timer is not None:
            timer.cancel()


def _ending(credentials: Sequence[Credential], until: float) -> Sequence[Credential]:
    return [replace(one, expires_at=min(one.expires_at or until, until)) for one in credentials]


def _nobody(_: Credential) -> None:
    """Nobody listens."""
