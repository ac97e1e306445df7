"""One model on one device as the watch knows it: who it is, what it was held against, what was last counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.suspicion import Phase
from lwm2m_ml.store.watched_models import WatchedModelRecord


@dataclass(frozen=True, slots=True)
class Watched:
    """The state of one slot of one device: the module, the last count and how each feature stands."""

    digest: bytes
    counters: Counters | None = None
    phases: Mapping[str, Phase] = field(default_factory=dict)

    def to_record(self, endpoint: str, slot: int, taken_at: float) -> WatchedModelRecord:
        """Return what is stored."""
        counters = self.counters or Counters()
        document: dict[str, Any] = {
            "results": counters.results,
            "class_counts": sorted(counters.class_counts.items()),
            "undecided": counters.undecided,
            "histogram": list(counters.histogram),
        }
        phases = {feature: str(phase) for feature, phase in self.phases.items() if phase is not Phase.CALM}
        return WatchedModelRecord(endpoint, slot, self.digest.hex(), document, phases, taken_at)

    @classmethod
    def from_record(cls, record: WatchedModelRecord) -> "Watched":
        """Read what was stored."""
        document = record.counters
        counters = Counters(
            results=document["results"],
            class_counts=dict(document["class_counts"]),
            undecided=document["undecided"],
            histogram=tuple(document["histogram"]),
        )
        phases = {feature: Phase(phase) for feature, phase in record.phases.items()}
        return cls(bytes.fromhex(record.module_digest), counters, phases)
