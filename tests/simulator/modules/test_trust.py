from collections.abc import Callable
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml.module.trust_list import TrustedKey, TrustList, TrustListRejected
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.memory.flash import Flash, FlashGeometry, FlashRegion, PowerCut
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.trust import TrustStore

Server = Any
ROOT, OLD, NEW = (SigningKey.generate() for _ in range(3))
OLD_KEY, NEW_KEY = OLD.verification_key, NEW.verification_key
NOW = 1000.0


def trust(flash: Flash) -> TrustStore:
    return TrustStore(Journal(FlashRegion(flash, 0, 8192)), [OLD_KEY], [ROOT.verification_key], lambda: NOW)


def signed(version: int, *keys: TrustedKey, revoked: tuple[bytes, ...] = ()) -> bytes:
    return TrustList(version, keys, revoked).sign(ROOT)


@pytest.fixture
def flash() -> Flash:
    return Flash(FlashGeometry(8192, 1024, 8))


def test_the_keys_of_the_factory_count_until_there_is_a_list(flash: Flash) -> None:
    store = trust(flash)
    assert (store.keys, store.version, store.document) == ((OLD_KEY,), 0, b"")


def test_a_list_replaces_them_and_survives_a_reboot(flash: Flash) -> None:
    trust(flash).install(signed(3, TrustedKey(NEW_KEY)))
    store = trust(flash)
    assert ([key.key_id for key in store.keys], store.version) == ([NEW_KEY.key_id], 3)


def test_times_and_revocations_count(flash: Flash) -> None:
    store = trust(flash)
    store.install(signed(1, TrustedKey(OLD_KEY, valid_until=999), TrustedKey(NEW_KEY, valid_from=500)))
    assert [key.key_id for key in store.keys] == [NEW_KEY.key_id]
    assert {key.key_id for key in store.keys_of_installed} == {OLD_KEY.key_id, NEW_KEY.key_id}
    store.install(signed(2, TrustedKey(NEW_KEY), revoked=(OLD_KEY.key_id,)))
    assert [key.key_id for key in store.keys_of_installed] == [NEW_KEY.key_id]


@pytest.mark.parametrize(
    "document",
    [
        signed(1, TrustedKey(NEW_KEY)),
        signed(2, TrustedKey(NEW_KEY)),
        TrustList(9, (TrustedKey(NEW_KEY),)).sign(NEW),
        b"",
        b"\xff" * 100,
    ],
)
def test_older_foreign_and_malformed_lists_change_nothing(flash: Flash, document: bytes) -> None:
    store = trust(flash)
    store.install(signed(2, TrustedKey(OLD_KEY)))
    with pytest.raises(TrustListRejected):
        store.install(document)
    assert trust(flash).version == 2
    assert [key.key_id for key in store.keys] == [OLD_KEY.key_id]


def test_a_power_cut_leaves_the_old_list_or_the_new_one() -> None:
    for cut in range(4):
        flash = Flash(FlashGeometry(8192, 1024, 8), seed=cut)
        store = trust(flash)
        store.install(signed(1, TrustedKey(OLD_KEY)))
        flash.cut_power_after(cut)
        completed = True
        try:
            store.install(signed(2, TrustedKey(NEW_KEY)))
        except PowerCut:
            completed = False
        flash.power_on()
        after = trust(flash)
        assert after.version in ({2} if completed else {1, 2})
        assert len(after.keys) == 1


def test_a_list_that_cannot_be_read_any_more_trusts_nobody(flash: Flash) -> None:
    trust(flash).install(signed(1, TrustedKey(OLD_KEY), revoked=(NEW_KEY.key_id,)))
    another_root = TrustStore(Journal(FlashRegion(flash, 0, 8192)), [OLD_KEY], [OLD_KEY], lambda: NOW)
    assert another_root.keys == ()


async def test_a_server_rotates_and_revokes_keys(
    server: Server, make_device: Callable[..., SimulatedDevice], profile: Any, modules: Any
) -> None:
    first, second = modules.key.verification_key, NEW_KEY
    rotated = type(modules)(NEW, modules.blobs)

    async def write(document: bytes) -> Any:
        return (await server.ask(Code.PUT, "/42769/0/36", document, content_format=42)).code

    async def deliver(package: bytes, name: str) -> Any:
        server.packages[name] = package
        await server.write("/9/1/3", server.package_uri(name))
        return await server.poll("/42770/1/11", ModuleState.STAGED, ModuleState.FAILED)

    async with make_device(profile, trust_roots=[ROOT.verification_key]):
        await server.until_registered()
        assert await deliver(rotated.package(profile, 1), "early") == ModuleState.FAILED
        assert await write(signed(1, TrustedKey(first), TrustedKey(second))) is Code.CHANGED
        assert await server.value("/42769/0/35") == 1
        assert await deliver(rotated.package(profile, 1), "overlap") == ModuleState.STAGED
        assert await server.execute("/9/1/6") in {Code.CHANGED, Code.METHOD_NOT_ALLOWED}
        assert await write(signed(2, TrustedKey(second), revoked=(first.key_id,))) is Code.CHANGED
        assert set((await server.read("/42769/0/24")).values()) == {second.key_id}
        server.packages["late"] = modules.package(profile, 9)
        await server.write("/9/0/3", server.package_uri("late"))
        await server.poll("/42770/0/12", ModuleResult.SIGNATURE_INVALID)
        assert await write(signed(1, TrustedKey(first))) is Code.BAD_REQUEST
        assert await server.value("/42769/0/35") == 2
