"""A stranger's target file: read strictly, with complaints that name the file and the key."""

from pathlib import Path

import pytest

from lwm2m_ml.compiler.targets import InvalidTargetFile, load_target, read_target_file
from lwm2m_ml.errors import UsageError

GOOD = """
name = "my-board"
title = "My board"
family = "Mine"
core = "cortex-m4f"
flash_bytes = 1_048_576
clock_hz = 64_000_000
source = "its data sheet"

[storage]
write_alignment = 4
erase_block = 4096

[[ram]]
name = "low"
bytes = 65_536
address = 0x2000_0000

[[ram]]
name = "high"
bytes = 32_768

[power]
active_watts = 0.01
source = "measured"
"""
CORE = """
name = "my-core"
title = "My core"
architecture = "thumb"
isa = ["armv6-m"]
compiler_flags = ["-target", "thumb-freestanding-eabi", "-mcpu=cortex_m1"]
proof = "none"
source = "its manual"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_a_microcontroller_takes_its_instructions_from_its_core(tmp_path: Path) -> None:
    target = read_target_file(write(tmp_path, GOOD))
    assert (target.name, target.core, target.isa) == ("my-board", "cortex-m4f", load_target("cortex-m4f").isa)
    assert (target.ram_bytes, [bank.name for bank in target.ram_banks]) == (98_304, ["low", "high"])
    assert target.storage is not None
    assert (target.storage.write_alignment, target.storage.erase_block) == (4, 4096)
    assert target.power is not None
    assert target.power.active_watts == 0.01


def test_a_core_is_read_too(tmp_path: Path) -> None:
    target = read_target_file(write(tmp_path, CORE))
    assert target.is_core
    assert target.emulator_cpu is None


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('name = "my-board"', "", "name"),
        ('name = "my-board"', 'name = "My Board"', "name"),
        ('name = "my-board"', 'name = "cortex-m4f"', "name"),
        ('title = "My board"', 'title = ""', "title"),
        ('core = "cortex-m4f"', 'core = "cortex-m5"', "core"),
        ("flash_bytes = 1_048_576", "flash_bytes = -1", "flash_bytes"),
        ("flash_bytes = 1_048_576", 'flash_bytes = "1 MB"', "flash_bytes"),
        ("flash_bytes = 1_048_576", "flash_bytes = true", "flash_bytes"),
        ("flash_bytes = 1_048_576", "flash = 1_048_576", "flash"),
        ('source = "its data sheet"', "", "source"),
        ("erase_block = 4096", "erase_size = 4096", r"storage\.erase_size"),
        ("erase_block = 4096", "erase_block = 0", r"storage\.erase_block"),
        ("bytes = 65_536", "", r"ram\[0\]\.bytes"),
        ("bytes = 32_768", "bytes = 1.5", r"ram\[1\]\.bytes"),
        ('name = "high"', 'name = "low"', "ram"),
        ('name = "high"', 'name = "high"\naddress = 0x2000_8000', "ram"),
        ("active_watts = 0.01", "active_watts = 0", r"power\.active_watts"),
        ('source = "measured"', "", r"power\.source"),
        ('title = "My board"', "title = My board", "syntax"),
    ],
)
def test_every_mistake_is_named_by_file_and_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidTargetFile, match=rf"^mine\.toml: {key}: "):
        read_target_file(write(tmp_path, GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('architecture = "thumb"', 'architecture = "z80"', "architecture"),
        ('"-mcpu=cortex_m1"', '"-fplugin=/tmp/evil.so"', "compiler_flags"),
        ('"-mcpu=cortex_m1"', '"-o", "/etc/passwd"', "compiler_flags"),
        ('"-mcpu=cortex_m1"', '"@file"', "compiler_flags"),
        ('isa = ["armv6-m"]', 'isa = "armv6-m"', "isa"),
        ('proof = "none"', "", "proof"),
    ],
)
def test_a_core_file_can_only_choose_an_instruction_set(tmp_path: Path, old: str, new: str, key: str) -> None:
    with pytest.raises(InvalidTargetFile, match=rf"mine\.toml: {key}: "):
        read_target_file(write(tmp_path, CORE.replace(old, new)))


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        read_target_file(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidTargetFile, match="UTF-8"):
        read_target_file(tmp_path / "binary.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * 100_000)
    with pytest.raises(InvalidTargetFile, match="larger"):
        read_target_file(tmp_path / "long.toml")
