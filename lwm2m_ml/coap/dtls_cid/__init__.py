"""CoAP over DTLS 1.2 with connection ids: `dtls12` plugged into a socket, and what makes sessions outlive addresses."""

from lwm2m_ml.coap.dtls_cid.resting import Holders, MemorySessions, RestingSession, SessionStates, TakenSession

__all__ = ["Holders", "MemorySessions", "RestingSession", "SessionStates", "TakenSession"]
