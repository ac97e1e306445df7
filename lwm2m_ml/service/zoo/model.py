"""What the zoo knows of a model: the facts on its card, and where its files are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.store.models import ModelRecord, VariantRecord


@dataclass(frozen=True, slots=True)
class Variant:
    """A model at one size. Accuracy in percent as the card states it, None when it was never measured.

    `metrics` are further figures of the card by name, whatever they mean for this model.
    """

    name: str
    digest: str
    weights: int
    macs: int
    accuracy: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Real inputs that tell the quantiser which values occur: an `.npz` file in the store and the array in it."""

    digest: str
    array: str


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model with its variants."""

    name: str
    version: str
    description: str
    licence: str
    labels: tuple[str, ...]
    variants: tuple[Variant, ...]
    calibration: Calibration | None = None
    preprocessing: str = ""
    data: str = ""

    def variant(self, name: str) -> Variant:
        """Return a variant by name; raises `NotFoundError`."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise NotFoundError(
            f"Model {self.name} {self.version} has no variant {name}",
            hint=f"It has {', '.join(variant.name for variant in self.variants)}",
        )

    @property
    def digests(self) -> frozenset[str]:
        """The files that the model is made of."""
        calibration = () if self.calibration is None else (self.calibration.digest,)
        return frozenset((*(variant.digest for variant in self.variants), *calibration))

    @property
    def smallest(self) -> Variant:
        """The variant with the fewest weights."""
        return min(self.variants, key=lambda variant: variant.weights)

    @property
    def by_accuracy(self) -> tuple[Variant, ...]:
        """All variants, the most accurate first; of equals, the smaller first."""
        return tuple(sorted(self.variants, key=lambda v: (-(v.accuracy or 0.0), v.weights)))

    def to_record(self) -> ModelRecord:
        """Turn the model into what the store keeps."""
        calibration = self.calibration
        facts: dict[str, Any] = {
            "description": self.description,
            "licence": self.licence,
            "labels": list(self.labels),
            "preprocessing": self.preprocessing,
            "data": self.data,
            "calibration": None if calibration is None else [calibration.digest, calibration.array],
        }
        variants = tuple(
            VariantRecord(
                v.name,
                v.digest,
                {"weights": v.weights, "macs": v.macs, "accuracy": v.accuracy, "metrics": dict(v.metrics)},
            )
            for v in self.variants
        )
        return ModelRecord(self.name, self.version, variants, facts)

    @classmethod
    def from_record(cls, record: ModelRecord) -> "Model":
        """Read a model as the store keeps it."""
        facts: Mapping[str, Any] = record.metrics
        calibration = facts.get("calibration")
        return cls(
            name=record.name,
            version=record.version,
            description=facts.get("description", ""),
            licence=facts.get("licence", ""),
            labels=tuple(facts.get("labels", ())),
            variants=tuple(
                Variant(
                    name=variant.name,
                    digest=variant.artefact_digest,
                    weights=variant.metrics.get("weights", 0),
                    macs=variant.metrics.get("macs", 0),
                    accuracy=variant.metrics.get("accuracy"),
                    metrics=variant.metrics.get("metrics", {}),
                )
                for variant in record.variants
            ),
            calibration=None if calibration is None else Calibration(*calibration),
            preprocessing=facts.get("preprocessing", ""),
            data=facts.get("data", ""),
        )
