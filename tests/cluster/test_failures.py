"""Errors keep their kind, sentence and facts from node to node."""

import json

import pytest

from lwm2m_ml.bus import NotOwner
from lwm2m_ml.cluster.failures import from_failure, to_failure
from lwm2m_ml.errors import ConflictError, InvalidInputError, Lwm2mMlError, MissingExtraError
from lwm2m_ml.server.errors import (
    DeviceBusy,
    DeviceElsewhere,
    DeviceError,
    DeviceTimeout,
    RequestInterrupted,
    UnknownDevice,
)
from lwm2m_ml.store.errors import StoreOverloaded


@pytest.mark.parametrize(
    "error",
    [
        Lwm2mMlError("It failed", hint="Try again"),
        ConflictError("No", hint="Not so"),
        InvalidInputError("What is this"),
        NotOwner("Somebody else", hint="Ask them"),
        UnknownDevice("urn:dev:1"),
        DeviceError("urn:dev:1", "Read /3/0/0", 132, "no such thing"),
        DeviceTimeout("urn:dev:1 did not answer", endpoint="urn:dev:1", hint="It may sleep"),
        RequestInterrupted("urn:dev:1 registered anew", endpoint="urn:dev:1"),
        DeviceBusy("Busy", endpoint="urn:dev:1"),
        DeviceElsewhere("Elsewhere", endpoint="urn:dev:1"),
    ],
)
def test_an_error_arrives_as_it_was(error: Lwm2mMlError) -> None:
    arrived = from_failure(json.loads(json.dumps(to_failure(error))))
    assert type(arrived) is type(error)
    assert (arrived.message, arrived.hint) == (error.message, error.hint)
    assert getattr(arrived, "endpoint", None) == getattr(error, "endpoint", None)
    assert getattr(arrived, "code", None) == getattr(error, "code", None)


def test_a_kind_that_other_nodes_do_not_know_becomes_the_nearest_that_they_do() -> None:
    arrived = from_failure(to_failure(StoreOverloaded(5)))
    assert "5 writes" in arrived.message
    assert type(arrived).__name__ == "UnavailableError"
    assert isinstance(from_failure(to_failure(MissingExtraError("Something", "draw"))), Lwm2mMlError)
    assert type(from_failure({"kind": "OfAnotherRelease", "message": "m", "hint": ""})) is Lwm2mMlError
