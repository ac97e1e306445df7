"""Watches the modules in use: a trial that nobody confirms in time, is too slow or fails too often ends by itself."""

import asyncio
from contextlib import suppress

from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.inference.statistics import LatencyStatistics
from lwm2m_ml_simulator.memory.flash import PowerCut
from lwm2m_ml_simulator.modules.modules import ModuleManager
from lwm2m_ml_simulator.modules.settings import SettingsStore, SlotSettings
from lwm2m_ml_simulator.modules.slots import IN_USE


class TrialSupervisor:
    """The device's own judgement of its modules (objects.md: it rolls back by itself)."""

    def __init__(self, modules: ModuleManager, settings: SettingsStore) -> None:
        self._modules = modules
        self._settings = settings
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def slots_changed(self) -> None:
        """Start and stop the clocks of trials."""
        on_trial = {slot.number for slot in self._modules.bank.on_trial}
        for number in self._timers.keys() - on_trial:
            self._timers.pop(number).cancel()
        for number in on_trial - self._timers.keys():
            period = self._settings.get(number).trial_period
            self._timers[number] = asyncio.get_running_loop().call_later(period, self._time_is_up, number)

    def remaining(self, number: int) -> int | None:
        """Return the seconds that a slot's trial has left, None if it is not on trial."""
        timer = self._timers.get(number)
        return None if timer is None else max(0, round(timer.when() - asyncio.get_running_loop().time()))

    def period_changed(self, number: int) -> None:
        """Restart the clock of a running trial with its new period."""
        timer = self._timers.pop(number, None)
        if timer is not None:
            timer.cancel()
            self.slots_changed()

    def judge(self, number: int, statistics: LatencyStatistics, drift_score: float | None = None) -> bool:
        """Take a module out of use that passed a limit; True when it may stay."""
        result = _limit_passed(self._settings.get(number), statistics, drift_score)
        if result is None or self._modules.slot(number).state not in IN_USE:
            return True
        self._modules.fail(number, result)
        return False

    def stop(self) -> None:
        """Stop all clocks."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers = {}

    def _time_is_up(self, number: int) -> None:
        self._timers.pop(number, None)
        with suppress(PowerCut):
            if self._modules.slot(number).state is ModuleState.TRIAL:
                self._modules.fail(number, ModuleResult.TRIAL_UNCONFIRMED)


def _limit_passed(
    limits: SlotSettings, statistics: LatencyStatistics, drift_score: float | None
) -> ModuleResult | None:
    if limits.latency_limit_ms is not None and (statistics.last or 0.0) > limits.latency_limit_ms:
        return ModuleResult.LATENCY_LIMIT_PASSED
    failed = limits.failure_limit is not None and statistics.failures > limits.failure_limit
    drifted = limits.drift_limit is not None and (drift_score or 0.0) > limits.drift_limit
    return ModuleResult.DRIFT_OR_FAILURE_LIMIT_PASSED if failed or drifted else None
