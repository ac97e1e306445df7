"""Object definitions in the versions that a device registered."""

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.registration import RegistrationParameters

MAXIMUM_VIEWS = 256


class Catalogues:
    """A catalogue per set of object versions; devices of one kind share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._views: dict[frozenset[tuple[int, str]], Catalogue] = {}

    def of(self, parameters: RegistrationParameters) -> Catalogue:
        """The definitions to read a device's payloads with."""
        versions = parameters.object_versions
        key = frozenset(versions.items())
        view = self._views.get(key)
        if view is None:
            while len(self._views) >= MAXIMUM_VIEWS:
                del self._views[next(iter(self._views))]
            view = self._views[key] = self._catalogue.for_versions(versions)
        return view
