"""Plans of campaigns and federated runs: TOML files, whose content the server checks."""

import tomllib
from pathlib import Path
from typing import Any

from lwm2m_ml.errors import UsageError

MAXIMUM_PLAN_BYTES = 1 << 20


def read_plan(file: Path | None) -> dict[str, Any]:
    """What is in a plan's file, nothing without one; raises UsageError for a file that is no TOML."""
    if file is None:
        return {}
    try:
        if file.stat().st_size > MAXIMUM_PLAN_BYTES:
            raise UsageError(f"{file} is larger than a plan may be ({MAXIMUM_PLAN_BYTES:,} B)")
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", hint=str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from error
