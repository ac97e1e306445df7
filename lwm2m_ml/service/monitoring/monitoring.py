"""All that watches models in the field, put together."""

import dataclasses

from lwm2m_ml.bus import Bus, Ownership
from lwm2m_ml.config import MonitoringSettings, Settings
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.monitoring.alarms import Alarms
from lwm2m_ml.service.monitoring.capture_export import CaptureExport
from lwm2m_ml.service.monitoring.capture_on_alarm import CaptureOnAlarm
from lwm2m_ml.service.monitoring.captures import Captures
from lwm2m_ml.service.monitoring.drift import DriftLimits
from lwm2m_ml.service.monitoring.drift_watch import DriftWatch, WatchTiming
from lwm2m_ml.service.monitoring.feedback import Feedback
from lwm2m_ml.service.monitoring.installed import Installed
from lwm2m_ml.service.monitoring.known_modules import KnownModules
from lwm2m_ml.service.monitoring.result_log import ResultLog
from lwm2m_ml.service.monitoring.results import ResultReader
from lwm2m_ml.service.monitoring.retention import Retention
from lwm2m_ml.service.workers.workers import Workers
from lwm2m_ml.store.store import Store


class Monitoring:
    """Results, feedback, alarms and captures."""

    def __init__(
        self,
        access: DeviceAccess,
        store: Store,
        bus: Bus,
        settings: Settings,
        workers: Workers,
        *,
        ownership: Ownership | None = None,
    ) -> None:
        chosen, objects = settings.monitoring, settings.objects
        modules = KnownModules(store.modules)
        find = modules.find
        self._installed = Installed(store.watched_models, find)
        self.results = ResultLog(
            store.results,
            ResultReader(objects.result, objects.model),
            modules,
            self._installed,
            messages_per_second=chosen.result_messages,
        )
        self._retention = Retention(
            store.results, store.result_hours, result_days=chosen.result_days, hour_days=chosen.hour_days
        )
        self.feedback = Feedback(access, store.feedback, store.results, result_object=objects.result)
        self.hours = store.result_hours
        self.alarms = Alarms(store.alarms, bus)
        self.captures = Captures(access, store.captures, find, model_object=objects.model, result_object=objects.result)
        self.export = CaptureExport(store.captures, store.feedback, workers)
        self._watch = DriftWatch(
            access,
            store.watched_models,
            self.alarms,
            bus,
            self._installed,
            model_object=objects.model,
            result_object=objects.result,
            limits=lambda model: limits_of(chosen, model),
            timing=WatchTiming(chosen.period),
            ownership=ownership,
        )
        self._on_alarm = CaptureOnAlarm(self.captures, bus, inputs=chosen.captures_on_alarm)

    async def start(self) -> None:
        """Load the open alarms and watch from now on."""
        await self.alarms.start()
        await self._installed.start()
        self._retention.start()
        self._on_alarm.start()
        self._watch.start()

    async def stop(self) -> None:
        """Watch no more. May be called when never started."""
        await self._watch.stop()
        await self._on_alarm.stop()
        await self.feedback.stop()
        await self.results.stop()
        await self._retention.stop()


def limits_of(settings: MonitoringSettings, model: str) -> DriftLimits:
    """Return when drift of a model is an alarm: its own thresholds where it has any, else those of all models."""
    limits = DriftLimits(
        stability_index=settings.stability_index,
        kolmogorov_smirnov=settings.kolmogorov_smirnov,
        false_alarms=settings.false_alarms,
        samples=settings.samples,
    )
    own = settings.models.get(model)
    return limits if own is None else dataclasses.replace(limits, **own.model_dump(exclude_none=True))
