"""The store: an open database with one repository per noun."""

from typing import Self

from lwm2m_ml.errors import ConflictError
from lwm2m_ml.store import migrate
from lwm2m_ml.store.alarms import AlarmRepository
from lwm2m_ml.store.artefacts import ArtefactRepository
from lwm2m_ml.store.audit_entries import AuditRepository
from lwm2m_ml.store.base_images import BaseImageRepository
from lwm2m_ml.store.bootstrap_configurations import BootstrapConfigurationRepository
from lwm2m_ml.store.campaign_devices import CampaignDeviceRepository
from lwm2m_ml.store.campaigns import CampaignRepository
from lwm2m_ml.store.captures import CaptureRepository
from lwm2m_ml.store.credentials import CredentialRepository
from lwm2m_ml.store.database import Database, create_engine
from lwm2m_ml.store.delivery_experience import DeliveryExperienceRepository
from lwm2m_ml.store.device_groups import DeviceGroupRepository, DeviceTagRepository
from lwm2m_ml.store.device_profiles import DeviceProfileRepository
from lwm2m_ml.store.device_requests import DeviceRequestRepository
from lwm2m_ml.store.device_types import DeviceTypeRepository
from lwm2m_ml.store.download_offers import DownloadOfferRepository
from lwm2m_ml.store.dtls_sessions import DtlsSessionRepository
from lwm2m_ml.store.encryption_keys import EncryptionKeyRepository
from lwm2m_ml.store.explanation_archives import ExplanationArchiveRepository
from lwm2m_ml.store.federated import FederatedRepository
from lwm2m_ml.store.feedback import FeedbackRepository
from lwm2m_ml.store.idempotency_keys import IdempotencyRepository
from lwm2m_ml.store.jobs import JobRepository
from lwm2m_ml.store.models import ModelAliasRepository, ModelRepository
from lwm2m_ml.store.modules import ModuleRepository
from lwm2m_ml.store.observations import ObservationRepository
from lwm2m_ml.store.oscore_contexts import OscoreContextRepository
from lwm2m_ml.store.ownerships import OwnershipRepository
from lwm2m_ml.store.registrations import RegistrationRepository
from lwm2m_ml.store.result_hours import ResultHourRepository
from lwm2m_ml.store.results import ResultRepository
from lwm2m_ml.store.sequence_numbers import SequenceNumberRepository
from lwm2m_ml.store.tokens import TokenRepository
from lwm2m_ml.store.watched_models import WatchedModelRepository
from lwm2m_ml.store.writer import Writer


class Store:
    """Everything that must outlive the process. Writes return after the batch that holds them is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.registrations = RegistrationRepository(database)
        self.models = ModelRepository(database)
        self.model_aliases = ModelAliasRepository(database)
        self.artefacts = ArtefactRepository(database)
        self.modules = ModuleRepository(database)
        self.campaigns = CampaignRepository(database)
        self.campaign_devices = CampaignDeviceRepository(database)
        self.device_groups = DeviceGroupRepository(database)
        self.device_tags = DeviceTagRepository(database)
        self.device_types = DeviceTypeRepository(database)
        self.federated = FederatedRepository(database)
        self.results = ResultRepository(database)
        self.result_hours = ResultHourRepository(database)
        self.tokens = TokenRepository(database)
        self.sequence_numbers = SequenceNumberRepository(database)
        self.device_profiles = DeviceProfileRepository(database)
        self.observations = ObservationRepository(database)
        self.device_requests = DeviceRequestRepository(database)
        self.bootstrap_configurations = BootstrapConfigurationRepository(database)
        self.credentials = CredentialRepository(database)
        self.download_offers = DownloadOfferRepository(database)
        self.base_images = BaseImageRepository(database)
        self.encryption_keys = EncryptionKeyRepository(database)
        self.explanation_archives = ExplanationArchiveRepository(database)
        self.delivery_experience = DeliveryExperienceRepository(database)
        self.dtls_sessions = DtlsSessionRepository(database)
        self.oscore_contexts = OscoreContextRepository(database)
        self.alarms = AlarmRepository(database)
        self.feedback = FeedbackRepository(database)
        self.captures = CaptureRepository(database)
        self.watched_models = WatchedModelRepository(database)
        self.jobs = JobRepository(database)
        self.idempotency_keys = IdempotencyRepository(database)
        self.audit_entries = AuditRepository(database)
        self.ownerships = OwnershipRepository(database)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database at a SQLAlchemy URL and bring its tables up to date.

        Raises `UsageError` for a URL that cannot be used and `StoreError` when the database cannot.
        """
        await migrate.upgrade(url)
        return cls(Database(create_engine(url)))

    @classmethod
    async def open_as_it_is(cls, url: str) -> Self:
        """Open a database that this release brought up to date before, perhaps beside the server that uses it.

        Raises `UsageError` for a URL that cannot be used, `ConflictError` for a database of another release.
        """
        if await migrate.current_revision(url) != migrate.revisions()[-1]:
            raise ConflictError(
                "The database is of another release, or empty", hint="Start the server of this release on it once"
            )
        return cls(Database(create_engine(url)))

    @property
    def writer(self) -> Writer:
        """The group-commit writer, for statements that no repository has."""
        return self._database.writer

    async def close(self) -> None:
        """Write what is queued, then close the database."""
        await self._database.close()
