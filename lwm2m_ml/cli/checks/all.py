"""Every check of `lwm2m-ml doctor`, in the order that findings are shown."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lwm2m_ml.cli.checks import compiling, machine, serving
from lwm2m_ml.cli.checks.finding import Check, Finding, guarded
from lwm2m_ml.cli.settings import read_settings


def examine(data_directory: Path | None) -> Iterator[list[Finding]]:
    """Do all checks with the settings that a server here would have, another data directory at most."""
    settings = read_settings(data_directory=data_directory)
    checks: tuple[tuple[str, Check], ...] = (
        ("interpreter", machine.interpreter),
        ("memory", machine.memory),
        ("clock", machine.clock),
        ("toolchain", compiling.compiling),
        ("extras", compiling.extras),
        ("ports", partial(serving.ports, settings)),
        ("database", partial(serving.database, settings)),
        ("secrets", partial(serving.secrets, settings)),
    )
    for name, check in checks:
        yield guarded(name, check)
