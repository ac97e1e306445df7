"""When the sender of a confirmable response hears that it has been received (RFC 7641 §4.5)."""

from collections.abc import Callable


class Receipt:
    """The acknowledgement of a confirmable response: it leaves at once, unless somebody keeps it back."""

    __slots__ = ("_settle", "kept_back")

    def __init__(self, settle: Callable[[bool], None]) -> None:
        self._settle = settle
        self.kept_back = False

    def release(self, accepted: bool) -> None:
        """Acknowledge what was kept back; or do not, and hear it again when its sender repeats it."""
        self._settle(accepted)
