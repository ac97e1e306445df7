"""Campaigns in the store, and back."""

from collections.abc import Iterable, Sequence

from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignDevice, CampaignNote, CampaignSnapshot
from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.states import CampaignState, DeviceState
from lwm2m_ml.store.campaign_devices import CampaignDeviceRecord
from lwm2m_ml.store.campaigns import CampaignNoteRecord, CampaignRecord
from lwm2m_ml.store.modules import ModuleRecord
from lwm2m_ml.store.store import Store


class CampaignRecords:
    """Reads and writes campaigns. Sizes of modules are stored once, with the module."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, campaign: Campaign, devices: Sequence[CampaignDevice]) -> None:
        """Store a new campaign with its devices; returns once that is on disk."""
        written = self._store.campaigns.put(_campaign_record(campaign))
        await self.put_devices(campaign.id, devices)
        await written

    async def put(self, campaign: Campaign) -> None:
        """Store a campaign as it stands."""
        await self._store.campaigns.put(_campaign_record(campaign))

    async def put_devices(self, campaign_id: str, devices: Iterable[CampaignDevice]) -> None:
        """Store where devices stand, all of them or none."""
        records = [_device_record(campaign_id, device) for device in devices]
        if records:
            await self._store.campaign_devices.put_all(records)

    async def note(self, campaign_id: str, note: CampaignNote) -> None:
        """Append a line to a campaign's story."""
        await self._store.campaigns.note(CampaignNoteRecord(campaign_id, note.who, note.text, note.at))

    async def notes(self, campaign_id: str, *, after: int = 0) -> tuple[CampaignNote, ...]:
        """Return the story of a campaign from after a line's number on."""
        records = await self._store.campaigns.notes(campaign_id, after=after)
        return tuple(CampaignNote(one.at, one.who, one.text, one.id) for one in records)

    async def get(self, campaign_id: str) -> CampaignSnapshot | None:
        """Return a stored campaign with its devices, or None."""
        record = await self._store.campaigns.get(campaign_id)
        return None if record is None else await self._load(record)

    async def all(self) -> tuple[Campaign, ...]:
        """Return every stored campaign without its devices, oldest first."""
        return tuple(map(_campaign, await self._store.campaigns.all()))

    async def tallies(self) -> dict[str, dict[str, int]]:
        """Return how many devices of each campaign are in each state."""
        return await self._store.campaign_devices.tallies()

    async def of_endpoint(self, endpoint: str) -> tuple[tuple[str, CampaignDevice], ...]:
        """Return the campaigns a device took part in with its rows there, oldest first."""
        records = await self._store.campaign_devices.of_endpoint(endpoint)
        return tuple((record.campaign_id, _device(record, None)) for record in records)

    async def unfinished(self) -> tuple[CampaignSnapshot, ...]:
        """Return the campaigns that have to go on."""
        records = [one for one in await self._store.campaigns.all() if not CampaignState(one.state).final]
        return tuple([await self._load(record) for record in records])

    async def _load(self, record: CampaignRecord) -> CampaignSnapshot:
        rows = await self._store.campaign_devices.of_campaign(record.id)
        digests = {row.module_digest for row in rows if row.module_digest is not None}
        modules = {digest: await self._store.modules.get(digest) for digest in digests}
        devices = tuple(_device(row, modules.get(row.module_digest or "")) for row in rows)
        return CampaignSnapshot(_campaign(record), devices)


def _campaign_record(campaign: Campaign) -> CampaignRecord:
    return CampaignRecord(
        id=campaign.id,
        model=campaign.model,
        version=campaign.version,
        state=str(campaign.state),
        name=campaign.name,
        selection=campaign.selection,
        plan=campaign.plan.to_json(),
        phase=campaign.phase,
        forgiven=campaign.forgiven,
        reason=campaign.reason,
        created_by=campaign.created_by,
        created_at=campaign.created_at,
        since=campaign.since,
    )


def _campaign(record: CampaignRecord) -> Campaign:
    return Campaign(
        id=record.id,
        model=record.model,
        version=record.version,
        plan=Plan.from_json(record.plan),
        name=record.name,
        selection=record.selection,
        state=CampaignState(record.state),
        reason=record.reason,
        phase=record.phase,
        since=record.since,
        forgiven=record.forgiven,
        created_at=record.created_at,
        created_by=record.created_by,
    )


def _device_record(campaign_id: str, device: CampaignDevice) -> CampaignDeviceRecord:
    return CampaignDeviceRecord(
        campaign_id=campaign_id,
        endpoint=device.endpoint,
        target=device.target,
        state=str(device.state),
        phase=device.phase,
        reason=device.reason,
        since=device.since,
        attempts=device.attempts,
        due_at=device.due_at,
        before=device.before,
        reported=device.reported,
        variant=device.variant,
        module_digest=device.module_digest,
        ota_bytes=device.ota_bytes,
        ota_seconds=device.ota_seconds,
    )


def _device(row: CampaignDeviceRecord, module: ModuleRecord | None) -> CampaignDevice:
    facts = {} if module is None else module.facts
    return CampaignDevice(
        endpoint=row.endpoint,
        phase=row.phase,
        target=row.target,
        state=DeviceState(row.state),
        reason=row.reason,
        since=row.since,
        attempts=row.attempts,
        due_at=row.due_at,
        before=row.before,
        reported=row.reported,
        variant=row.variant,
        module_digest=row.module_digest,
        module_bytes=facts.get("package_bytes"),
        ram_bytes=facts.get("ram_bytes"),
        instructions=facts.get("instructions"),
        ota_bytes=row.ota_bytes,
        ota_seconds=row.ota_seconds,
    )
