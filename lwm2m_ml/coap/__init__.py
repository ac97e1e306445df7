"""CoAP transports and message layer, plugged into aiocoap.

    endpoint            server and client in one; `bind`, `request`, `observe`, `close`
      udp dtls tcp      transports; what the first two share is in `datagrams`
      message_layer     acknowledgement, retransmission, duplicates      RFC 7252 §4
      responder         fast handlers, bodies in blocks, small answers   RFC 7252 §5, 7959, 9175
        pipes           the slow path: any aiocoap site
      requester         who waits for which token
        transfer        one request, its blocks both ways                RFC 7959
        observation     notifications, fresh and whole                   RFC 7641
      context           the way in for users of aiocoap

An idle endpoint takes about 4 kB, a peer that was heard 1 kB, an observation 1.2 kB.
"""

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import (
    AddressError,
    BlockTransferError,
    CoapError,
    EndpointClosed,
    HandshakeFailed,
    MalformedMessage,
    NetworkError,
    PeerBusy,
    PeerReset,
    PortInUse,
    RequestTimeout,
    UnusableOption,
)
from lwm2m_ml.coap.fast import FastAnswer, FastHandler, FastHandlers, FastRequest, FastResponse, PendingResponse
from lwm2m_ml.coap.observation import Observation
from lwm2m_ml.coap.options import Block
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.coap.settings import CoapSettings

__all__ = [
    "AddressError",
    "Block",
    "BlockTransferError",
    "CoapEndpoint",
    "CoapError",
    "CoapSettings",
    "EndpointClosed",
    "FastAnswer",
    "FastHandler",
    "FastHandlers",
    "FastRequest",
    "FastResponse",
    "HandshakeFailed",
    "MalformedMessage",
    "NetworkError",
    "Observation",
    "PeerBusy",
    "PeerReset",
    "PendingResponse",
    "PortInUse",
    "Remote",
    "RequestTimeout",
    "UnusableOption",
]
