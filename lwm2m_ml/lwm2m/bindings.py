"""Transport bindings in the notations of all versions (Core TS V1_2 §6.2.1.2, V1_0_2 §5.3.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

_TRANSPORTS = frozenset("UTMHSN")


@dataclass(frozen=True, slots=True)
class Binding:
    """The transports a client listens on (U UDP, T TCP, S SMS, N non-IP, M MQTT, H HTTP) and whether it sleeps."""

    transports: str = "U"
    queue_mode: bool = False

    @classmethod
    def parse(cls, text: str) -> Binding | None:
        """Read `U`, `UQ`, `UQS`, `UT` …; None for anything else.

        Version 1.0 writes queue mode into the binding (the letter Q after U, or S), later versions beside it.
        """
        letters = text.replace("Q", "")
        unique = len(set(letters)) == len(letters) > 0
        if not unique or not set(letters) <= _TRANSPORTS or text.startswith("Q") or text.count("Q") > 2:
            return None
        return cls(letters, "Q" in text)

    def __str__(self) -> str:
        return self.transports
