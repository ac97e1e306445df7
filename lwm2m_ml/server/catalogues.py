"""Object definitions in the versions that a device registered."""

from collections.abc import Mapping

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.object_list import ObjectKey
from lwm2m_ml.lwm2m.registration import RegistrationParameters

MAXIMUM_VIEWS = 256
MAXIMUM_KNOWN = 10_000


class Catalogues:
    """A catalogue per set of object versions; devices of one kind share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._views: dict[frozenset[tuple[int, str]], Catalogue] = {}
        self._known: dict[int, tuple[Mapping[ObjectKey, str], Catalogue]] = {}
        """Views by the very list of objects: a device keeps its list from its registration on."""

    def of(self, parameters: RegistrationParameters) -> Catalogue:
        """The definitions to read a device's payloads with."""
        objects = parameters.objects
        known = self._known.get(id(objects))
        if known is None or known[0] is not objects:
            while len(self._known) >= MAXIMUM_KNOWN:
                del self._known[next(iter(self._known))]
            known = self._known[id(objects)] = objects, self._view(parameters)
        return known[1]

    def _view(self, parameters: RegistrationParameters) -> Catalogue:
        versions = parameters.object_versions
        key = frozenset(versions.items())
        view = self._views.get(key)
        if view is None:
            while len(self._views) >= MAXIMUM_VIEWS:
                del self._views[next(iter(self._views))]
            view = self._views[key] = self._catalogue.for_versions(versions)
        return view
