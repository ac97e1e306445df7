"""Watches the module in use: a trial that nobody confirms in time, is too slow or fails too often ends by itself."""

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
        self._timer: asyncio.TimerHandle | None = None
        self._watched: int | None = None

    def slots_changed(self) -> None:
        """Start or stop the clock of a trial."""
        running = self._modules.bank.in_use
        on_trial = running.number if running is not None and running.state is ModuleState.TRIAL else None
        if on_trial == self._watched:
            return
        self.stop()
        if on_trial is not None:
            self._watched = on_trial
            period = self._settings.get(on_trial).trial_period
            self._timer = asyncio.get_running_loop().call_later(period, self._time_is_up, on_trial)

    def remaining(self, number: int) -> int | None:
        """Return the seconds that a slot's trial has left, None if it is not on trial."""
        if self._timer is None or self._watched != number:
            return None
        return max(0, round(self._timer.when() - asyncio.get_running_loop().time()))

    def period_changed(self, number: int) -> None:
        """Restart the clock of a running trial with its new period."""
        if self._watched == number:
            self.stop()
            self.slots_changed()

    def judge(self, number: int, statistics: LatencyStatistics, drift_score: float | None = None) -> bool:
        """Take a module out of use that passed a limit; True when it may stay."""
        result = _limit_passed(self._settings.get(number), statistics, drift_score)
        if result is None or self._modules.slot(number).state not in IN_USE:
            return True
        self._modules.fail(number, result)
        return False

    def stop(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._watched = None

    def _time_is_up(self, number: int) -> None:
        self._timer = self._watched = None
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
