"""All credentials in memory, found by what a handshake shows: it implements the lookups of DTLS and OSCORE."""

import time
from collections.abc import Mapping, Sequence

import structlog
from cryptography import x509

from lwm2m_ml.coap.dtls.certificates import CertificateUsage, PeerCertificate, TrustedPeer
from lwm2m_ml.coap.dtls.credentials import Granted, ServerCredential
from lwm2m_ml.coap.oscore import OscoreCredential
from lwm2m_ml.server.credentials.credential import Credential, CredentialKind
from lwm2m_ml.server.credentials.drafts import OF_AN_AUTHORITY, fingerprint, key_fingerprint
from lwm2m_ml.server.credentials.vault import Vault

log = structlog.get_logger(__name__)


class CredentialIndex:
    """Sealed secrets are opened for the moment of a handshake only."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._by_id: dict[str, Credential] = {}
        self._by_endpoint: dict[str, dict[str, Credential]] = {}
        self._by_name: dict[str, Credential] = {}
        self._by_kid: dict[str, dict[str, Credential]] = {}

    def put(self, credential: Credential) -> None:
        """Know a credential, in place of what was known under its id."""
        self.remove(credential.id)
        self._by_id[credential.id] = credential
        self._by_endpoint.setdefault(credential.endpoint, {})[credential.id] = credential
        if credential.revoked_at is None:
            self._by_name[credential.name] = credential
            if credential.kind is CredentialKind.OSCORE:
                self._by_kid.setdefault(credential.facts["recipient_id"], {})[credential.id] = credential

    def remove(self, credential_id: str) -> None:
        """Forget a credential."""
        known = self._by_id.pop(credential_id, None)
        if known is None:
            return
        of_endpoint = self._by_endpoint[known.endpoint]
        del of_endpoint[credential_id]
        if not of_endpoint:
            del self._by_endpoint[known.endpoint]
        if known.kind is CredentialKind.OSCORE:
            kid = known.facts["recipient_id"]
            with_kid = self._by_kid.get(kid, {})
            with_kid.pop(credential_id, None)
            if not with_kid:
                self._by_kid.pop(kid, None)
        if self._by_name.get(known.name) is known:
            del self._by_name[known.name]

    def get(self, credential_id: str) -> Credential | None:
        """A credential by its id."""
        return self._by_id.get(credential_id)

    def named(self, name: str) -> Credential | None:
        """The credential behind a peer's identity, while it is good."""
        found = self._by_name.get(name)
        return found if found is not None and found.good(time.time()) else None

    def taken(self, name: str) -> bool:
        """Whether a credential that is not revoked has this name."""
        return name in self._by_name

    def of_endpoint(self, endpoint: str) -> Mapping[str, Credential]:
        """The credentials of an endpoint by id, revoked ones too."""
        return self._by_endpoint.get(endpoint, {})

    def all(self) -> tuple[Credential, ...]:
        """Every credential, by endpoint."""
        return tuple(one for endpoint in sorted(self._by_endpoint) for one in self._by_endpoint[endpoint].values())

    # CredentialLookup

    def pre_shared_key(self, identity: str) -> Granted | None:
        """The key of a PSK identity; None refuses it."""
        found = self.named(f"{CredentialKind.PSK}:{identity}")
        return None if found is None else Granted(found.name, self._vault.unseal(found.sealed, found.context))

    def certificate(self, peer: PeerCertificate) -> Granted | None:
        """Who the owner of a certificate is."""
        shown = f"{CredentialKind.CERTIFICATE}:{fingerprint(peer.certificate)}"
        pinned = self.named(shown)
        candidates = [*self._issued(peer), *([] if pinned is None else [pinned])]
        for credential in candidates:
            if _accepts(credential, peer):
                return Granted(credential.name)
        log.warning("certificate refused", subject=peer.certificate.subject.rfc4514_string(), known=len(candidates))
        return None

    def raw_public_key(self, key: bytes) -> Granted | None:
        """Who the owner of a public key is."""
        found = self.named(f"{CredentialKind.RAW_PUBLIC_KEY}:{key_fingerprint(key)}")
        return None if found is None else Granted(found.name)

    def is_valid(self, identity: str) -> bool:
        """Whether a granted identity is still good."""
        return self.named(identity) is not None

    def server(self, host: str, port: int) -> ServerCredential | None:
        """Connect to nobody: devices come to the server."""
        return None

    # OscoreLookup

    def oscore_context(self, kid: bytes, kid_context: bytes | None) -> OscoreCredential | None:
        """The context of who sends as `kid`; without a kid context in the message, the only one that has this kid."""
        identity = kid.hex() if kid_context is None else f"{kid.hex()}.{kid_context.hex()}"
        found = self.named(f"{CredentialKind.OSCORE}:{identity}")
        if found is None and kid_context is None:
            candidates = self._by_kid.get(kid.hex(), {}).values()
            good = [one for one in candidates if one.good(time.time())]
            found = good[0] if len(good) == 1 else None
        return None if found is None else self._oscore(found)

    def oscore_server(self, host: str, port: int) -> OscoreCredential | None:
        """Connect to nobody: devices come to the server."""
        return None

    def oscore_named(self, name: str) -> OscoreCredential | None:
        """The context behind a peer's identity, while it is good."""
        found = self.named(name)
        return None if found is None or found.kind is not CredentialKind.OSCORE else self._oscore(found)

    def _oscore(self, credential: Credential) -> OscoreCredential:
        facts = credential.facts
        return OscoreCredential(
            credential.name,
            self._vault.unseal(credential.sealed, credential.context),
            bytes.fromhex(facts["sender_id"]),
            bytes.fromhex(facts["recipient_id"]),
            None if facts["id_context"] is None else bytes.fromhex(facts["id_context"]),
            bytes.fromhex(facts["master_salt"]),
            facts["algorithm"],
            facts["hkdf"],
        )

    def _issued(self, peer: PeerCertificate) -> Sequence[Credential]:
        """Credentials that trust an authority to name their endpoint, for the name that the peer shows."""
        now = time.time()
        return [
            one
            for one in self.of_endpoint(peer.common_name).values()
            if one.kind is CredentialKind.CERTIFICATE
            and one.good(now)
            and CertificateUsage(one.facts["usage"]) in OF_AN_AUTHORITY
        ]


def _accepts(credential: Credential, peer: PeerCertificate) -> bool:
    facts = credential.facts
    usage = CertificateUsage(facts["usage"])
    known = x509.load_pem_x509_certificate(facts["certificate"].encode())
    authorities = tuple(x509.load_pem_x509_certificates(facts["authorities"].encode())) if facts["authorities"] else ()
    # With usage 0 the known authority counts only while it leads to a trusted one itself (RFC 6698 §2.1.1).
    if usage is CertificateUsage.CA_CONSTRAINT and not PeerCertificate(known).leads_to(authorities):
        return False
    # `_issued` has compared the name: a certificate for several hosts may still name one endpoint only.
    return TrustedPeer(known, usage, authorities).accepts(peer)
