"""Which backend compiles for a target when nobody names one, and whether a named one can."""

from lwm2m_ml.compiler.backends.eligibility import why_not
from lwm2m_ml.compiler.backends.interface import ANY_DEVICE
from lwm2m_ml.compiler.backends.isolation import DEFAULT_LIMITS, Limits
from lwm2m_ml.compiler.backends.registry import InstalledBackend, find_backend
from lwm2m_ml.compiler.errors import UnsupportedTarget
from lwm2m_ml.compiler.targets import Architecture, Target

# What a device runs itself, the shortest way first.
_NATIVE, _WASM = "native", "wasm"


def choose_backend(target: Target, name: str | None, limits: Limits = DEFAULT_LIMITS) -> InstalledBackend:
    """The backend of a name, else the one that makes machine code for the target; raises UnsupportedTarget."""
    own = _WASM if target.architecture is Architecture.WASM32 else _NATIVE
    backend = find_backend(name or own, limits)
    reason = why_not(backend.declaration, None, target, ANY_DEVICE)
    if reason:
        raise UnsupportedTarget(
            f"The backend {backend.name} cannot compile for {target.name} ({target.title}): {reason}",
            hint="" if name else "Try another one: --backend tflite, c or wasm",
        )
    return backend
