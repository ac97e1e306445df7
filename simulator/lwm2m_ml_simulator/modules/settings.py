"""What a server can set for each module slot; kept in the journal, so that a reboot does not forget it."""

import dataclasses
from dataclasses import dataclass

import cbor2

from lwm2m_ml_simulator.memory.journal import Journal

_SETTINGS_KEY = 64


@dataclass(frozen=True, slots=True)
class SlotSettings:
    """Settings of one slot. A limit of None is no limit; a threshold of None is the one of the module's descriptor."""

    trial_period: int
    inference_period_ms: int
    decision_threshold: float | None = None
    latency_limit_ms: float | None = None
    drift_limit: float | None = None
    failure_limit: int | None = None


class SettingsStore:
    """The settings of all slots."""

    def __init__(self, journal: Journal, defaults: SlotSettings) -> None:
        self._journal = journal
        self._defaults = defaults

    def get(self, number: int) -> SlotSettings:
        """Return the settings of a slot."""
        stored = self._journal.get(_SETTINGS_KEY + number)
        return SlotSettings(*cbor2.loads(stored)) if stored else self._defaults

    def change(self, number: int, **values: float | None) -> None:
        """Change some settings of a slot."""
        changed = dataclasses.replace(self.get(number), **values)  # type: ignore[arg-type]
        self._journal.put(_SETTINGS_KEY + number, cbor2.dumps(list(dataclasses.astuple(changed))))
