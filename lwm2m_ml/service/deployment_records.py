"""Deployments in the store, and back."""

from lwm2m_ml.service.deployment import Deployment, DeploymentDevice, DeviceState
from lwm2m_ml.store.deployment_devices import DeploymentDeviceRecord
from lwm2m_ml.store.deployments import DeploymentRecord
from lwm2m_ml.store.modules import ModuleRecord
from lwm2m_ml.store.store import Store

RUNNING = "running"
FINISHED = "finished"


class DeploymentRecords:
    """Reads and writes deployments. Sizes of modules are stored once, with the module."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, deployment: Deployment) -> None:
        """Store a new deployment with all its devices."""
        await self._store.deployments.put(
            DeploymentRecord(deployment.id, deployment.model, deployment.version, RUNNING, deployment.created_at)
        )
        for device in deployment.devices:
            await self.put_device(deployment.id, device)

    async def put_device(self, deployment_id: str, device: DeploymentDevice) -> None:
        """Store where a device stands."""
        await self._store.deployment_devices.put(
            DeploymentDeviceRecord(
                deployment_id=deployment_id,
                endpoint=device.endpoint,
                target=device.target,
                state=str(device.state),
                reason=device.reason,
                variant=device.variant,
                module_digest=device.module_digest,
                ota_bytes=device.ota_bytes,
                ota_seconds=device.ota_seconds,
            )
        )

    async def finish(self, deployment_id: str) -> None:
        """Mark a deployment as finished: it is not looked at again at the next start."""
        await self._store.deployments.set_state(deployment_id, FINISHED)

    async def get(self, deployment_id: str) -> Deployment | None:
        """Return a stored deployment, or None."""
        record = await self._store.deployments.get(deployment_id)
        return None if record is None else await self._load(record)

    async def all(self) -> tuple[Deployment, ...]:
        """Return every stored deployment, oldest first."""
        return tuple([await self._load(record) for record in await self._store.deployments.all()])

    async def unfinished(self) -> tuple[Deployment, ...]:
        """Return the deployments that have to go on."""
        records = [record for record in await self._store.deployments.all() if record.state != FINISHED]
        return tuple([await self._load(record) for record in records])

    async def _load(self, record: DeploymentRecord) -> Deployment:
        rows = await self._store.deployment_devices.of_deployment(record.id)
        digests = {row.module_digest for row in rows if row.module_digest is not None}
        modules = {digest: await self._store.modules.get(digest) for digest in digests}
        devices = tuple(_device(row, modules.get(row.module_digest or "")) for row in rows)
        return Deployment(record.id, record.model, record.version, record.created_at, devices)


def _device(row: DeploymentDeviceRecord, module: ModuleRecord | None) -> DeploymentDevice:
    facts = {} if module is None else module.facts
    return DeploymentDevice(
        endpoint=row.endpoint,
        target=row.target,
        state=DeviceState(row.state),
        reason=row.reason,
        variant=row.variant,
        module_digest=row.module_digest,
        module_bytes=facts.get("package_bytes"),
        ram_bytes=facts.get("ram_bytes"),
        instructions=facts.get("instructions"),
        ota_bytes=row.ota_bytes,
        ota_seconds=row.ota_seconds,
    )
