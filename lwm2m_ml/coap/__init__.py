"""CoAP transports and message layer, plugged into aiocoap."""

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
from lwm2m_ml.coap.fast import FastAnswer, FastHandler, FastHandlers, FastRequest, FastResponse
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
    "PortInUse",
    "Remote",
    "RequestTimeout",
    "UnusableOption",
]
