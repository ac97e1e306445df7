"""Campaigns as they stand, and their stories."""

from dataclasses import replace

import pytest

from lwm2m_ml.store import RecordConflict, Store
from lwm2m_ml.store.campaigns import CampaignNoteRecord, CampaignRecord

FIRST = CampaignRecord("c1", "digits", "1.0.0", "running", plan={"joiners": True}, created_at=1.0, since=1.0)
SECOND = CampaignRecord("c2", "digits", "1.0.0", "running", created_at=2.0, since=2.0)


async def test_campaigns_are_listed_oldest_first(store: Store) -> None:
    store.campaigns.put(SECOND)
    await store.campaigns.put(FIRST)
    assert await store.campaigns.all() == (FIRST, SECOND)
    assert await store.campaigns.get("c2") == SECOND
    assert await store.campaigns.get("c3") is None


async def test_a_campaign_moves_on_and_keeps_its_first_time(store: Store) -> None:
    store.campaigns.put(FIRST)
    later = replace(FIRST, state="paused", phase=2, forgiven=1, reason="too many errors", since=9.0)
    await store.campaigns.put(replace(later, created_at=9.0))
    assert await store.campaigns.all() == (later,)


async def test_a_story_is_told_in_order_and_from_a_line_on(store: Store) -> None:
    store.campaigns.put(FIRST)
    for number in range(3):
        await store.campaigns.note(CampaignNoteRecord("c1", "admin", f"line {number}", at=float(number)))
    story = await store.campaigns.notes("c1")
    assert [note.text for note in story] == ["line 0", "line 1", "line 2"]
    assert await store.campaigns.notes("c1", after=story[1].id) == story[2:]
    assert await store.campaigns.notes("c2") == ()


async def test_a_line_of_an_unknown_campaign_is_refused(store: Store) -> None:
    with pytest.raises(RecordConflict, match=r"(?i)foreign key"):
        await store.campaigns.note(CampaignNoteRecord("nobody", "admin", "line"))
