"""A registered device as the server knows it."""

from dataclasses import dataclass

from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.lwm2m.registration import RegistrationParameters


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """One registration: what the device said, and where it said it from. Times are Unix seconds.

    An Update makes a new object with the same `location`; a Register makes one with a new location.
    """

    endpoint: str
    location: str
    parameters: RegistrationParameters
    """Without the endpoint name, so that devices of one kind share them."""
    identity: str | None
    """What the security layer proved when the device registered; None over plain CoAP."""
    remote: Remote
    registered_at: float
    updated_at: float

    def renewed(
        self, parameters: RegistrationParameters, remote: Remote, identity: str | None, now: float
    ) -> "Registration":
        """The registration after an Update. Written out: `dataclasses.replace` takes as long as all the rest of one."""
        return Registration(self.endpoint, self.location, parameters, identity, remote, self.registered_at, now)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port the device was heard from last."""
        return self.remote.address

    def instances(self, object_id: int) -> tuple[int, ...] | None:
        """The instances of an object that the device registered; None when it did not register the object."""
        found = self.parameters.instances(object_id)
        return found if found or (object_id, None) in self.parameters.objects else None
