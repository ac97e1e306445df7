"""The sketch of a module loader is plain C99 on every core, and does with packages what it should."""

import ctypes
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.include import HEADER
from lwm2m_ml.module.package import build_package
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.module.signing import SigningKey

SOURCE = Path(__file__).parents[2] / "examples" / "device" / "module_loader.c"
DOCUMENT = Path(__file__).parents[2] / "docs" / "connect-a-device.md"
TARGETS = {
    "cortex-m0plus": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
    "cortex-m4f": ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4"),
    "rv32imc": ("-target", "riscv32-freestanding-ilp32", "-mcpu=generic_rv32+m+c"),
}
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-std=c99", "-Os")
VENDOR, CLASS = bytes(range(16)), bytes(range(16, 32))
SLOT, NO_SLOT = 4096, 2


def _compile(*arguments: object) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", f"-I{HEADER.parent}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_compilers_take_it_without_a_warning(target: str, tmp_path: Path) -> None:
    _compile(*TARGETS[target], *WARNINGS, "-c", "-o", tmp_path / "loader.o", SOURCE)


Area = ctypes.c_void_p
HASH = ctypes.CFUNCTYPE(None, Area, Area, ctypes.c_size_t, Area)
VERIFY = ctypes.CFUNCTYPE(ctypes.c_int, Area, ctypes.c_int, Area, Area, ctypes.c_size_t, Area)
ERASE = ctypes.CFUNCTYPE(ctypes.c_int, Area, ctypes.c_uint32)
PROGRAM = ctypes.CFUNCTYPE(ctypes.c_int, Area, Area, ctypes.c_uint32)
SELF_TEST = ctypes.CFUNCTYPE(ctypes.c_int, Area, Area, Area)


class Record(ctypes.Structure):
    _fields_ = (
        ("state", ctypes.c_uint32),
        ("result", ctypes.c_uint32),
        ("active", ctypes.c_uint32),
        ("candidate", ctypes.c_uint32),
        ("arena_bytes", ctypes.c_uint32 * 2),
        ("floor", ctypes.c_uint64),
    )


REMEMBER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Record))


class Crypto(ctypes.Structure):
    _fields_ = (("context", Area), ("hash", HASH), ("verify", VERIFY))


class Recipient(ctypes.Structure):
    _fields_ = (
        ("vendor_id", ctypes.c_char_p),
        ("class_id", ctypes.c_char_p),
        ("component", Area),
        ("component_size", ctypes.c_size_t),
        ("sequence_floor", ctypes.c_uint64),
        ("storage_bytes", ctypes.c_uint32),
        ("working_memory_bytes", ctypes.c_uint32),
        ("abi_major", ctypes.c_uint32),
        ("abi_minor", ctypes.c_uint32),
        ("formats", ctypes.c_uint32),
        ("operator_set", ctypes.c_char_p),
        ("isa", ctypes.c_char_p),
    )


class Board(ctypes.Structure):
    _fields_ = (
        ("package", Area),
        ("package_bytes", ctypes.c_uint32),
        ("slot", Area * 2),
        ("slot_bytes", ctypes.c_uint32),
        ("arena", Area),
        ("recipient", Recipient),
        ("crypto", Crypto),
        ("erase", ERASE),
        ("program", PROGRAM),
        ("remember", REMEMBER),
        ("self_test", SELF_TEST),
    )


