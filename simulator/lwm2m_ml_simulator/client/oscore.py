"""OSCORE on the device: contexts from object 21, and their numbers kept in the journal (RFC 8613 §7.5)."""

from collections.abc import Iterator

import cbor2

from lwm2m_ml.coap.oscore import OscoreCredential, ReplayState
from lwm2m_ml.coap.oscore.algorithms import AES_CCM_16_64_128, HKDF_SHA_256
from lwm2m_ml_simulator.client.accounts import securities
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.objects.security import Oscore, Security

_STATES_KEY = 5
_ALGORITHM, _DERIVATION = 3, 4


class AccountContexts:
    """Finds the context for a server, or of a server that asks, among the accounts."""

    def __init__(self, tree: ObjectTree) -> None:
        self._tree = tree

    def oscore_context(self, kid: bytes, kid_context: bytes | None) -> OscoreCredential | None:
        """Return the context of the server that sends as `kid`."""
        for _, credential in self._all():
            if credential.recipient_id == kid and kid_context in {None, credential.id_context}:
                return credential
        return None

    def oscore_server(self, host: str, port: int) -> OscoreCredential | None:
        """Return how to protect requests to a server."""
        for uri, credential in self._all():
            if (uri.host, uri.port) == (host, port):
                return credential
        return None

    def _all(self) -> Iterator[tuple[ServerUri, OscoreCredential]]:
        keys = {keys.instance_id: keys for keys in self._tree.instances(Oscore.object_id) if isinstance(keys, Oscore)}
        for account in securities(self._tree):
            if account.oscore_instance in keys:
                yield ServerUri.parse(account.server_uri), _credential(account, keys[account.oscore_instance])


def uses_oscore(tree: ObjectTree) -> bool:
    """Tell whether an account asks for it."""
    return any(account.oscore_instance is not None for account in securities(tree))


def _credential(account: Security, keys: Oscore) -> OscoreCredential:
    return OscoreCredential(
        identity=account.server_uri,
        master_secret=keys.octets(0),
        sender_id=keys.octets(1),
        recipient_id=keys.octets(2),
        algorithm=keys.number(_ALGORITHM, AES_CCM_16_64_128),
        hkdf=keys.number(_DERIVATION, HKDF_SHA_256),
        master_salt=keys.octets(5),
        id_context=keys.octets(6) or None,
    )


class JournalStates:
    """Sequence numbers and replay windows that outlive the power: one journal record for all contexts."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        stored = journal.get(_STATES_KEY)
        self._next: dict[str, int] = {}
        self._replay: dict[str, list[int] | None] = {}
        if stored is not None:
            self._next, self._replay = cbor2.loads(stored)

    async def reserve(self, context: str, count: int) -> int:
        """Count numbers as used, before they are; return the first."""
        first = self._next.get(context, 0)
        self._next[context] = first + count
        self._save()
        return first

    async def take_replay_state(self, context: str) -> ReplayState | None:
        """Return the window, which is not saved any more then."""
        state = self._replay.get(context, [-1, 0])
        self._replay[context] = None
        self._save()
        return None if state is None else ReplayState(*state)

    async def save_replay_state(self, context: str, state: ReplayState) -> None:
        """Keep a window until it is taken again."""
        self._replay[context] = [state.highest, state.seen]
        self._save()

    def _save(self) -> None:
        self._journal.put(_STATES_KEY, cbor2.dumps([self._next, self._replay]))
