"""What values in scenario files look like."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_SECONDS = (86_400.0, 3600.0, 60.0, 1.0)


class Table(BaseModel):
    """A table of a scenario file: every key is known, every value has its type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _seconds(value: Any) -> Any:
    return read_duration(value) if isinstance(value, int | str) and not isinstance(value, bool) else value


def read_duration(value: int | str) -> float:
    """Read `90`, `"90s"` or `"1h30m"` as seconds; raises ValueError."""
    if isinstance(value, int):
        return float(value)
    found = _DURATION.fullmatch(value)
    if not value or found is None:
        raise ValueError('a duration is a number of seconds, or text such as "90s", "15m" or "1d12h"')
    return sum(float(part) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True) if part is not None)


Bytes = Annotated[int, Field(gt=0, le=1 << 32)]
Count = Annotated[int, Field(ge=0, le=1 << 32)]
Share = Annotated[float, BeforeValidator(lambda value: float(value) if value in {0, 1} else value), Field(ge=0, le=1)]
Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=1e9, allow_inf_nan=False)]
PositiveDuration = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=1e9, allow_inf_nan=False)]
Number = Annotated[
    float,
    BeforeValidator(lambda value: float(value) if isinstance(value, int) and not isinstance(value, bool) else value),
    Field(allow_inf_nan=False),
]
Skew = Annotated[Number, Field(ge=-1e9, le=1e9)]
Scalar = bool | int | float | str
"""What a resource can be in TOML; bytes and links have no notation there."""
ResourcePath = Annotated[str, Field(pattern=r"^/\d{1,5}/\d{1,5}/\d{1,5}$")]
