"""A registered device as the server knows it."""

from typing import Final

from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.lwm2m.registration import RegistrationParameters


class Registration:
    """One registration: what the device said, and where it said it from. Times are Unix seconds.

    An Update makes a new object with the same `location`; a Register makes one with a new location. It is compared by
    identity. No dataclass: there is one of these to each message, and a frozen one takes three times as long to make.
    """

    __slots__ = ("endpoint", "identity", "location", "parameters", "registered_at", "remote", "updated_at")

    def __init__(  # noqa: PLR0917  # names take time, too
        self,
        endpoint: str,
        location: str,
        parameters: RegistrationParameters,
        identity: str | None,
        remote: Remote,
        registered_at: float,
        updated_at: float,
    ) -> None:
        self.endpoint: Final = endpoint
        self.location: Final = location
        self.parameters: Final = parameters
        """Without the endpoint name, so that devices of one kind share them."""
        self.identity: Final = identity
        """What the security layer proved when the device registered; None over plain CoAP."""
        self.remote: Final = remote
        self.registered_at: Final = registered_at
        self.updated_at: Final = updated_at

    def renewed(
        self, parameters: RegistrationParameters, remote: Remote, identity: str | None, now: float
    ) -> "Registration":
        """The registration after the device was heard again."""
        return Registration(self.endpoint, self.location, parameters, identity, remote, self.registered_at, now)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port the device was heard from last."""
        return self.remote.address

    def instances(self, object_id: int) -> tuple[int, ...] | None:
        """The instances of an object that the device registered; None when it did not register the object."""
        found = self.parameters.instances(object_id)
        return found if found or (object_id, None) in self.parameters.objects else None
