"""Fits a model to a registered device: reads what the device has to offer now, then looks for the best variant."""

import dataclasses
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.checks import Room
from lwm2m_ml.service.delivery.slots import NoSlotError, Slot, choose_slot, read_slots
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.fit import BuildVariant, Fit, Fitting, RankBackends
from lwm2m_ml.service.packages import Packages
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.resources import SOFTWARE_MANAGEMENT_OBJECT
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.survey import Survey, Surveyor
from lwm2m_ml.service.zoo.model import Model


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """What was chosen for a device; no build when nothing fits, no runtime when the device has none.

    `running` is the digest of the image that the device runs now, empty when it runs none or does not tell.
    """

    fit: Fit
    build: Build | None
    runtime: MlRuntime | None
    running: bytes = b""


class DeviceFitting:
    """Answers "what fits this device?" with figures that were read a moment ago."""

    def __init__(
        self,
        access: DeviceAccess,
        keeper: ProfileKeeper,
        signer: Signer,
        packages: Packages,
        *,
        model_object: int,
        rank: RankBackends | None = None,
    ) -> None:
        self._rank = rank
        self._access = access
        self._keeper = keeper
        self._signer = signer
        self._packages = packages
        self._model_object = model_object

    async def choose(
        self, model: Model, endpoint: str, *, build: BuildVariant, exhaustive: bool = False
    ) -> DeviceChoice:
        """Choose a variant for a device; raises the server's errors when the device does not answer."""
        profile = await self._keeper.refresh(endpoint)
        runtime = profile.runtime
        if runtime is None:
            fit = Fit(endpoint, model.name, model.version, "", (), None, profile.why_no_runtime)
            return DeviceChoice(fit, None, None)
        slots = await read_slots(self._access, endpoint, self._model_object)
        number = await self._packages.next_number()
        fitting = self._fitting(endpoint, model, runtime, self._room(slots, model.name), build=build, number=number)
        chosen = await fitting.run(exhaustive=exhaustive)
        running = next((slot.status.digest for slot in slots if slot.in_use), b"")
        return DeviceChoice(chosen.fit, chosen.build, runtime, running)

    async def fit_known(
        self, model: Model, endpoint: str, *, build: BuildVariant, exhaustive: bool = False
    ) -> Fit | None:
        """Fit a model to what is known of a device, without asking it; None when nothing is known.

        What the module in its slots would give back is not known then, so the answer errs on the small side.
        """
        profile = self._keeper.get(endpoint)
        if profile is None:
            return None
        runtime = profile.runtime
        if runtime is None:
            return Fit(endpoint, model.name, model.version, "", (), None, profile.why_no_runtime)
        slots = tuple(Slot(SOFTWARE_MANAGEMENT_OBJECT, number) for number in range(max(1, runtime.slots)))
        room = self._room(slots, model.name)
        number = await self._packages.next_number()
        fitting = self._fitting(endpoint, model, runtime, room, build=build, number=number)
        return (await fitting.run(exhaustive=exhaustive)).fit

    def survey(self, surveyor: Surveyor, endpoints: Sequence[str]) -> Awaitable[tuple[Survey, ...]]:
        """Survey what is known of devices, once for all that are alike; no device is asked."""
        kinds: dict[MlRuntime, list[str]] = {}
        for endpoint in endpoints:
            profile = self._keeper.get(endpoint)
            if profile is not None and profile.runtime is not None:
                kinds.setdefault(dataclasses.replace(profile.runtime, trust_list_version=None), []).append(endpoint)
        return self._survey_kinds(surveyor, kinds)

    async def survey_target(self, surveyor: Surveyor, runtime: MlRuntime) -> Survey:
        """Survey a runtime that no registered device has to have."""
        (found,) = await self._survey_kinds(surveyor, {runtime: []})
        return found

    async def _survey_kinds(self, surveyor: Surveyor, kinds: Mapping[MlRuntime, Sequence[str]]) -> tuple[Survey, ...]:
        number = await self._packages.next_number()
        found = []
        for runtime, alike in kinds.items():
            slots = tuple(Slot(SOFTWARE_MANAGEMENT_OBJECT, each) for each in range(max(1, runtime.slots)))

            def measure(made: Build, runtime: MlRuntime = runtime) -> int:
                return self._signer.package_bytes(made, runtime, number)

            seen = self._packages.as_module_sees(runtime)
            found.append(await surveyor.survey(alike, seen, self._room(slots, ""), measure))
        return tuple(found)

    def _fitting(
        self, endpoint: str, model: Model, runtime: MlRuntime, room: Room, *, build: BuildVariant, number: int
    ) -> Fitting:
        return Fitting(
            endpoint,
            model,
            self._packages.as_module_sees(runtime),
            room,
            build=build,
            measure=lambda made: self._signer.package_bytes(made, runtime, number),
            rank=self._rank,
        )

    def _room(self, slots: tuple[Slot, ...], model: str) -> Room:
        why_no_slot = ""
        storage = 0
        try:
            storage = choose_slot(slots).storage_used
        except NoSlotError as error:
            why_no_slot = error.message
        return Room(
            has_slot=not why_no_slot,
            why_no_slot=why_no_slot,
            reclaimable_storage=storage,
            reclaimable_memory=sum(slot.memory_used for slot in slots if slot.makes_way_for(model)),
            signature_algorithm=int(self._signer.key.algorithm),
            key_id=self._signer.key.key_id,
        )
