"""When the compiler is missing, broken or silent."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.compiler.toolchain import ToolchainError, zig
from lwm2m_ml.compiler.toolchain.zig import run_zig
from lwm2m_ml.errors import MissingToolError


@pytest.fixture
def fresh_search() -> Iterator[None]:
    zig.zig_directory.cache_clear()
    yield
    zig.zig_directory.cache_clear()


def test_without_the_package_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_search: None
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match="pip install ziglang"):
        run_zig(["version"], directory=tmp_path)


def test_a_program_that_cannot_start_is_a_missing_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zig, "_zig_command", lambda: [str(tmp_path / "none")])
    with pytest.raises(MissingToolError, match="cannot be started"):
        run_zig(["version"], directory=tmp_path)


def test_a_compiler_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hang(*arguments: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("zig", options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(ToolchainError, match="did not finish within"):
        run_zig(["version"], directory=tmp_path)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            b"noise\nm.c:1: error: one\nmore\nm.c:2: error: two\n",
            "zig cc failed: m.c:1: error: one; m.c:2: error: two.",
        ),
        (b"something odd\n", "zig cc failed: something odd."),
        (b"", "zig cc ended with code 3 and said nothing."),
        (b"error: x\n" * 50, "zig cc failed: " + "; ".join(["error: x"] * 5) + "."),
        (b"error: \xff\n", "zig cc failed: error: \ufffd."),
    ],
)
def test_the_first_complaints_are_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: bytes, shown: str
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 3, b"", said))
    with pytest.raises(ToolchainError) as caught:
        run_zig(["cc"], directory=tmp_path)
    assert str(caught.value) == shown


def test_the_compiler_sees_no_variable_that_could_change_its_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, str] = {}

    def record(*_: Any, env: dict[str, str], **__: Any) -> subprocess.CompletedProcess[bytes]:
        seen.update(env)
        return subprocess.CompletedProcess([], 0, b"", b"")

    monkeypatch.setenv("CPATH", "/somewhere")
    monkeypatch.setenv("CFLAGS", "-O0")
    monkeypatch.setattr(subprocess, "run", record)
    run_zig(["version"], directory=tmp_path)
    assert not {"CPATH", "CFLAGS"} & set(seen)
    assert seen["ZIG_LOCAL_CACHE_DIR"].startswith(str(tmp_path))
