"""Counts false alarms of drift on devices whose inputs did not drift, and measures how soon real drift is seen.

Each simulated sensor is counted as a device counts it, hour by hour, and judged as the service judges it; no module is
run, the mix of classes is that of the true labels.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass

from lwm2m_ml.service.monitoring.baseline import DriftBaseline
from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.drift import DriftLimits, judge
from lwm2m_ml.service.monitoring.suspicion import Action, Phase, step
from lwm2m_ml.service.workers.drift_baseline import measure
from lwm2m_ml_simulator.inference.drift import DriftMonitor
from lwm2m_ml_simulator.inputs.digits import Digits
from lwm2m_ml_simulator.inputs.gestures import Gestures
from lwm2m_ml_simulator.inputs.stream import SensorStream, Source, dataset
from lwm2m_ml_simulator.inputs.vibration import Vibration

SOURCES: dict[str, Source] = {"digits": Digits(), "vibration": Vibration(), "gestures": Gestures()}
DRIFTS = (0.25, 0.5, 1.0)
HOURS = 24
BASELINE_INPUTS = 2_000


@dataclass(frozen=True)
class Quiet:
    """Devices that did not drift."""

    source: str
    device_days: int
    alarms: int

    @property
    def per_device_day(self) -> float:
        return self.alarms / self.device_days


@dataclass(frozen=True)
class Drifting:
    """Devices that drifted from their first hour on: how many were seen within a day, and after how many hours."""

    source: str
    drift: float
    devices: int
    seen: int
    median_hours: int | None


class WatchedSensor:
    """One sensor, counted and judged hour by hour."""

    def __init__(self, source: Source, baseline: DriftBaseline, seed: int, drift: float) -> None:
        self._stream = SensorStream(source, seed, drift=drift)
        self._baseline = baseline
        self._phases: dict[str, Phase] = {}

    def hour(self, inputs: int, limits: DriftLimits) -> int:
        """Go on for an hour; return how many alarms it raised."""
        monitor = DriftMonitor(self._baseline.reference)
        for _ in range(inputs):
            monitor.add(next(self._stream))
        labels = list(self._stream.shown[-inputs:])
        window = Counters(inputs, {label: labels.count(label) for label in set(labels)}, 0, monitor.histogram)
        judgement = judge(window, self._baseline, limits)
        raised = 0
        for feature in judgement.features if judgement else ():
            phase, action = step(self._phases.get(feature.feature, Phase.CALM), drifted=feature.drifted)
            self._phases[feature.feature] = phase
            raised += action is Action.RAISE
        return raised


def baseline_of(source: Source) -> DriftBaseline:
    values, labels = dataset(source, BASELINE_INPUTS, seed=1)
    return measure(values, labels.tolist(), len(source.labels))


def quiet(name: str, devices: int, days: int, inputs: int, limits: DriftLimits) -> Quiet:
    source, baseline = SOURCES[name], baseline_of(SOURCES[name])
    sensors = [WatchedSensor(source, baseline, seed, 0.0) for seed in range(100, 100 + devices)]
    alarms = sum(sensor.hour(inputs, limits) for sensor in sensors for _ in range(days * HOURS))
    return Quiet(name, devices * days, alarms)


def drifting(name: str, drift: float, devices: int, inputs: int, limits: DriftLimits) -> Drifting:
    source, baseline = SOURCES[name], baseline_of(SOURCES[name])
    hours: list[int] = []
    for seed in range(500, 500 + devices):
        sensor = WatchedSensor(source, baseline, seed, drift)
        first = next((hour for hour in range(1, HOURS + 1) if sensor.hour(inputs, limits)), None)
        hours += [first] if first else []
    median = sorted(hours)[len(hours) // 2] if hours else None
    return Drifting(name, drift, devices, len(hours), median)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=40)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--inputs", type=int, default=30, help="per hour")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    limits, began = DriftLimits(), time.monotonic()
    calm = [quiet(name, options.devices, options.days, options.inputs, limits) for name in SOURCES]
    moved = [drifting(name, drift, options.devices, options.inputs, limits) for name in SOURCES for drift in DRIFTS]
    if options.json:
        print(json.dumps({"quiet": [asdict(one) for one in calm], "drifting": [asdict(one) for one in moved]}))
        return
    print(f"{limits}; {options.inputs} inputs an hour; {time.monotonic() - began:.0f} s\n")
    print("| no drift | device-days | false alarms | per device-day |\n|---|--:|--:|--:|")
    for one in calm:
        print(f"| {one.source} | {one.device_days} | {one.alarms} | {100 * one.per_device_day:.2f} % |")
    print("\n| drift | strength | seen within a day | hours until half were seen |\n|---|--:|--:|--:|")
    for two in moved:
        print(f"| {two.source} | {two.drift:g} | {two.seen} of {two.devices} | {two.median_hours or '–'} |")


if __name__ == "__main__":
    main()
