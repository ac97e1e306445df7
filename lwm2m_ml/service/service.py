"""TinyML as a service: the one object that the API calls. It puts this room together and speaks in plain facts."""

from collections.abc import Sequence

from lwm2m_ml.bus import Bus
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import ConflictError, UsageError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.device_history import DeviceHistory
from lwm2m_ml.server.downloads import Downloads
from lwm2m_ml.server.message_log import LoggedMessage
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.audit import AuditLog
from lwm2m_ml.service.base_images import BaseImages
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.campaigns.campaign import CampaignSnapshot
from lwm2m_ml.service.campaigns.campaigns import Campaigns
from lwm2m_ml.service.campaigns.device_run import Workshop
from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.records import CampaignRecords
from lwm2m_ml.service.campaigns.reported import ModelObjects
from lwm2m_ml.service.campaigns.runner import SERVICE
from lwm2m_ml.service.campaigns.work import Work
from lwm2m_ml.service.delivery.courier import Courier
from lwm2m_ml.service.delivery.experience import Experiences
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.delivery.transfer import Severity, Urgency
from lwm2m_ml.service.device_access import ServerDeviceAccess
from lwm2m_ml.service.device_types import DeviceTypes
from lwm2m_ml.service.devices import Device, Devices
from lwm2m_ml.service.encryption_keys import EncryptionKeys
from lwm2m_ml.service.event_feed import EventFeed
from lwm2m_ml.service.federated.device import LearningObjects
from lwm2m_ml.service.federated.federation import Federation
from lwm2m_ml.service.federated.records import FederatedRecords
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.fleet_summary import FleetSummary, summarise
from lwm2m_ml.service.following import StoreFollowing
from lwm2m_ml.service.groups.groups import ALL, Groups
from lwm2m_ml.service.groups.selections import Selections
from lwm2m_ml.service.health import Health
from lwm2m_ml.service.jobs import Jobs
from lwm2m_ml.service.meters import Meters
from lwm2m_ml.service.model_configurations import ModelConfigurations
from lwm2m_ml.service.modules import Modules
from lwm2m_ml.service.monitoring.monitoring import Monitoring
from lwm2m_ml.service.packages import Packages
from lwm2m_ml.service.probe import Probes
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.profiles import CapabilityProfile
from lwm2m_ml.service.repeats import Repeats
from lwm2m_ml.service.requests import Requests
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.studies import Studies
from lwm2m_ml.service.trust_distribution import TrustDistribution
from lwm2m_ml.service.watches.watch import Watch
from lwm2m_ml.service.watches.watches import Watches
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.workers.workers import Workers
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store.feedback import FeedbackRecord
from lwm2m_ml.store.store import Store

SECONDS_OF_A_DAY = 86_400.0


