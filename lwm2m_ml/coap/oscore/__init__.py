"""Object security for CoAP (RFC 8613): end to end, over any transport, whatever address the peer has.

    credentials   what two peers share, and who knows it
    option        kid, kid context and partial IV in the OSCORE option      §6
    security      keys and nonces; one message sealed or opened             §3, §5, §8
    replay        which requests were seen                                  §7.4
    states        what must survive a restart                               §7.5, Appendix B.1
    active        one context at work
    remote        the peer behind a context, and how it is reached
    pending       requests of ours that wait for protected responses
    incoming      a request that was opened, and its sealed answers
    layer         all contexts of an endpoint

`CoapEndpoint.use_oscore` switches it on; the identity of a peer is that of its credential.
"""

from lwm2m_ml.coap.oscore.credentials import OscoreCredential, OscoreKeyring, OscoreLookup
from lwm2m_ml.coap.oscore.states import MemoryStates, OscoreStates, ReplayState

__all__ = [
    "MemoryStates",
    "OscoreCredential",
    "OscoreKeyring",
    "OscoreLookup",
    "OscoreStates",
    "ReplayState",
]
