"""Peers that cannot be reached until they come back: their session or connection ended with an earlier run."""

from lwm2m_ml.coap.channel import Outcome, Transmission
from lwm2m_ml.coap.deduplication import AnswerRing
from lwm2m_ml.coap.errors import NetworkError
from lwm2m_ml.coap.remote import Remote


class NoChannel:
    """Carries nothing."""

    ordered = False
    local_address = ("", 0)

    def transmit(
        self, remote: Remote, code: int, token: bytes, tail: bytes, *, confirmable: bool, outcome: Outcome
    ) -> Transmission:
        """Fail at once."""
        raise NetworkError(f"{remote.hostinfo} has no session with this server", hint="It makes one when it wakes up")


NO_CHANNEL = NoChannel()


class AbsentPeer(Remote):
    """Where a device was when an earlier run of the server heard of it last."""

    def __init__(self, scheme: str, host: str, port: int, identity: str | None) -> None:
        super().__init__(
            NO_CHANNEL,
            (host, port),
            scheme=scheme,
            answers=AnswerRing(0, 0.0),
            block_size_exponent=6,
            maximum_body=0,
            identity=identity,
        )
