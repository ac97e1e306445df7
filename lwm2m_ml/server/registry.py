"""Who is registered: in memory, by endpoint name, by location and by peer."""

from collections.abc import Iterator

from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.server.registration import Registration


class Registry:
    """Every registration there is. It promises nothing about disks: the mirror does."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, Registration] = {}
        self._by_location: dict[str, Registration] = {}
        self._by_remote: dict[Remote, Registration] = {}
        self._shared: dict[Remote, int] = {}
        """How many endpoints speak from a peer's address, where it is more than one."""

    def __len__(self) -> int:
        return len(self._by_endpoint)

    def get(self, endpoint: str) -> Registration:
        """The registration of an endpoint; raises `UnknownDevice`."""
        try:
            return self._by_endpoint[endpoint]
        except KeyError:
            raise UnknownDevice(endpoint) from None

    def find(self, endpoint: str) -> Registration | None:
        """The registration of an endpoint, or None."""
        return self._by_endpoint.get(endpoint)

    def at(self, location: str) -> Registration | None:
        """The registration at a location, or None."""
        return self._by_location.get(location)

    def of(self, remote: Remote) -> Registration | None:
        """The registration of a peer, or None; of several behind one address the newest."""
        return self._by_remote.get(remote)

    def shares(self, remote: Remote) -> bool:
        """Whether several endpoints are registered from this peer."""
        return remote in self._shared

    def __iter__(self) -> Iterator[Registration]:
        """Every registration there is now, in no particular order: cheaper than `all`."""
        return iter(tuple(self._by_endpoint.values()))

    def all(self) -> tuple[Registration, ...]:
        """Every registration, by endpoint name."""
        return tuple(self._by_endpoint[endpoint] for endpoint in sorted(self._by_endpoint))

    def put(self, registration: Registration) -> Registration | None:
        """Make this the registration of its endpoint and return the one it replaces."""
        previous = self._by_endpoint.get(registration.endpoint)
        if previous is None or previous.remote is not registration.remote:
            self.remove(registration.endpoint)
            if registration.remote in self._by_remote:
                self._shared[registration.remote] = self._shared.get(registration.remote, 1) + 1
        else:
            del self._by_location[previous.location]
        self._by_endpoint[registration.endpoint] = registration
        self._by_location[registration.location] = registration
        self._by_remote[registration.remote] = registration
        return previous

    def remove(self, endpoint: str) -> Registration | None:
        """Forget an endpoint and return what was known of it."""
        previous = self._by_endpoint.pop(endpoint, None)
        if previous is not None:
            del self._by_location[previous.location]
            self._leave(previous)
        return previous

    def _leave(self, registration: Registration) -> None:
        """Take a registration away from its peer."""
        remote = registration.remote
        if remote in self._shared:
            self._shared[remote] -= 1
            if self._shared[remote] == 1:
                del self._shared[remote]
            if self._by_remote[remote] is registration:
                others = (one for one in self._by_endpoint.values() if one.remote is remote)
                self._by_remote[remote] = max(others, key=lambda one: one.updated_at)
        else:
            del self._by_remote[remote]