class Loader(ctypes.Structure):
    _fields_ = (("board", ctypes.POINTER(Board)), ("record", Record), ("received", ctypes.c_uint32))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The loader and the verifier, compiled for this machine."""
    made = tmp_path_factory.mktemp("loader") / "loader.so"
    _compile(*WARNINGS, "-shared", "-fPIC", "-o", made, SOURCE, HEADER.with_name("lwm2m_ml_verifier.c"))
    return ctypes.CDLL(str(made))


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


class Device:
    """A board in this process: its flash is memory, its cryptography Python's."""

    def __init__(self, library: ctypes.CDLL, key: SigningKey) -> None:
        self._library = library
        self.key = key
        self.kept: Record | None = None
        self.self_test_result = 0
        self._hashed = hashlib.sha256()
        self._package = ctypes.create_string_buffer(8192)
        self.slots = [ctypes.create_string_buffer(SLOT) for _ in range(2)]
        self._arena = ctypes.create_string_buffer(2048)
        recipient = Recipient(VENDOR, CLASS, None, 0, 0, 0, 2048, 1, 0, 1 << 2, b"native", None)
        areas = (Area * 2)(*(ctypes.addressof(slot) for slot in self.slots))
        self.board = Board(
            ctypes.addressof(self._package),
            8192,
            areas,
            SLOT,
            ctypes.addressof(self._arena),
            recipient,
            Crypto(None, HASH(self._hash), VERIFY(self._verify)),
            ERASE(self._erase),
            PROGRAM(self._program),
            REMEMBER(self._remember),
            SELF_TEST(lambda _image, _arena, _verified: self.self_test_result),
        )
        self.loader = Loader()
        self.start(Record(0, 0, NO_SLOT, NO_SLOT))

    def start(self, record: Record) -> None:
        self("boot", ctypes.byref(self.board), ctypes.byref(record))

    def reset(self) -> None:
        assert self.kept is not None
        self.start(self.kept)

    def __call__(self, what: str, *arguments: Any) -> int:
        done: int = getattr(self._library, f"loader_{what}")(ctypes.byref(self.loader), *arguments)
        return done

    def take(self, package: bytes) -> int:
        """Write a package in blocks of 256 bytes, and install it."""
        assert self("begin") == 0
        for start in range(0, len(package), 256):
            block = package[start : start + 256]
            if self("write", block, len(block)) != 0:
                return -1
        return self("install")

    @property
    def state(self) -> ModuleState:
        return ModuleState(self.loader.record.state)

    @property
    def result(self) -> ModuleResult:
        return ModuleResult(self.loader.record.result)

    def _hash(self, _context: int, data: int, size: int, digest: int | None) -> None:
        self._hashed.update(ctypes.string_at(data, size) if size else b"")
        if digest:
            ctypes.memmove(digest, self._hashed.digest(), 32)
            self._hashed = hashlib.sha256()

    def _verify(self, _context: int, algorithm: int, _key: int, message: int, size: int, signature: int) -> int:
        made, signed = ctypes.string_at(signature, 64), ctypes.string_at(message, size)
        return int(algorithm == -8 and self.key.verification_key.verify(made, signed))

    def _erase(self, area: int, size: int) -> int:
        ctypes.memset(area, 0xFF, size)
        return 0

    def _program(self, at: int, data: int, size: int) -> int:
        ctypes.memmove(at, data, size)
        return 0

    def _remember(self, record: Any) -> int:
        self.kept = Record.from_buffer_copy(record.contents)
        return 0


@pytest.fixture
def device(library: ctypes.CDLL, key: SigningKey) -> Device:
    return Device(library, key)


def package(key: SigningKey, number: int, image: bytes = bytes(range(200)), **changes: Any) -> bytes:
    about = Descriptor(
        model_id=bytes(16),
        model_name="doubler",
        model_version="1.0.0",
        variant="only",
        target="cortex-m0plus",
        flash_bytes=len(image),
        arena_bytes=64,
        stack_bytes=32,
        instructions=4,
        inputs=(TensorDescriptor("x", (1,), "int8", 1.0, 0, 0),),
        outputs=(TensorDescriptor("y", (1,), "int8", 1.0, 0, 16),),
        vectors=((b"\x01", b"\x02"),),
    )
    facts: dict[str, Any] = {
        "key": key,
        "vendor_id": VENDOR,
        "class_id": CLASS,
        "component": (b"module",),
        "sequence_number": number,
    }
    return build_package(image, about, **(facts | changes))


