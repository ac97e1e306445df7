from pathlib import Path

import pytest

from lwm2m_ml.module.encryption import SharedKey
from lwm2m_ml_simulator.device.faults import BitRot, Faults, PackageBitFlip
from lwm2m_ml_simulator.device.profile import DeliveryObject
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.modules.decoders import DecoderLimits
from lwm2m_ml_simulator.scenario.fleet import load_fleet, parse_fleet

DEVICE = """
name = "small"
[[device]]
endpoint = "a"
target = "nrf52840"
slot_bytes = 8192
"""


def test_the_demonstration_has_every_kind_of_device() -> None:
    fleet = load_fleet()
    cores = {profile.target.core for profile in fleet.profiles}
    assert {"cortex-m0plus", "cortex-m4f", "cortex-m7", "rv32imc"} <= cores
    assert len(fleet.profiles) >= 7
    assert any(profile.delivery is DeliveryObject.FIRMWARE_UPDATE for profile in fleet.profiles)
    assert any(profile.faults.power_cut_after_blocks for profile in fleet.profiles)
    assert any(profile.ram_bytes == 32_768 and profile.target.core == "cortex-m0plus" for profile in fleet.profiles)


def test_what_is_left_out_comes_from_the_target() -> None:
    profile = parse_fleet(DEVICE, "x.toml").profiles[0]
    assert (profile.ram_bytes, profile.clock_hz) == (262_144, 64e6)
    assert (profile.erase_block_bytes, profile.write_bytes, profile.slots) == (4096, 4, 2)
    assert profile.identity.model_number == "nrf52840"


def test_a_count_makes_numbered_devices_with_seeds_of_their_own() -> None:
    profiles = parse_fleet(DEVICE + "count = 3", "x.toml").profiles
    assert [profile.endpoint for profile in profiles] == ["a-00001", "a-00002", "a-00003"]
    assert len({profile.seed for profile in profiles}) == 3


def test_faults_are_read() -> None:
    text = DEVICE + (
        "[device.faults]\npower_cut_after_blocks = 9\nbit_rot = { payload_offset = 5, bit = 2, after_inferences = 7 }\n"
        "package_bit_flip = { offset = 3 }\n"
    )
    assert parse_fleet(text, "x.toml").profiles[0].faults == Faults(9, BitRot(5, 2, 7), PackageBitFlip(3, 0))


def test_versions_radio_and_staging_are_read() -> None:
    text = DEVICE + (
        "version = '1.2'\nqueue_awake = 5\npacket_loss = 0.05\nstaging_bytes = 8192\ndecoder_memory_bytes = 4096\n"
    )
    profile = parse_fleet(text.replace("= 5\n", "= 5.0\n"), "x.toml").profiles[0]
    assert (profile.version, profile.radio.awake_seconds, profile.conditions.loss) == ("1.2", 5.0, 0.05)
    assert profile.decoders == DecoderLimits(4096, 8192)
    assert profile.staging_bytes == 8192
    assert profile.geometry.total_bytes == profile.staging_start + 8192


def test_how_packages_come_is_read() -> None:
    profile = parse_fleet(DEVICE + f"windowed = true\nshared_key = '{'0F' * 16}'\n", "x.toml").profiles[0]
    assert profile.fetch.windowed
    assert profile.decryption_key == SharedKey(b"\x0f" * 16)
    with pytest.raises(InvalidFleet, match="shared_key"):
        parse_fleet(DEVICE + "shared_key = '0f'\n", "x.toml")


def test_keys_are_read() -> None:
    text = DEVICE + (
        f"count = 2\n[device.security]\nkey = '{'0f' * 16}'\nidentity = 'id of {{endpoint}}'\nbootstrap = true\n"
        f"[device.security.oscore]\nmaster_secret = '{'ab' * 16}'\nsender_id = '01'\nrecipient_id = ''\n"
    )
    security = parse_fleet(text, "x.toml").profiles[1].security
    assert (security.mode, security.identity, security.secret) == (0, b"id of a-00002", b"\x0f" * 16)
    assert security.oscore is not None
    assert security.oscore.master_secret == b"\xab" * 16
    account = security.account("coaps://host", 60)
    assert (account.for_bootstrap, account.binding) == (True, "U")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "x.toml is not TOML"),
        ("name = 'a'", "x.toml: there are no devices"),
        (DEVICE + "slot_byte = 1", r"x.toml: device 1 \(a\): slot_byte: extra inputs"),
        (DEVICE + "slots = 'two'", r"device 1 \(a\): slots: input should be a valid integer"),
        (DEVICE + "delivery = 'pigeon'", r"device 1 \(a\): delivery: input should be"),
        (
            DEVICE + "faults = { bit_rot = { bit = 9, payload_offset = 1 } }",
            r"faults.bit_rot.bit: input should be less",
        ),
        (DEVICE.replace("nrf52840", "z80"), r"device 1 \(a\): .*z80"),
        (DEVICE.replace("8192", "8000"), "8000 is not a number of whole erase blocks"),
        (DEVICE + "block_bytes = 500", "powers of two"),
        (DEVICE + "working_memory_bytes = 999999", "working_memory_bytes is more than ram_bytes"),
        (DEVICE.replace("nrf52840", "cortex-m4f"), "ram_bytes is missing"),
        (DEVICE + "version = '1.3'", "version: input should be"),
        (DEVICE + "security = { key = 'xyz' }", "security.key"),
        (DEVICE + "security = { key = '00112233', certificate = 'a.pem' }", "not both"),
        (DEVICE + "security = { certificate = 'a.pem' }", "belong together"),
        (
            DEVICE + "security = { certificate = 'a', private_key = 'b', server_certificate = 'c' }",
            "a holds no certificate",
        ),
        (DEVICE + DEVICE.replace('name = "small"', ""), "endpoint 'a' occurs twice"),
    ],
)
def test_errors_name_the_file_the_device_and_the_key(text: str, message: str) -> None:
    with pytest.raises(InvalidFleet, match=message):
        parse_fleet(text, "x.toml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidFleet, match="cannot be read"):
        load_fleet(tmp_path / "none.toml")
