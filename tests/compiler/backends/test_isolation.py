"""Backends that loop, eat memory, crash, lie or answer garbage: each is survived, and named with what it did."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.compiler.backends.isolation import BackendFailed, BackendRefused, Limits
from lwm2m_ml.compiler.backends.registry import BrokenBackend, installed_backends
from lwm2m_ml.compiler.comparison import compare
from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import Lwm2mMlError

VENDOR = '''
import ctypes, os, subprocess, sys, time
from dataclasses import replace
from lwm2m_ml.compiler.backends.interface import Declaration, Format, Payload
from lwm2m_ml.errors import Lwm2mMlError

class Base:
    name, formats = "", (Format.WASM,)
    @property
    def declaration(self):
        return Declaration(self.name, "1.0", self.formats, data_types=("int8",))
    def true(self, request):
        from lwm2m_ml.compiler.backends.wasm import WasmBackend
        return WasmBackend().build(request)

class Loops(Base):
    name = "loops"
    def build(self, request):
        while True:
            pass

class Sleeps(Base):
    name = "sleeps"
    def build(self, request):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open(os.environ["LWM2M_ML_CACHE"] + "/child", "w").write(str(child.pid))
        time.sleep(600)

class Eats(Base):
    name = "eats"
    def build(self, request):
        hoard = []
        while True:
            hoard.append(bytearray(32 << 20))

class Crashes(Base):
    name = "crashes"
    def build(self, request):
        print("about to read address 0", flush=True)
        ctypes.string_at(0)

class Garbage(Base):
    name = "garbage"
    def build(self, request):
        return replace(self.true(request), code=os.urandom(2000))

class Lies(Base):
    """Answers a module of another model: that all weights are one bit different nobody sees from outside."""
    name = "lies"
    def build(self, request):
        made = self.true(request)
        code = bytearray(made.code)
        for place in range(len(code) - 300, len(code) - 260):
            code[place] ^= 1
        return replace(made, code=bytes(code))

class Words(Base):
    name = "words"
    def build(self, request):
        return "a module, honestly"

class Nowhere(Base):
    name = "nowhere"
    def build(self, request):
        made = self.true(request)
        return replace(made, offsets=dict.fromkeys(made.offsets, made.arena_bytes))

class Quits(Base):
    name = "quits"
    def build(self, request):
        os._exit(0)

class Floods(Base):
    name = "floods"
    def build(self, request):
        with open("flood", "wb") as file:
            for _ in range(64):
                file.write(bytes(1 << 20))

class Refuses(Base):
    name = "refuses"
    def build(self, request):
        raise Lwm2mMlError("The model is too deep", hint="Give a flatter one")

class Raises(Base):
    name = "raises"
    def build(self, request):
        return 1 / 0
'''


def _compile(backend: str, model: bytes, limits: Limits) -> Any:
    return compile_model(model, load_target("wasm32"), backend=backend, limits=limits)


@pytest.mark.parametrize(
    ("backend", "kind", "what"),
    [
        ("loops", "Loops", r"took (more|longer) than 3 s"),
        ("eats", "Eats", "wanted more than 400 MiB of memory"),
        ("crashes", "Crashes", r"crashed \(SIGSEGV.*about to read address 0"),
        ("garbage", "Garbage", "fails its proof"),
        ("lies", "Lies", "fails its proof"),
        ("words", "Words", "answered str instead of Payload"),
        ("nowhere", "Nowhere", "does not lie in the arena"),
        ("quits", "Quits", "without an answer"),
        ("floods", "Floods", r"more than 4 MiB|File too large"),
        ("raises", "Raises", "ZeroDivisionError"),
    ],
)
def test_bad_backend_is_survived_and_named(
    backend: str, kind: str, what: str, digits_network: bytes, install: Any, small_limits: Limits
) -> None:
    install(VENDOR, **{backend: kind})
    limits = Limits(3.0, small_limits.memory_bytes, small_limits.file_bytes) if backend == "loops" else small_limits
    with pytest.raises(BackendFailed, match=f"The backend {backend} .*({what})"):
        _compile(backend, digits_network, limits)


def test_children_of_a_hanging_backend_end_with_it(
    digits_network: bytes, install: Any, small_limits: Limits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(VENDOR, sleeps="Sleeps")
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    with pytest.raises(BackendFailed, match="sleeps took longer than 4 s"):
        _compile("sleeps", digits_network, Limits(4.0, small_limits.memory_bytes, small_limits.file_bytes))
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _runs(child):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {child} is still there")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_refusal_of_a_backend_is_told_with_its_hint(digits_network: bytes, install: Any, small_limits: Limits) -> None:
    install(VENDOR, refuses="Refuses")
    with pytest.raises(BackendRefused, match=r"refuses: The model is too deep\. Give a flatter one"):
        _compile("refuses", digits_network, small_limits)


def test_comparison_names_bad_backends_and_goes_on(digits_network: bytes, install: Any, small_limits: Limits) -> None:
    install(VENDOR, crashes="Crashes", garbage="Garbage")
    compared = {each.backend: each for each in compare(digits_network, load_target("rv32imc"), limits=small_limits)}
    assert compared["native"].module is not None
    assert "SIGSEGV" in compared["crashes"].reason
    assert "fails its proof" in compared["garbage"].reason


def test_backend_that_cannot_be_loaded_is_listed_with_its_reason(install: Any, small_limits: Limits) -> None:
    install("import os\nos.abort()\n", distribution="vendor-abort", aborts="Nothing")
    install("raise ImportError('a part is missing')\n", distribution="vendor-parts", parts="Nothing")
    install(VENDOR, distribution="vendor-names", other="Words")
    install(
        VENDOR + "class Old(Base):\n    declaration = Declaration('old', '1', ('wasm',), interface='0.9')\n",
        distribution="vendor-old",
        old="Old",
    )
    found = {each.name: each for each in installed_backends(small_limits) if isinstance(each, BrokenBackend)}
    assert {name for name in found if name != "emlearn"} >= {"aborts", "parts", "other", "old"}
    assert "SIGABRT" in found["aborts"].problem
    assert "a part is missing" in found["parts"].problem
    assert "calls itself words" in found["other"].problem
    assert "interface 0.9" in found["old"].problem
    with pytest.raises(Lwm2mMlError, match="The backend parts of vendor-parts cannot be used"):
        _compile("parts", b"", small_limits)


def test_name_of_ours_cannot_be_taken_by_another_package(digits_network: bytes, install: Any) -> None:
    install(VENDOR, native="Crashes")
    assert compile_model(digits_network, load_target("rv32imc"), backend="native").exact