class TinyMLService:
    """Knows devices and models and brings them together. Start the LwM2M server first, stop it last."""

    def __init__(
        self,
        server: Lwm2mServer,
        store: Store,
        bus: Bus,
        settings: Settings,
        *,
        catalogue: Catalogue | None = None,
        timing: DeliveryTiming | None = None,
        workers: Workers | None = None,
    ) -> None:
        """`workers` do the heavy work; without any, processes of this machine."""
        self.catalogue = catalogue or Catalogue.shipped()
        self._server = server
        server.keepers_away(True)  # until all of them have started: what is acknowledged must have been kept
        self._store = store
        objects = settings.objects
        access = ServerDeviceAccess(server)
        self._workers = workers or WorkerPool(settings.compile_workers)
        self.zoo = Zoo(store, self._workers, programs=settings.model_programs)
        self._signer = Signer.open(settings.data_directory)
        self._trust = TrustDistribution(access, self._signer.keys, objects.capabilities)
        self.device_types = DeviceTypes(store.device_types)
        self._keeper = ProfileKeeper(
            access,
            store.device_profiles,
            bus,
            objects.capabilities,
            self._trust,
            types=self.device_types,
            pressed=server.pressed,
        )
        self.operations = Devices(server, self._keeper, self.catalogue)
        self.configurations = ModelConfigurations(self.operations, model_object=objects.model)
        self._watches = Watches(server, bus)
        self.requests = Requests(server, self.catalogue)
        self.modules = Modules(store.modules)
        self.events = EventFeed(bus)
        self._bus = bus
        self.jobs = Jobs(store.jobs, bus, server.ownership)
        self.health = Health(store, ownership=server.ownership)
        self.audit = AuditLog(store.audit_entries, retention=settings.audit_days * SECONDS_OF_A_DAY)
        self.repeats = Repeats(store.idempotency_keys, server.vault)
        self._builder = Builder(store, self.zoo, self._workers)
        self.base_images = BaseImages(store.base_images, store.artefacts)
        self.encryption_keys = EncryptionKeys(store.encryption_keys, server.vault)
        self._packages = packages = Packages(store, self._signer, self.base_images, self.encryption_keys)
        self._fitting = DeviceFitting(
            access, self._keeper, self._signer, packages, model_object=objects.model, rank=self._builder.rank
        )
        self._experiences = Experiences(store.delivery_experience, self._keeper.kind)
        urgency = Urgency(Severity[settings.update_severity.upper()], settings.update_maximum_defer)
        courier = Courier(server.downloads, self._experiences, http=server.downloads.over_http, urgency=urgency)
        self.monitoring = Monitoring(access, store, bus, settings, self._workers, ownership=server.ownership)
        self.probes = Probes(
            self.operations,
            store.modules.by_module_digest,
            self.zoo.labels,
            model=objects.model,
            probe=objects.probe,
        )
        self.groups = Groups(store, server.registry, self._keeper)
        self.selections = Selections(server.registry, self.groups, lambda: self.coap_uri)
        self.studies = Studies(self.zoo, self._builder, self._fitting, store.explanation_archives)
        self.campaigns = Campaigns(
            Work(
                CampaignRecords(store),
                self.zoo,
                Workshop(self._fitting, self._builder, packages, courier, self._keeper),
                access,
                bus,
                objects=ModelObjects(objects.model, objects.result),
                timing=timing or DeliveryTiming(),
            ),
            self.groups.matches,
            server.ownership,
        )
        self.federation = Federation(
            access,
            LearningObjects(objects.model, objects.learning),
            FederatedRecords(store),
            self._builder,
            bus=bus,
            ownership=server.ownership,
        )
        self.meters = Meters(
            server, store.writer, self.jobs, self.events, self._builder, self.campaigns, self.monitoring
        )
        self._following = StoreFollowing(
            server.follow,
            {
                ("models", "model_aliases"): self.zoo.load,
                ("device_types",): self.device_types.start,
                ("device_groups", "device_tags"): self.groups.start,
                ("base_images",): self.base_images.start,
                ("encryption_keys",): self.encryption_keys.start,
                ("alarms",): self.monitoring.alarms.load,
                ("jobs",): self.jobs.forget_what_was_told,
            },
        )

    async def start(self) -> None:
        """Load models and profiles and go on with what was not finished."""
        await self.zoo.start()
        await self.device_types.start()
        await self._keeper.start()
        await self._experiences.start()
        await self.base_images.start()
        await self.encryption_keys.start()
        self._trust.start(self._keeper.refresh, lambda: [one.endpoint for one in self._server.registry.all()])
        self._watches.start()
        await self.monitoring.start()
        self._server.add_keeper(self.monitoring.results.keep)
        self._following.start(self._bus)
        self.events.start()
        self.meters.counts.start(self._bus)
        self.health.start()
        await self.jobs.start()
        await self.studies.start()
        await self.groups.start()
        await self.campaigns.start()
        await self.federation.start()
        self._server.add_keeper(self.federation.keep)
        self._server.keepers_away(False)

    def end_streams(self) -> None:
        """Let everybody who follows events or watches devices come to an end: the service is about to stop."""
        self.events.close()
        self._watches.end_all()

    async def stop(self) -> None:
        """Stop all work; campaigns under way go on at the next start. May be called when never started."""
        self._server.keepers_away(True)
        await self._watches.stop()
        await self.health.stop()
        await self.jobs.stop()
        await self.federation.stop()
        await self.campaigns.stop()
        await self._builder.stop()
        await self.monitoring.stop()
        await self._trust.stop()
        await self._keeper.stop()
        await self._workers.stop()

    @property
    def coap_uri(self) -> str:
        """Where devices register."""
        return next(iter(self._server.uris.values()))

    @property
    def downloads(self) -> Downloads:
        """What is laid out for devices to fetch."""
        return self._server.downloads

    @property
    def trust_anchor(self) -> bytes:
        """The public key that devices need to verify modules, as PEM."""
        return self._signer.key.verification_key.to_pem()

    @property
    def trust_root(self) -> bytes | None:
        """The public key that signs trust lists, as PEM; None when the root key is kept elsewhere."""
        root = self._signer.trust_root
        return None if root is None else root.to_pem()

    async def remove_model(self, name: str, version: str) -> None:
        """Forget a version of a model; raises `ConflictError` when a campaign that is not over needs it."""
        model = self.zoo.get(name, version)
        users = self.campaigns.users(model.name, model.version) + self.federation.users(model.name, model.version)
        if users:
            raise ConflictError(
                f"{model.name} {model.version} is needed by campaign {', '.join(users)}", hint="Wait, or cancel it"
            )
        await self.zoo.remove(name, model.version)

    def devices(self) -> tuple[Device, ...]:
        """Return all registered devices."""
        return self.operations.all()

    def device(self, endpoint: str) -> Device:
        """Return one registered device; raises `NotFoundError`."""
        return self.operations.get(endpoint)

    def history(self, endpoint: str) -> DeviceHistory:
        """Return when a registered device came and went lately, and its traffic; raises `UnknownDevice`."""
        return self._server.histories.of(self.device(endpoint).endpoint)

    def messages(self, endpoint: str, after: int = 0) -> tuple[LoggedMessage, ...]:
        """Return CoAP messages of a device since it is looked at; the first look begins that."""
        return self._server.messages.of(endpoint, after)

    async def profile(self, endpoint: str) -> CapabilityProfile:
        """Return what a device can do; raises `NotFoundError` when it never told."""
        return await self._keeper.profile(endpoint)

    async def fleet(self) -> FleetSummary:
        """Count all registered devices by what they are and what they run."""
        return await summarise(tuple(self._server.registry), self._keeper.get, self.monitoring.alarms.by_endpoint())

    async def watch(self, endpoint: str, paths: Sequence[str], *, behind: str = "") -> Watch:
        """Observe one path, or several at once; the watch yields values until it is closed or the device leaves."""
        return await self._watches.add(endpoint, [ObjectPath.parse(path) for path in paths], behind)

    async def deploy(self, model: str, endpoints: Sequence[str] | str, *, who: str = SERVICE) -> CampaignSnapshot:
        """Start to bring a model to devices: a list of endpoints, or `"all"` for every registered one.

        It is a campaign of one phase without gates.
        """
        chosen = self.zoo.get(model)
        if endpoints == ALL:
            selection = self.selections.choose()
        elif isinstance(endpoints, str):
            raise UsageError(f'Devices are given as a list or as "{ALL}", not as {endpoints!r}')
        else:
            selection = self.selections.choose(endpoints=endpoints)
        return await self.campaigns.create(chosen, selection, Plan.at_once(), who=who)

    async def give_feedback(
        self, endpoint: str, number: int, true_class: int | str, who: str, *, series: int | None = None
    ) -> FeedbackRecord:
        """Tell what a result of a device should have been: a class by its number, or by a label of the model."""
        labels = {model.name: model.labels for model in self.zoo.models()}
        return await self.monitoring.feedback.give(endpoint, number, true_class, who, labels=labels, series=series)

    async def package(self, digest: str) -> bytes:
        """Return a signed module as devices get it; raises `NotFoundError`."""
        return (await self._packages.get(digest)).content