def test_a_module_is_staged_tried_and_confirmed(device: Device) -> None:
    assert device.take(package(device.key, 1)) == ModuleResult.SUCCESS
    assert device.state == ModuleState.STAGED
    assert device.slots[0].raw[:200] == bytes(range(200))
    assert device("activate") == 0
    assert device.loader.record.state == ModuleState.TRIAL
    assert device("confirm") == 0
    assert (device.state, device.result) == (ModuleState.ACTIVE, ModuleResult.SUCCESS)


def test_the_next_module_takes_the_other_slot_and_a_failed_one_leaves_the_first(device: Device) -> None:
    device.take(package(device.key, 1))
    device("activate")
    device("confirm")
    assert device.take(package(device.key, 2, b"\x55" * 64)) == ModuleResult.SUCCESS
    assert device.loader.record.candidate == 1
    device("activate")
    assert device("give_up", ModuleResult.TRIAL_UNCONFIRMED.value) == 0
    assert (device.state, device.result) == (ModuleState.ACTIVE, ModuleResult.TRIAL_UNCONFIRMED)
    assert device.loader.record.active == 0
    assert device.slots[0].raw[:200] == bytes(range(200))


def test_a_reset_during_the_trial_brings_the_former_module_back(device: Device) -> None:
    device.take(package(device.key, 1))
    device("activate")
    device.reset()
    assert (device.state, device.result) == (ModuleState.EMPTY, ModuleResult.RESET_DURING_TRIAL)


def test_what_was_confirmed_is_there_after_a_reset(device: Device) -> None:
    device.take(package(device.key, 1))
    device("activate")
    device("confirm")
    device.reset()
    assert (device.state, device.loader.record.active) == (ModuleState.ACTIVE, 0)


def test_bad_packages_are_refused_with_the_reason(device: Device) -> None:
    good = package(device.key, 5)
    assert device.take(good) == ModuleResult.SUCCESS
    device("activate")
    device("confirm")
    bad = {
        "a stranger's": (package(SigningKey.generate(), 6), ModuleResult.SIGNATURE_INVALID),
        "another vendor's": (package(device.key, 6, vendor_id=CLASS), ModuleResult.WRONG_VENDOR_OR_CLASS),
        "an old one": (package(device.key, 4), ModuleResult.SEQUENCE_NUMBER_TOO_LOW),
        "the same again": (good, ModuleResult.SEQUENCE_NUMBER_TOO_LOW),
        "one too large": (package(device.key, 6, bytes(SLOT + 1)), ModuleResult.STORAGE_TOO_SMALL),
        "one flipped bit": (package(device.key, 6)[:-1] + b"\x00", ModuleResult.DIGEST_MISMATCH),
    }
    for name, (content, expected) in bad.items():
        assert device.take(content) == expected, name
        assert (device.state, device.result) == (ModuleState.ACTIVE, expected), name


def test_a_package_that_is_too_long_is_refused_while_it_comes(device: Device) -> None:
    assert device.take(bytes(9000)) == -1
    assert device.state is ModuleState.EMPTY


def test_a_module_with_other_answers_is_not_staged(device: Device) -> None:
    device.self_test_result = 1
    assert device.take(package(device.key, 1)) == ModuleResult.SELF_TEST_MISMATCH
    assert device.state is ModuleState.EMPTY
    assert device("activate") == -1


def test_calls_out_of_turn_change_nothing(device: Device) -> None:
    assert device("activate") == -1
    assert device("confirm") == -1
    assert device("give_up", 0) == -1
    assert device("infer") == -1
    assert device.state is ModuleState.EMPTY


def test_the_lines_of_the_document_compile(tmp_path: Path) -> None:
    (lines,) = re.findall(r"^```c\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)
    (tmp_path / "device.c").write_text(lines)
    _compile(
        *TARGETS["cortex-m4f"], *WARNINGS, f"-I{SOURCE.parent}", "-c", "-o", tmp_path / "d.o", tmp_path / "device.c"
    )
