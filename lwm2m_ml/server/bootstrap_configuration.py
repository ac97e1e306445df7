"""What a device gets from the bootstrap server."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.bootstrap_accounts import accounts
from lwm2m_ml.server.bootstrap_nodes import BootstrapNodes
from lwm2m_ml.server.senml_documents import from_senml, to_senml

NO_NODES = BootstrapNodes({})


@dataclass(frozen=True, slots=True)
class BootstrapConfiguration:
    """Paths to delete first, then the values of objects 0 (Security), 1 (Server) and others to write.

    Deleting the root removes everything but the bootstrap account itself (Core TS V1_2 §6.1.7.5). With `issue`, each
    device gets a pre-shared key of its own in its accounts. With `discover`, the server asks first which instance of
    object 0 the bootstrap account has, and writes beside it. With `nodes`, the accounts name the node that each device
    is told.
    """

    records: tuple[Record, ...] = field(repr=False)
    delete: tuple[ObjectPath, ...] = (ROOT,)
    issue: bool = False
    discover: bool = False
    nodes: BootstrapNodes = NO_NODES

    def __post_init__(self) -> None:
        if self.nodes.uris and not accounts(self.records):
            raise UsageError(
                "There is no account that could name a node",
                hint='Give its short server id, for one: {"n": "/0/1/10", "v": 101}',
            )
        if any(record.path.level < 3 or record.value is None for record in self.records):
            raise UsageError("A bootstrap configuration holds resources with values only")
        if any(path.level > 2 for path in self.delete):
            raise UsageError("A bootstrap configuration deletes objects and instances only")

    @property
    def instances(self) -> tuple[tuple[ObjectPath, tuple[Record, ...]], ...]:
        """The values by object instance; Security comes before Server, as devices expect it."""
        return by_instance(self.records)

    def to_document(self) -> dict[str, Any]:
        """The configuration as JSON; values are SenML JSON."""
        return {
            "delete": [str(path) for path in self.delete],
            "records": to_senml(self.records),
            "issue": self.issue,
            "discover": self.discover,
            "nodes": dict(self.nodes.uris),
            "spread": self.nodes.spread,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "BootstrapConfiguration":
        """The configuration that `to_document` wrote."""
        delete = tuple(ObjectPath.parse(path) for path in document["delete"])
        issue, discover = document.get("issue", False), document.get("discover", False)
        nodes = BootstrapNodes(document.get("nodes", {}), document.get("spread", True))
        return cls(from_senml(document["records"]), delete, issue, discover, nodes)


def by_instance(records: Iterable[Record]) -> tuple[tuple[ObjectPath, tuple[Record, ...]], ...]:
    """Values grouped by object instance; Security comes before Server, as devices expect it."""
    ordered = sorted(records, key=lambda record: record.path.segments)
    grouped = groupby(ordered, key=lambda record: record.path.ancestor(2))
    return tuple((path, tuple(some)) for path, some in grouped)


class BootstrapConfigurations:
    """Configurations by endpoint name or pattern (`sensor-*`); the name itself wins, then the longest pattern."""

    def __init__(self, configurations: Mapping[str, BootstrapConfiguration]) -> None:
        self._configurations = dict(configurations)

    def put(self, pattern: str, configuration: BootstrapConfiguration) -> None:
        """Use this configuration for a name or pattern."""
        self._configurations[pattern] = configuration

    def delete(self, pattern: str) -> None:
        """Forget a name or pattern."""
        self._configurations.pop(pattern, None)

    def all(self) -> tuple[tuple[str, BootstrapConfiguration], ...]:
        """Every name or pattern with its configuration."""
        return tuple(sorted(self._configurations.items(), key=lambda entry: entry[0]))

    def of(self, endpoint: str) -> BootstrapConfiguration | None:
        """The configuration of an endpoint, or None."""
        exact = self._configurations.get(endpoint)
        if exact is not None:
            return exact
        matching = [pattern for pattern in self._configurations if fnmatchcase(endpoint, pattern)]
        return self._configurations[max(matching, key=lambda one: (len(one), one))] if matching else None
