"""A dry run: what a campaign would do, from what is known of its devices. No device is asked, nothing is changed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.campaigns.plan import Plan, assign_phases
from lwm2m_ml.service.fit import Fit
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.groups.selections import Selection
from lwm2m_ml.service.zoo.model import Model

SENT, REFUSED, UNKNOWN, BROKEN = "would be sent", "refused", "unknown", "would fail"


@dataclass(frozen=True, slots=True)
class PreviewDevice:
    """What would be done with a device; `phase` counts from 0, sizes in bytes."""

    endpoint: str
    phase: int
    state: str
    target: str = ""
    variant: str | None = None
    package_bytes: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a campaign would do, and what it would cost: bytes over the air, compilations that were needed to know."""

    model: str
    version: str
    selection: str
    devices: tuple[PreviewDevice, ...]
    compilations: int

    @property
    def tally(self) -> Mapping[str, int]:
        """How many devices would come to which end."""
        return Counter(device.state for device in self.devices)

    @property
    def package_bytes(self) -> int:
        """The bytes of all packages that would be sent."""
        return sum(device.package_bytes or 0 for device in self.devices)


async def preview(fitting: DeviceFitting, builder: Builder, model: Model, selection: Selection, plan: Plan) -> Preview:
    """Fit a model to what is known of every device of a selection."""
    before = builder.compilations
    devices = []
    for endpoint, phase in assign_phases(plan.phases, selection.endpoints, f"{model.name} {model.version}").items():
        fit = await fitting.fit_known(model, endpoint, build=builder.build)
        devices.append(_device(endpoint, phase, fit))
    return Preview(model.name, model.version, selection.text, tuple(devices), builder.compilations - before)


def _device(endpoint: str, phase: int, fit: Fit | None) -> PreviewDevice:
    if fit is None:
        return PreviewDevice(endpoint, phase, UNKNOWN, reason="its capabilities were never read")
    if fit.chosen is None:
        return PreviewDevice(endpoint, phase, BROKEN if fit.broken else REFUSED, fit.target, reason=fit.reason)
    chosen = fit.chosen
    return PreviewDevice(endpoint, phase, SENT, fit.target, chosen.variant, chosen.package_bytes, fit.reason)
