"""Backends that misbehave, installed beside the real ones, and models small and real."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lwm2m_ml.compiler.backends.isolation import Limits

InstallBackends = Callable[..., None]

# Enough for the worker to start on a busy machine, little enough to fill at once.
SMALL = Limits(seconds=20.0, memory_bytes=400 << 20, file_bytes=4 << 20)


@pytest.fixture
def small_limits() -> Limits:
    """Limits that a misbehaving backend meets soon."""
    return SMALL


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallBackends]:
    """Installs a package of backends: `install(source, name="Class", …)`, as pip would, here and in workers."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def install_backends(source: str, distribution: str = "vendor", **classes: str) -> None:
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        facts = tmp_path / f"{module}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {module}:{kind}\n" for name, kind in classes.items())
        (facts / "entry_points.txt").write_text(f"[lwm2m_ml.backends]\n{lines}")

    yield install_backends
    for name in [name for name in sys.modules if name.startswith("vendor")]:
        del sys.modules[name]
