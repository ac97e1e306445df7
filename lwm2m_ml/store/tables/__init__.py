"""Every table of the service, by noun. Times are Unix seconds, digests lower-case hexadecimal SHA-256."""

from lwm2m_ml.store.tables.cluster import ownerships
from lwm2m_ml.store.tables.devices import (
    device_groups,
    device_profiles,
    device_requests,
    device_tags,
    device_types,
    observations,
    registrations,
)
from lwm2m_ml.store.tables.federated import (
    federated_answers,
    federated_notes,
    federated_rounds,
    federated_runs,
)
from lwm2m_ml.store.tables.monitoring import (
    alarms,
    capture_consents,
    captures,
    feedback,
    result_hours,
    results,
    watched_models,
)
from lwm2m_ml.store.tables.operators import audit_entries, idempotency_keys, jobs, tokens
from lwm2m_ml.store.tables.rollouts import (
    campaign_devices,
    campaign_notes,
    campaigns,
    delivery_experience,
    download_offers,
)
from lwm2m_ml.store.tables.schema import metadata
from lwm2m_ml.store.tables.security import (
    bootstrap_configurations,
    credentials,
    dtls_sessions,
    encryption_keys,
    oscore_contexts,
)
from lwm2m_ml.store.tables.zoo import (
    artefacts,
    base_images,
    explanation_archives,
    model_aliases,
    model_variants,
    models,
    modules,
    sequence_numbers,
)

__all__ = [
    "alarms",
    "artefacts",
    "audit_entries",
    "base_images",
    "bootstrap_configurations",
    "campaign_devices",
    "campaign_notes",
    "campaigns",
    "capture_consents",
    "captures",
    "credentials",
    "delivery_experience",
    "device_groups",
    "device_profiles",
    "device_requests",
    "device_tags",
    "device_types",
    "download_offers",
    "dtls_sessions",
    "encryption_keys",
    "explanation_archives",
    "federated_answers",
    "federated_notes",
    "federated_rounds",
    "federated_runs",
    "feedback",
    "idempotency_keys",
    "jobs",
    "metadata",
    "model_aliases",
    "model_variants",
    "models",
    "modules",
    "observations",
    "oscore_contexts",
    "ownerships",
    "registrations",
    "result_hours",
    "results",
    "sequence_numbers",
    "tokens",
    "watched_models",
]
