import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml_simulator.errors import StorageFull
from lwm2m_ml_simulator.memory.flash import Flash, FlashGeometry, FlashRegion, PowerCut
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.staging import Source, Staging

PACKAGE = bytes(index * 7 & 0xFF for index in range(3001))


def mounted(flash: Flash) -> Staging:
    return Staging(Journal(FlashRegion(flash, 0, 4096)), 1, FlashRegion(flash, 4096, 4096))


def fresh_flash(seed: int = 0, write_bytes: int = 8) -> Flash:
    return Flash(FlashGeometry(8192, 1024, write_bytes), seed=seed)


def test_a_package_is_laid_where_it_was_placed() -> None:
    flash = fresh_flash()
    staging = mounted(flash)
    staging.begin(Source("coap://x", b"tag", len(PACKAGE)))
    staging.place(5)
    for start in range(0, len(PACKAGE), 512):
        staging.append(PACKAGE[start : start + 512])
    assert not staging.is_complete
    staging.finish()
    assert staging.is_complete
    assert flash.read(4096 + 5, len(PACKAGE)) == PACKAGE
    assert mounted(flash).is_complete
    assert mounted(flash).contents() == PACKAGE


def test_what_is_larger_than_the_slot_is_refused_before_it_is_fetched() -> None:
    flash = fresh_flash()
    with pytest.raises(StorageFull):
        mounted(flash).begin(Source("coap://x", None, 5000))


def test_what_grows_larger_than_the_slot_is_refused() -> None:
    staging = mounted(fresh_flash())
    staging.begin(Source("coap://x"))
    with pytest.raises(StorageFull):
        staging.append(bytes(5000))


def test_a_forgotten_package_leaves_nothing_to_resume() -> None:
    flash = fresh_flash()
    staging = mounted(flash)
    staging.begin(Source("coap://x"))
    staging.append(PACKAGE[:600])
    staging.forget()
    assert (mounted(flash).source, mounted(flash).received) == (None, 0)


@settings(max_examples=150, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 12), max_size=6),
    seed=st.integers(0, 10_000),
    write_bytes=st.sampled_from([1, 4, 16]),
    start=st.integers(0, 15),
)
def test_a_package_arrives_whole_however_often_the_power_fails(
    cuts: list[int], seed: int, write_bytes: int, start: int
) -> None:
    flash = fresh_flash(seed, write_bytes)
    for cut in [*cuts, None]:
        if cut is not None:
            flash.cut_power_after(cut)
        try:
            staging = mounted(flash)
            if staging.source is None:
                staging.begin(Source("coap://x", b"tag", len(PACKAGE)))
            while not staging.is_complete:
                if staging.received == 0:
                    staging.begin(Source("coap://x", b"tag", len(PACKAGE)))
                    staging.place(start)
                staging.append(PACKAGE[staging.received : staging.received + 512])
                if staging.received == len(PACKAGE):
                    staging.finish()
        except PowerCut:
            pass
        flash.power_on()
    assert mounted(flash).contents() == PACKAGE
