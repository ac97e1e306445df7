"""DTLS 1.2 with connection ids, without input or output: records and the passing of time go in, datagrams come out."""

from lwm2m_ml.coap.dtls12.client import ClientHandshake, ClientPolicy
from lwm2m_ml.coap.dtls12.connection_ids import CID_BYTES, ConnectionIds, node_of
from lwm2m_ml.coap.dtls12.errors import HandshakeError, UnusableSession
from lwm2m_ml.coap.dtls12.handshake import Handshake
from lwm2m_ml.coap.dtls12.listener import Greeting, Listener
from lwm2m_ml.coap.dtls12.numbers import Alert, CertificateType
from lwm2m_ml.coap.dtls12.records import Record, records
from lwm2m_ml.coap.dtls12.server import ServerHandshake, ServerPolicy
from lwm2m_ml.coap.dtls12.session import Session, Stored
from lwm2m_ml.coap.dtls12.signatures import Shown, Signer
from lwm2m_ml.coap.dtls12.suites import SUITES, KeyExchange, Suite

__all__ = [
    "CID_BYTES",
    "SUITES",
    "Alert",
    "CertificateType",
    "ClientHandshake",
    "ClientPolicy",
    "ConnectionIds",
    "Greeting",
    "Handshake",
    "HandshakeError",
    "KeyExchange",
    "Listener",
    "Record",
    "ServerHandshake",
    "ServerPolicy",
    "Session",
    "Shown",
    "Signer",
    "Stored",
    "Suite",
    "UnusableSession",
    "node_of",
    "records",
]
