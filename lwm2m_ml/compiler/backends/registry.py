"""The installed backends: ours, and those found through entry points, read without running code that is not ours."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points

from lwm2m_ml.compiler.backends.interface import (
    ENTRY_POINT_GROUP,
    INTERFACE_VERSION,
    Backend,
    Declaration,
    Payload,
    Request,
)
from lwm2m_ml.compiler.backends.isolation import DEFAULT_LIMITS, Limits, build_isolated, declaration_of
from lwm2m_ml.errors import Lwm2mMlError, UsageError

_OWN_DISTRIBUTION = "lwm2m-ml"
# Ours are named here: a source tree whose metadata are old has them too.
_OWN = {
    name: EntryPoint(name, f"lwm2m_ml.compiler.backends.{place}", ENTRY_POINT_GROUP)
    for name, place in (
        ("native", "native.backend:NativeBackend"),
        ("wasm", "wasm:WasmBackend"),
        ("tflite", "tflite.backend:TfliteBackend"),
        ("c", "c.backend:CBackend"),
        ("vela", "vela:VelaBackend"),
        ("emlearn", "emlearn.backend:EmlearnBackend"),
    )
}
# What of our own wraps somebody else's compiler, and so runs in a process of its own.
_FOREIGN_COMPILERS = frozenset({"vela", "emlearn"})


@dataclass(frozen=True, slots=True)
class InstalledBackend:
    """A backend that can be asked. `distribution` is the package that brought it."""

    name: str
    distribution: str
    declaration: Declaration
    isolated: bool
    make: Callable[[Request, Limits], Payload]

    def build(self, request: Request, limits: Limits = DEFAULT_LIMITS) -> Payload:
        """The payload of a model; raises what a backend of ours raises, else BackendFailed or BackendRefused."""
        return self.make(request, limits)


@dataclass(frozen=True, slots=True)
class BrokenBackend:
    """A backend that is installed and cannot be asked, and why."""

    name: str
    distribution: str
    problem: str


def installed_backends(limits: Limits = DEFAULT_LIMITS) -> tuple[InstalledBackend | BrokenBackend, ...]:
    """All that entry points name: ours first, then by name."""
    return tuple(_open(name, limits) for name in backend_names())


def backend_names() -> tuple[str, ...]:
    """Names of all installed backends."""
    return tuple(entries())


def find_backend(name: str, limits: Limits = DEFAULT_LIMITS) -> InstalledBackend:
    """The backend of a name; raises UsageError for an unknown one, Lwm2mMlError for a broken one."""
    if name not in entries():
        raise UsageError(f"No backend is named {name[:80]!r}", hint=f"Choose {', '.join(backend_names())}")
    found = _open(name, limits)
    if isinstance(found, BrokenBackend):
        raise Lwm2mMlError(f"The backend {name} of {found.distribution} cannot be used: {found.problem}")
    return found


def entries() -> dict[str, EntryPoint]:
    """Entry points by name: ours first, then the others in alphabetical order. A name that is taken stays so."""
    found = dict(_OWN)
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        found.setdefault(entry.name, entry)
    return found


def _distribution(entry: EntryPoint) -> str:
    if entry is _OWN.get(entry.name):
        return _OWN_DISTRIBUTION
    return entry.dist.name if entry.dist is not None else "unknown"


def _open(name: str, limits: Limits) -> InstalledBackend | BrokenBackend:
    entry = entries()[name]
    distribution = _distribution(entry)
    try:
        declaration = _declaration(entry, limits)
    except Lwm2mMlError as error:
        return BrokenBackend(name, distribution, str(error).rstrip("."))
    problem = _problem(name, declaration)
    if problem:
        return BrokenBackend(name, distribution, problem)
    isolated = name not in _OWN or name in _FOREIGN_COMPILERS
    make = partial(build_isolated, name) if isolated else _here(_own(entry))
    return InstalledBackend(name, distribution, declaration, isolated, make)


def _declaration(entry: EntryPoint, limits: Limits) -> Declaration:
    if entry.name in _OWN:
        return _own(entry).declaration
    return _declared(entry.name, f"{entry.value} {entry.dist.version if entry.dist else ''}", limits)


def _here(backend: Backend) -> Callable[[Request, Limits], Payload]:
    return lambda request, _: backend.build(request)


@cache
def _declared(name: str, _version: str, limits: Limits) -> Declaration:
    """What an installed version declares; a failure is tried anew."""
    return declaration_of(name, limits)


@cache
def _own(entry: EntryPoint) -> Backend:
    backend: Backend = entry.load()()
    return backend


def _problem(name: str, declaration: Declaration) -> str:
    """What is wrong with a declaration; empty when nothing is."""
    if declaration.name != name:
        return f"its entry point is {name} and it calls itself {declaration.name[:80]}"
    if declaration.interface.split(".")[0] != INTERFACE_VERSION.split(".", maxsplit=1)[0]:
        return f"it is for plugin interface {declaration.interface[:20]}, this is {INTERFACE_VERSION}"
    return ""
