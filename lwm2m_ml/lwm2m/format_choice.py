"""Which content format to use with a client, from what it told and what it turned out not to do (Core TS V1_2 §7.4)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.versions import Version

# Most compact and most capable first. What a client must know without saying so stands behind what it says.
_PREFERRED = (
    ContentFormat.SENML_CBOR,
    ContentFormat.TLV,
    ContentFormat.LWM2M_CBOR,
    ContentFormat.SENML_JSON,
    ContentFormat.LWM2M_JSON,
)
_ASSUMED = {
    Version(1, 0): (ContentFormat.TLV,),
    Version(1, 1): (ContentFormat.SENML_CBOR, ContentFormat.TLV, ContentFormat.SENML_JSON),
    Version(1, 2): (ContentFormat.SENML_CBOR, ContentFormat.TLV, ContentFormat.SENML_JSON, ContentFormat.LWM2M_CBOR),
}
_SINCE_1_1 = frozenset({ContentFormat.CBOR, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON})


def formats_to_try(
    path: ObjectPath,
    version: str,
    told: AbstractSet[int],
    refused: AbstractSet[int],
    catalogue: Catalogue,
) -> tuple[ContentFormat, ...]:
    """Return the formats for a Read or Write of `path`, best first.

    `told` are the formats of the registration's `ct`, `refused` those that this client has answered 4.06 or 4.15 to, or
    not at all. When everything has been refused all are named again: a client may have been updated.
    """
    spoken = Version.parse(version)
    candidates = [known for known in _PREFERRED if known in told]
    candidates += [known for known in _ASSUMED[spoken] if known not in candidates]
    if path.level >= 3:
        candidates += _single_value_formats(path, catalogue)
    if spoken == Version(1, 0):
        candidates = [known for known in candidates if known in told or known not in _SINCE_1_1]
    fitting = [known for known in candidates if known not in refused]
    return tuple(fitting or candidates)


def _single_value_formats(path: ObjectPath, catalogue: Catalogue) -> list[ContentFormat]:
    definition = catalogue.resource(path)
    if definition is not None and definition.multiple and path.level == 3:
        return []
    if definition is not None and definition.type is ResourceType.OPAQUE:
        return [ContentFormat.OPAQUE]
    return [ContentFormat.TEXT]
