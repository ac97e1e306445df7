"""TinyML as a service: the one object that the API calls. It puts this room together and speaks in plain facts."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from lwm2m_ml.bus import Bus
from lwm2m_ml.compiler.targets import Target, load_target, shipped_targets
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import ConflictError, NotFoundError, UsageError
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
from lwm2m_ml.service.campaigns.campaigns import Campaigns, Selection
from lwm2m_ml.service.campaigns.device_run import Workshop
from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.preview import Preview, preview
from lwm2m_ml.service.campaigns.records import CampaignRecords
from lwm2m_ml.service.campaigns.reported import ModelObjects
from lwm2m_ml.service.campaigns.runner import SERVICE
from lwm2m_ml.service.campaigns.work import Work
from lwm2m_ml.service.compilations import Compilation
from lwm2m_ml.service.delivery.courier import Courier
from lwm2m_ml.service.delivery.experience import Experiences
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.delivery.transfer import Severity, Urgency
from lwm2m_ml.service.device_access import ServerDeviceAccess
from lwm2m_ml.service.device_types import DeviceType, DeviceTypes
from lwm2m_ml.service.devices import Device, Devices
from lwm2m_ml.service.encryption_keys import EncryptionKeys
from lwm2m_ml.service.event_feed import EventFeed
from lwm2m_ml.service.explanations import Explaining, archive_of, forget_old
from lwm2m_ml.service.federated.device import LearningObjects
from lwm2m_ml.service.federated.federation import Federation
from lwm2m_ml.service.federated.records import FederatedRecords
from lwm2m_ml.service.figures import Counts, Figures
from lwm2m_ml.service.fit import Fit
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.fleet_summary import FleetSummary, summarise
from lwm2m_ml.service.groups.filter import Facts, Filter
from lwm2m_ml.service.groups.groups import FILTER, GROUP, Groups
from lwm2m_ml.service.groups.known import facts_of
from lwm2m_ml.service.health import Health
from lwm2m_ml.service.jobs import Jobs
from lwm2m_ml.service.model_configurations import ModelConfigurations
from lwm2m_ml.service.modules import Modules
from lwm2m_ml.service.monitoring.monitoring import Monitoring
from lwm2m_ml.service.monitoring.results import InferenceResult
from lwm2m_ml.service.packages import Packages
from lwm2m_ml.service.probe import Probes
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.profiles import CapabilityProfile
from lwm2m_ml.service.repeats import Repeats
from lwm2m_ml.service.requests import Requests
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.survey import Constraints, Survey, Surveyor
from lwm2m_ml.service.trust_distribution import TrustDistribution
from lwm2m_ml.service.watches import Watch, Watches
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.workers.facts import ReferenceAnswers
from lwm2m_ml.service.workers.workers import Workers
from lwm2m_ml.service.zoo.model import Model
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store.changes import StoreChanged
from lwm2m_ml.store.feedback import FeedbackRecord
from lwm2m_ml.store.store import Store

ALL = "all"
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
        self._zoo = Zoo(store, self._workers, programs=settings.model_programs)
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
        self._devices = Devices(server, self._keeper, self.catalogue)
        self.configurations = ModelConfigurations(self._devices, model_object=objects.model)
        self._watches = Watches(server.devices, bus)
        self.requests = Requests(server, self.catalogue)
        self.modules = Modules(store.modules)
        self.events = EventFeed(bus)
        self._bus = bus
        self._counts = Counts()
        self.jobs = Jobs(store.jobs, bus, server.ownership)
        self.health = Health(store, ownership=server.ownership)
        self.audit = AuditLog(store.audit_entries, retention=settings.audit_days * SECONDS_OF_A_DAY)
        self.repeats = Repeats(store.idempotency_keys, server.vault)
        self._builder = Builder(store, self._zoo, self._workers)
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
            self._devices,
            store.modules.by_module_digest,
            self._labels,
            model=objects.model,
            probe=objects.probe,
        )
        self.groups = Groups(store, self._endpoints, self._facts)
        self.campaigns = Campaigns(
            Work(
                CampaignRecords(store),
                self._zoo,
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

    async def start(self) -> None:
        """Load models and profiles and go on with what was not finished."""
        await self._zoo.start()
        await self.device_types.start()
        await self._keeper.start()
        await self._experiences.start()
        await self.base_images.start()
        await self.encryption_keys.start()
        self._trust.start(self._keeper.refresh, lambda: [one.endpoint for one in self._server.registry.all()])
        self._watches.start()
        await self.monitoring.start()
        self._server.add_keeper(self.monitoring.results.keep)
        self._bus.subscribe(StoreChanged, self._follow, everywhere=True, here=False)
        self.events.start()
        self._counts.start(self._bus)
        self.health.start()
        await self.jobs.start()
        await forget_old(self._store.explanation_archives)
        await self.groups.start()
        await self.campaigns.start()
        await self.federation.start()
        self._server.add_keeper(self.federation.keep)
        self._server.keepers_away(False)

    async def _follow(self, event: StoreChanged) -> None:
        """Another node changed what is kept in memory here."""
        changed = set(event.tables)
        followers: Sequence[tuple[set[str], Callable[[], Awaitable[None]]]] = (
            ({"models", "model_aliases"}, self._zoo.load),
            ({"device_types"}, self.device_types.start),
            ({"device_groups", "device_tags"}, self.groups.start),
            ({"base_images"}, self.base_images.start),
            ({"encryption_keys"}, self.encryption_keys.start),
            ({"alarms"}, self.monitoring.alarms.load),
            ({"jobs"}, self.jobs.forget_what_was_told),
        )
        await self._server.follow(changed)
        for tables, follow in followers:
            if tables & changed:
                await follow()

    def end_streams(self) -> None:
        """Let everybody who follows events or watches devices come to an end: the service is about to stop."""
        self.events.close()
        self._watches.end_all()

    def figures(self) -> Figures:
        """Return the figures of this moment."""
        statistics = self._server.statistics
        remotes = [registration.remote for registration in self._server.registry]
        return Figures(
            devices=len(self._server.registry),
            sessions_bytes={
                "in": sum(remote.bytes_in for remote in remotes),
                "out": sum(remote.bytes_out for remote in remotes),
            },
            traffic=self._server.traffic,
            requests_waiting=self._server.requests.waiting,
            writes_waiting=self._store.writer.waiting,
            database_failing=int(self._store.writer.durability.trouble is not None),
            jobs_running=self.jobs.running,
            followers=self.events.followers,
            operations=dict(statistics.count),
            operation_seconds=dict(statistics.seconds),
            events=dict(self._counts.events),
            compilations=self._builder.compilations,
            compilation_seconds=self._builder.compilation_seconds,
            campaigns=dict(self.campaigns.states),
            campaign_steps=dict(self._counts.campaign_steps),
            delivered_bytes=self._counts.delivered_bytes,
            results_dropped=self.monitoring.results.dropped,
            result_messages_put_off=self.monitoring.results.put_off,
            alarms_open=len(self.monitoring.alarms.open()),
        )

    async def stop(self) -> None:
        """Stop all work; campaigns under way go on at the next start. May be called when never started."""
        self._server.keepers_away(True)
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

    def models(self) -> tuple[Model, ...]:
        """Return the newest version of every model."""
        return self._zoo.models()

    @property
    def zoo(self) -> Zoo:
        """The models."""
        return self._zoo

    async def remove_model(self, name: str, version: str) -> None:
        """Forget a version of a model; raises `ConflictError` when a campaign that is not over needs it."""
        model = self._zoo.get(name, version)
        users = self.campaigns.users(model.name, model.version) + self.federation.users(model.name, model.version)
        if users:
            raise ConflictError(
                f"{model.name} {model.version} is needed by campaign {', '.join(users)}", hint="Wait, or cancel it"
            )
        await self._zoo.remove(name, model.version)

    def model(self, name: str, version: str | None = None) -> Model:
        """Return a model, its newest version unless another is named; raises `NotFoundError`."""
        return self._zoo.get(name, version)

    async def add_model(self, name: str, version: str, content: bytes, **facts: Any) -> Model:
        """Add a model or a variant of one; raises `InvalidInputError` when the compiler cannot read it.

        `facts` are those of `Zoo.add`: variant, labels, calibration (an `.npz` file), accuracy, description, licence.
        """
        return await self._zoo.add(name, version, content, **facts)

    def devices(self) -> tuple[Device, ...]:
        """Return all registered devices."""
        return self._devices.all()

    def device(self, endpoint: str) -> Device:
        """Return one registered device; raises `NotFoundError`."""
        return self._devices.get(endpoint)

    def history(self, endpoint: str) -> DeviceHistory:
        """Return when a registered device came and went lately, and its traffic; raises `UnknownDevice`."""
        return self._server.histories.of(self.device(endpoint).endpoint)

    def messages(self, endpoint: str, after: int = 0) -> tuple[LoggedMessage, ...]:
        """Return CoAP messages of a device since it is looked at; the first look begins that."""
        return self._server.messages.of(endpoint, after)

    async def profile(self, endpoint: str) -> CapabilityProfile:
        """Return what a device can do; raises `NotFoundError` when it never told."""
        return await self._keeper.profile(endpoint)

    def _endpoints(self) -> tuple[str, ...]:
        return tuple(registration.endpoint for registration in self._server.registry.all())

    def _facts(self, endpoint: str) -> Facts | None:
        return facts_of(self._server.registry, self._keeper, self.groups.tags, endpoint)

    def condition(self, filter: str, among: Collection[str] | None = None) -> Callable[[str], bool] | None:
        """What tells whether a filter, and a set of endpoints if given, mean a device; None when all are meant.

        Raises `InvalidFilter`.
        """
        parsed = Filter.parse(filter)
        if not parsed.terms and among is None:
            return None
        return lambda endpoint: (among is None or endpoint in among) and parsed.holds(self._facts(endpoint) or {})

    async def fleet(self) -> FleetSummary:
        """Count all registered devices by what they are and what they run."""
        return await summarise(tuple(self._server.registry), self._keeper.get, self.monitoring.alarms.by_endpoint())

    def _labels(self, model: str, version: str) -> tuple[str, ...]:
        """The labels of a model; none when it is not in the zoo any more."""
        try:
            return tuple(self._zoo.get(model, version).labels)
        except NotFoundError:
            return ()

    @property
    def operations(self) -> Devices:
        """Single LwM2M operations on devices."""
        return self._devices

    async def watch(self, endpoint: str, paths: Sequence[str], *, behind: str = "") -> Watch:
        """Observe one path, or several at once; the watch yields values until it is closed or the device leaves."""
        return await self._watches.add(endpoint, [ObjectPath.parse(path) for path in paths], behind)

    async def deploy(self, model: str, endpoints: Sequence[str] | str, *, who: str = SERVICE) -> CampaignSnapshot:
        """Start to bring a model to devices: a list of endpoints, or `"all"` for every registered one.

        It is a campaign of one phase without gates.
        """
        chosen = self._zoo.get(model)
        if endpoints == ALL:
            selection = self.select()
        elif isinstance(endpoints, str):
            raise UsageError(f'Devices are given as a list or as "{ALL}", not as {endpoints!r}')
        else:
            selection = self.select(endpoints=endpoints)
        return await self.campaigns.create(chosen, selection, Plan.at_once(), who=who)

    @property
    def compilations(self) -> int:
        """How many modules were compiled since the start."""
        return self._builder.compilations

    async def survey(self, model: Model, endpoints: Sequence[str], constraints: Constraints) -> tuple[Survey, ...]:
        """Look at every way to put a model on devices, once for all that are alike; no device is asked."""
        return await self._fitting.survey(Surveyor(self._builder, model, constraints), endpoints)

    async def survey_target(self, model: Model, target: str, constraints: Constraints) -> Survey:
        """Look at every way to put a model on a bare target, whose whole flash and half its RAM are free."""
        found = load_target(target)
        unlimited = 1 << 31
        described = DeviceType(
            f"target {target}",
            target,
            storage_bytes=found.flash_bytes or unlimited,
            memory_bytes=found.ram_bytes // 2 if found.ram_bytes else unlimited,
        )
        return await self._fitting.survey_target(Surveyor(self._builder, model, constraints), described.runtime(found))

    async def preview(self, model: Model, selection: Selection, plan: Plan) -> Preview:
        """Say what a campaign would do, from what is known of its devices; nothing is changed."""
        return await preview(self._fitting, self._builder, model, selection, plan)

    def select(
        self, *, endpoints: Sequence[str] | None = None, group: str | None = None, filter: str | None = None
    ) -> Selection:
        """Choose registered devices: by name, by group, by filter, or all of them; raises when nobody is meant."""
        if endpoints is not None:
            names = tuple(self._server.registry.get(endpoint).endpoint for endpoint in endpoints)
            if not names:
                raise UsageError("No device is named", hint=f'Name endpoints, or "{ALL}"')
            return Selection(f"{len(names)} devices by name", names)
        text = ALL if group is None and filter is None else f"{GROUP}{group}" if group else f"{FILTER}{filter}"
        members = self.groups.members(text)
        if not members and text == ALL:
            raise ConflictError("No device is registered", hint=f"Let devices register at {self.coap_uri}")
        if not members:
            raise ConflictError(f"No registered device belongs to {text}", hint="See what is known: devices list")
        return Selection(text, members)

    async def give_feedback(
        self, endpoint: str, number: int, true_class: int | str, who: str, *, series: int | None = None
    ) -> FeedbackRecord:
        """Tell what a result of a device should have been: a class by its number, or by a label of the model."""
        labels = {model.name: model.labels for model in self._zoo.models()}
        return await self.monitoring.feedback.give(endpoint, number, true_class, who, labels=labels, series=series)

    async def results(
        self, endpoint: str, since: int = 0, *, after: int = 0, newest: int | None = None
    ) -> tuple[InferenceResult, ...]:
        """Return the results of a device with numbers above `since` that came after the id `after`, oldest first.

        With `newest` only so many of the newest.
        """
        if newest is not None:
            found = await self.monitoring.results.latest(endpoint, newest)
            return tuple(one for one in found if one.number > since and one.id > after)
        return await self.monitoring.results.results(endpoint, since, after=after)

    async def package(self, digest: str) -> bytes:
        """Return a signed module as devices get it; raises `NotFoundError`."""
        return (await self._packages.get(digest)).content

    async def reference(self, model: str, variant: str, inputs: Sequence[Sequence[float]]) -> ReferenceAnswers:
        """Answer inputs (one flat list of numbers each) with the integer reference of a variant."""
        chosen = self._zoo.get(model)
        return await self._builder.reference_outputs(chosen, chosen.variant(variant), inputs)

    def compilation(self, model: str, variant: str, target: str) -> Compilation:
        """Return the work of compiling a variant for a target, for a job; raises `NotFoundError`."""
        return Compilation(self._zoo, self._builder, model, variant, target)

    def explanation(self, model: str, version: str | None, variant: str, target: str) -> Explaining:
        """Return the work of explaining a variant on a target, for a job; raises `NotFoundError`."""
        return Explaining(self._zoo, self._builder, self._store.explanation_archives, (model, version, variant), target)

    async def explained_module(self, digest: str) -> bytes:
        """Return the files of an explained module as a ZIP archive; raises `NotFoundError`."""
        return await archive_of(self._store.explanation_archives, digest)

    def targets(self) -> tuple[Target, ...]:
        """Return what can be compiled for, cores first."""
        return tuple(target for target in shipped_targets().values() if target.can_compile)

    async def variant_file(self, model: str, version: str | None, variant: str) -> bytes:
        """Return the file of a variant as it was added; raises `NotFoundError`."""
        return await self._zoo.content(self._zoo.get(model, version).variant(variant).digest)

    async def fit(self, model: str, endpoint: str) -> Fit:
        """Look at every variant of a model for a device: which fits, which is chosen, what the others lack."""
        choice = await self._fitting.choose(self._zoo.get(model), endpoint, build=self._builder.build, exhaustive=True)
        return choice.fit
