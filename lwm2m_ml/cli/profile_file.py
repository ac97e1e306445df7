"""The profiles of this user: servers by name, each with its token; a file that nobody else may read."""

import json
import os
import stat
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lwm2m_ml.errors import UsageError

PROFILE_VARIABLE = "LWM2M_ML_PROFILE"
FILE_NAME = "profiles.json"


@dataclass(frozen=True, slots=True)
class Profile:
    """One server: its URL, the token to show it, and the authorities to trust it by, if not those of the system."""

    server: str
    token: str = field(default="", repr=False)
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles, and the name of the one in use, empty for none."""

    current: str = ""
    by_name: dict[str, Profile] = field(default_factory=dict)

    def get(self, name: str) -> Profile:
        """The profile of a name; raises `UsageError`."""
        if name not in self.by_name:
            raise UsageError(f"There is no profile {name!r}", hint="See `lwm2m-ml profiles list`")
        return self.by_name[name]

    @property
    def chosen(self) -> Profile | None:
        """The profile that `--profile` or its variable names, else the one in use, if any."""
        name = _wanted.name or self.current
        return self.get(name) if name else None

    def with_profile(self, name: str, profile: Profile) -> "Profiles":
        """These and another one; the first one is put to use."""
        return replace(self, current=self.current or name, by_name={**self.by_name, name: profile})

    def without(self, name: str) -> "Profiles":
        """These without one; raises `UsageError` when it is not there."""
        self.get(name)
        left = {other: profile for other, profile in self.by_name.items() if other != name}
        return Profiles("" if self.current == name else self.current, left)


@dataclass(slots=True)
class Wanted:
    """The profile that this command was told to use, by its name."""

    name: str = ""


_wanted = Wanted()


def choose(name: str) -> None:
    """Use the profile of this name, whichever is in use otherwise; none is named by an empty one."""
    _wanted.name = name


def path() -> Path:
    """Where the profiles lie (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "lwm2m-ml" / FILE_NAME


def load() -> Profiles:
    """The profiles of this user; raises `UsageError` when the file is no good, or others may read it."""
    file = path()
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        content = json.loads(file.read_text(encoding="utf-8"))
        known = {name: Profile(**profile) for name, profile in content["profiles"].items()}
        profiles = Profiles(content["current"], known)
    except FileNotFoundError:
        return Profiles()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file} cannot be used ({error})", hint="Remove it, and add the profiles again") from error
    if mode & 0o077:
        raise UsageError(f"Others may read {file}", hint=f"Run: chmod 600 {file}")
    return profiles


def save(profiles: Profiles) -> None:
    """Keep the profiles; a failure leaves those that were there."""
    file = path()
    document: dict[str, Any] = {
        "current": profiles.current,
        "profiles": {name: asdict(profile) for name, profile in profiles.by_name.items()},
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = file.with_suffix(".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            json.dump(document, opened, indent=2)
        beside.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror})") from error
