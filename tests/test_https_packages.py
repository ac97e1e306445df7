"""Packages fetched over HTTPS straight from a server whose API has a certificate, by a device that trusts it."""

import asyncio
import datetime
import ipaddress
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.app import listen, package_root, running
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.config import Settings
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml.server.credentials.drafts import private_key_pem
from lwm2m_ml.service.campaigns.campaign import CampaignDevice
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.inputs.digits import load_digits_split
from lwm2m_ml_simulator.modules.fetching import FetchSettings
from lwm2m_ml_simulator.modules.http_download import HttpDownload


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a server whose API has a certificate for 127.0.0.1."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plant")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    certificate, private_key = tmp_path / "api.pem", tmp_path / "api.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private_key.write_text(private_key_pem(key))
    return Settings(
        data_directory=tmp_path / "data",
        coap_port=0,
        coaps_port=0,
        api_port=0,
        api_certificate=certificate,
        api_private_key=private_key,
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[TinyMLService]:
    """The server itself on real sockets; plain CoAP is for the management of the device."""
    async with running(settings.model_copy(update={"insecure": True})) as (_, http, listener):
        task = asyncio.create_task(http.serve(sockets=[listener]))
        yield http.config.app.state.service  # type: ignore[union-attr]
        http.should_exit = True
        await task


async def delivered(service: TinyMLService, authorities: Path | None) -> CampaignDevice:
    profile = DeviceProfile(
        endpoint="mcu",
        target=load_target("cortex-m4f"),
        ram_bytes=65_536,
        working_memory_bytes=32_768,
        slot_bytes=65_536,
        clock_hz=64e6,
        inference_period_ms=5,
        outage=0.2,
        delivery=DeliveryObject.FIRMWARE_UPDATE,
        fetch=FetchSettings(attempts=2, pause=0.01, http=True, http_first=True, authorities=authorities),
    )
    images = itertools.cycle(load_digits_split().test.images[:50])
    anchor = VerificationKey.from_pem(service.trust_anchor)
    async with SimulatedDevice(profile, service.coap_uri, images, [anchor]), asyncio.timeout(60):
        while not service.devices():  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.01)
        started = await service.deploy("digits", ["mcu"])
        while not (ended := await service.campaigns.get(started.campaign.id)).campaign.finished:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return ended.devices[0]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The addresses that the device fetched from over HTTP(S), each with whether that went well."""
    fetched: list[tuple[str, bool]] = []
    run = HttpDownload.run

    async def running(download: HttpDownload, uri: str) -> None:
        fetched.append((uri, False))
        await run(download, uri)
        fetched[-1] = uri, True

    monkeypatch.setattr(HttpDownload, "run", running)
    return fetched


async def test_a_device_that_prefers_https_fetches_from_the_server_itself(
    service: TinyMLService, settings: Settings, fetched: list[tuple[str, bool]]
) -> None:
    row = await delivered(service, settings.api_certificate)
    assert row.state is DeviceState.ACTIVE
    ((uri, went_well),) = fetched
    assert uri.startswith("https://127.0.0.1:")
    assert went_well
    assert (row.ota_bytes or 0) >= (row.module_bytes or 0) > 0


async def test_a_device_that_does_not_trust_the_certificate_gets_it_over_coap(
    service: TinyMLService, fetched: list[tuple[str, bool]]
) -> None:
    row = await delivered(service, None)
    assert row.state is DeviceState.ACTIVE
    assert fetched
    assert not any(went_well for _, went_well in fetched)


@pytest.mark.parametrize(
    ("changes", "root"),
    [
        ({}, "https://127.0.0.1:PORT"),
        ({"api_host": "plant.example"}, "https://plant.example:PORT"),
        ({"api_host": "::1"}, "https://[::1]:PORT"),
        ({"api_host": "0.0.0.0"}, ""),  # noqa: S104 - nothing is bound
        ({"api_host": "::", "package_url": "https://plant.example"}, "https://plant.example"),
        ({"api_certificate": None}, ""),
        ({"api_certificate": None, "insecure": True}, "http://127.0.0.1:PORT"),
    ],
)
def test_where_packages_are_had_follows_from_the_settings(
    settings: Settings, changes: dict[str, Any], root: str
) -> None:
    with listen("127.0.0.1", 0) as listener:
        wanted = root.replace("PORT", str(listener.getsockname()[1]))
        assert package_root(listener, settings.model_copy(update=changes)) == wanted
