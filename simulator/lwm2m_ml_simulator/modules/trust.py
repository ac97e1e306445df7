"""Whom a device trusts to sign modules: the keys of the factory, or a root-signed list (42769/x/35 and 36)."""

from collections.abc import Callable, Sequence

import structlog

from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml.module.trust_list import TrustList, TrustListRejected
from lwm2m_ml_simulator.memory.journal import Journal

_log = structlog.get_logger(__name__)
_LIST_KEY = 4


class TrustStore:
    """One journal record holds the whole list, so that a power cut leaves the old list or the new one."""

    def __init__(
        self,
        journal: Journal,
        anchors: Sequence[VerificationKey],
        roots: Sequence[VerificationKey],
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._anchors = tuple(anchors)
        self._roots = tuple(roots)
        self.clock = clock
        self._list: TrustList | None = None
        stored = self._journal.get(_LIST_KEY)
        # Whoever cannot read the list any more must not fall back to keys that it may have revoked.
        self._is_broken = stored is not None and not self._mounted(stored)

    @property
    def version(self) -> int:
        """The version of the list, 0 while the keys of the factory count."""
        return self._list.version if self._list is not None else 0

    @property
    def document(self) -> bytes:
        """The list as it was sent; empty without one."""
        return self._journal.get(_LIST_KEY) or b""

    @property
    def keys(self) -> tuple[VerificationKey, ...]:
        """The keys whose packages are accepted now."""
        if self._is_broken:
            return ()
        return self._anchors if self._list is None else self._list.trusted_at(self.clock())

    @property
    def keys_of_installed(self) -> tuple[VerificationKey, ...]:
        """The keys whose modules may go on running: also those whose time is over, but none that was revoked."""
        if self._list is None:
            return self.keys
        known = (*self._anchors, *(entry.key for entry in self._list.keys))
        return tuple({key.key_id: key for key in known if key.key_id not in self._list.revoked}.values())

    def install(self, document: bytes) -> None:
        """Replace the list, or raise TrustListRejected for an older, malformed or foreign one and change nothing."""
        new = TrustList.verify(document, self._roots, self._list)
        self._journal.put(_LIST_KEY, document)
        self._list, self._is_broken = new, False
        _log.info("trust_list_installed", version=new.version, keys=len(new.keys), revoked=len(new.revoked))

    def _mounted(self, stored: bytes) -> bool:
        try:
            self._list = TrustList.verify(stored, self._roots, None)
        except TrustListRejected as rejection:
            _log.error("trust_list_broken", reason=rejection.message)
        return self._list is not None
