"""What is known of a device, flat, for filters."""

from collections.abc import Callable

from lwm2m_ml.server.registry import Registry
from lwm2m_ml.service.groups.filter import Facts, Value
from lwm2m_ml.service.profile_keeper import ProfileKeeper


def facts_of(
    registry: Registry, keeper: ProfileKeeper, tags: Callable[[str], tuple[str, ...]], endpoint: str
) -> Facts | None:
    """Put together what registration, profile and operators say of a device; None when it is not registered."""
    registration = registry.find(endpoint)
    if registration is None:
        return None
    facts: dict[str, Value] = {
        "endpoint": endpoint,
        "lwm2m": registration.parameters.version,
        "tag": tags(endpoint),
    }
    profile = keeper.get(endpoint)
    if profile is None:
        return facts
    identity, runtime = profile.identity, profile.runtime
    facts |= {
        "manufacturer": identity.manufacturer or None,
        "model_number": identity.model_number or None,
        "firmware": identity.firmware_version or None,
        "hardware": identity.hardware_version or None,
        "type": profile.device_type or None,
        "model": tuple(name.rpartition(" ")[0] for name in profile.running),
        "version": tuple(name.rpartition(" ")[2] for name in profile.running),
    }
    if runtime is not None:
        facts |= {
            "target": runtime.target,
            "storage_free": runtime.storage_free,
            "memory_free": runtime.working_memory_free or runtime.working_memory_total,
            "clock": runtime.clock_hz,
        }
    return facts
