"""The settings of this installation, with what was given as flags."""

from typing import TYPE_CHECKING, Any

from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.config import Settings


def read_settings(**flags: Any) -> "Settings":
    """Flags win over the environment, the environment over the file; raises `UsageError` for what cannot be set."""
    from pydantic import ValidationError

    from lwm2m_ml.config import Settings

    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"Setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
