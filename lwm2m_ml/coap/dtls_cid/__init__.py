"""CoAP over DTLS 1.2 with connection ids: `dtls12` plugged into a socket, and what makes sessions outlive addresses."""

from lwm2m_ml.coap.dtls_cid.resting import MemorySessions, RestingSession, SessionStates

__all__ = ["MemorySessions", "RestingSession", "SessionStates"]
